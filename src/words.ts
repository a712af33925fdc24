/** Words for what is counted. */

/** The noun for as many: "row", "rows". */
export function pluralOf(noun: string, number: number): string {
  return number === 1 ? noun : `${noun}s`;
}

/** "1 row", "2 rows" */
export function plural(number: number, noun: string): string {
  return `${number} ${pluralOf(noun, number)}`;
}
