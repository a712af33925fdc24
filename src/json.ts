/** JSON with every digit: numbers that JavaScript can't hold keep their text, on the way in and on the way out. */

/** What `JSON.rawJSON` makes: a number of which only the text is known. `JSON.stringify` writes it as it was read. */
export type RawJson = { readonly rawJSON: string };

declare global {
  interface JSON {
    /** @throws SyntaxError when the text is an object, an array, or no JSON */
    rawJSON(text: string): RawJson;
    isRawJSON(value: unknown): value is RawJson;
    parse(
      text: string,
      reviver: (this: unknown, key: string, value: unknown, context: { source?: string }) => unknown,
    ): unknown;
  }
}

/** What JavaScript may write otherwise: a number with many digits, an exponent, zeros at the end of its fraction. */
const MAY_DIFFER = /(?:^|[[,:\s])-?(?:[\d.]{16}|\d+\.\d*0(?!\d)|[\d.]+e)/i;

/**
 * As `JSON.parse`, but a number that JavaScript would write otherwise is a `RawJson`.
 * @throws SyntaxError, or RangeError when it is nested some thousand levels deep
 */
export function parseJson(text: string): unknown {
  // A reviver makes it several times slower, and few texts have such a number.
  return MAY_DIFFER.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text);
}

/** For `JSON.parse`: the same. */
export function keepDigits(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === "number" && context?.source !== undefined ? exactNumber(context.source) : value;
}

/** A number of JavaScript's where that is written the same, else its text. */
export function exactNumber(source: string): number | RawJson {
  const number = Number(source);
  return String(number) === source ? number : JSON.rawJSON(source);
}
