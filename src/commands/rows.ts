/** Rows of a query as text: aligned as psql does it, as CSV, and as JSON. */
import pg from "pg";
import stringWidth from "string-width";

/** What a statement returned; values are as PostgreSQL writes them. */
export type Rows = { fields: Field[]; rows: (string | null)[][] };
export type Field = { name: string; dataTypeID: number };

const { CID, FLOAT4, FLOAT8, INT2, INT4, INT8, MONEY, NUMERIC, OID, XID } = pg.types.builtins;
const XID8 = 5069;
const ALIGNED_RIGHT: ReadonlySet<number> = new Set([
  CID,
  FLOAT4,
  FLOAT8,
  INT2,
  INT4,
  INT8,
  MONEY,
  NUMERIC,
  OID,
  XID,
  XID8,
]);
const BOOL: number = pg.types.builtins.BOOL;
const DOCUMENTS: ReadonlySet<number> = new Set([pg.types.builtins.JSON, pg.types.builtins.JSONB]);
/** What PostgreSQL writes as JSON does, save for values like NaN. */
const NUMBERS: ReadonlySet<number> = new Set([FLOAT4, FLOAT8, INT2, INT4, INT8, NUMERIC]);

/** A line of a cell, and whether others follow. */
type CellLine = { text: string; continues: boolean };

/** What psql prints: names, a rule, a line a row, and how many there are. */
export function aligned({ fields, rows }: Rows): string {
  const cells = rows.map((row) => row.map(linesOfCell));
  const names = fields.map(({ name }) => visible(name));
  const widths = names.map((name, index) =>
    cells.reduce(
      (width, row) => Math.max(width, ...(row[index] ?? []).map(({ text }) => stringWidth(text))),
      stringWidth(name),
    ),
  );
  const widthOf = (index: number): number => widths[index] ?? 0;
  const last = fields.length - 1;

  const header = names.map((name, index) => {
    const space = widthOf(index) - stringWidth(name);
    return ` ${" ".repeat(Math.floor(space / 2))}${name}${" ".repeat(Math.ceil(space / 2))} `;
  });
  const rule = fields.length === 0 ? "--" : widths.map((width) => "-".repeat(width + 2)).join("+");

  const cellLine = (line: CellLine | undefined, index: number): string => {
    const { text, continues } = line ?? { text: "", continues: false };
    const space = " ".repeat(widthOf(index) - stringWidth(text));
    if (ALIGNED_RIGHT.has(fields[index]?.dataTypeID ?? 0) && line !== undefined)
      return ` ${space}${text}${continues ? "+" : index < last ? " " : ""}`;
    return index < last || continues ? ` ${text}${space}${continues ? "+" : " "}` : ` ${text}`;
  };
  const body = cells.flatMap((row) =>
    Array.from({ length: Math.max(...row.map((lines) => lines.length)) }, (_, n) =>
      row.map((lines, index) => cellLine(lines[n], index)).join("|"),
    ),
  );
  const count = `(${rows.length} row${rows.length === 1 ? "" : "s"})`;
  return [...(fields.length === 0 ? [] : [header.join("|")]), rule, ...body, count, "", ""].join("\n");
}

/** As psql's `--csv`: null is empty, and what needs quotes has them. */
export function csv({ fields, rows }: Rows): string {
  const cell = (value: string | null): string =>
    value !== null && (/[",\r\n]/.test(value) || value === "\\.") ? `"${value.replaceAll('"', '""')}"` : (value ?? "");
  return [fields.map(({ name }) => name), ...rows].map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** An array with an object a row. Numbers and JSON keep every digit. */
export function json({ fields, rows }: Rows): string {
  const member = (value: string | null, { dataTypeID }: Field): string => {
    if (value === null) return "null";
    if (dataTypeID === BOOL) return value === "t" ? "true" : "false";
    if (DOCUMENTS.has(dataTypeID)) return value;
    return NUMBERS.has(dataTypeID) && /^-?\d/.test(value) ? value : JSON.stringify(value);
  };
  const objects = rows.map(
    (row) =>
      `{${fields.map((field, n) => `${JSON.stringify(field.name)}:${member(row[n] ?? null, field)}`).join(",")}}`,
  );
  return `[${objects.join(",\n ")}]\n`;
}

function linesOfCell(value: string | null): CellLine[] {
  const lines = (value ?? "").split("\n").map(visible);
  return lines.map((text, index) => ({ text, continues: index < lines.length - 1 }));
}

/** Tabs become blanks, and what would disturb the terminal is written out. */
function visible(text: string): string {
  let shown = "";
  for (const character of text) {
    if (character === "\t") shown += " ".repeat(8 - (stringWidth(shown) % 8));
    else if (character === "\r") shown += String.raw`\r`;
    else if (/\p{Cc}/u.test(character))
      shown += String.raw`\x${character.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()}`;
    else shown += character;
  }
  return shown;
}
