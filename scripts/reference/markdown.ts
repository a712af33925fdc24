/** Markdown, as the pages of the reference need it. */

/** A table of cells that are Markdown themselves. */
export function markdownTable(head: string[], rows: string[][]): string {
  const row = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");
}

/** On one line, as a table's cell needs it. */
export function code(text: string): string {
  return text === "" ? "" : `\`${text.replaceAll(/\s+/g, " ")}\``;
}

/** Names in backticks, with commas. */
export function list(names: readonly string[]): string {
  return names.map(code).join(", ");
}

/** As a sentence begins. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** A page of these parts, with blank lines between them. */
export function page(parts: string[]): string {
  return parts.join("\n\n").concat("\n");
}

/**
 * What a link to a heading says after the `#`.
 * @param seen the headings that the page had before: those that read the same are told apart by a number
 */
export function headingAnchor(heading: string, seen = new Map<string, number>()): string {
  const anchor = heading
    .toLowerCase()
    .replaceAll(/[^\w -]/g, "")
    .replaceAll(" ", "-");
  const count = seen.get(anchor) ?? 0;
  seen.set(anchor, count + 1);
  return count === 0 ? anchor : `${anchor}-${count}`;
}
