/** Where the statements of a SQL script start, found with PostgreSQL's rules for quoting. */

const TOKEN = new RegExp(
  [
    String.raw`--[^\n]*|/\*[^]*?\*/`,
    String.raw`(?<text>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?<tag>\w*)\$[^]*?\$\k<tag>\$)`,
    String.raw`(?<meta>\\\S+)`,
    String.raw`(?<atomic>\bbegin\s+atomic\b)`,
    String.raw`(?<word>[A-Za-z_][\w$]*)`,
    String.raw`(?<end>;)`,
    String.raw`(?<other>\S)`,
  ].join("|"),
  "gsi",
);

export type Position = { line: number; column: number };

/** The offset of each statement, and of the first command that only psql understands (`\set`, `\i`), if any. */
export function scanSql(sql: string): { statements: number[]; metaCommand: { at: number; name: string } | undefined } {
  const statements: number[] = [];
  let inside = false;
  let depth = 0; // of begin atomic … end, and the cases in it
  for (const { index, groups = {} } of sql.matchAll(TOKEN)) {
    if (groups["meta"] !== undefined) return { statements, metaCommand: { at: index, name: groups["meta"] } };

    if (groups["end"] !== undefined && depth === 0) {
      inside = false;
    } else if (Object.values(groups).some((group) => group !== undefined)) {
      if (!inside) statements.push(index);
      inside = true;
      const word = groups["word"]?.toLowerCase();
      if (groups["atomic"] !== undefined || (depth > 0 && word === "case")) depth += 1;
      else if (depth > 0 && word === "end") depth -= 1;
    }
  }
  return { statements, metaCommand: undefined };
}

/** Takes out a keyword wherever it is one, not in quotes or comments. */
export function withoutKeyword(sql: string, keyword: string): string {
  return [...sql.matchAll(TOKEN)]
    .filter(([token]) => token.toLowerCase() === keyword)
    .map(({ index }) => index)
    .reduceRight((text, at) => text.slice(0, at) + text.slice(at + keyword.length).trimStart(), sql);
}

/** Line and column, both from 1, of an offset. */
export function positionOf(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}
