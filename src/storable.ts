/** What PostgreSQL can hold as it is: refuses text, numbers and depths that it can not, naming the place. */
import { LIMITS } from "./graphql/limits.ts";
import { RequestError } from "./server/request-error.ts";

/** Where a value is: in another one as its member or element, or at the top under the name of a variable or argument. */
export type Place = { within: Place | undefined; name: string | number };

/** How deep a value may be that holds others: a document of settings, whose values have 64 levels, is deeper than they. */
const DEPTH = 100;

/** What `numeric` has room for. */
const DIGITS = { before: 131_072, after: 16_383 };

/** How many characters the numbers of one value may have, as PostgreSQL writes them: `1e9` has ten. */
const WRITTEN = LIMITS.body;

/** A place as text: `$patch/theme/0`, the name and then a JSON pointer. */
export function pathOf({ within, name }: Place): string {
  // Without its quotes, so that nothing in a name can be taken for anything else.
  const shown = JSON.stringify(String(name)).slice(1, -1);
  if (within === undefined) return shown;
  return `${pathOf(within)}/${shown.replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** @throws RequestError when text can't be stored as it is */
export function checkText(text: string, place: Place): void {
  if (!text.includes("\0") && text.isWellFormed()) return;
  const what = text.includes("\0") ? "the character U+0000" : "half a surrogate pair";
  throw new RequestError(
    422,
    "invalid_text",
    `${pathOf(place)} has ${what}, which PostgreSQL cannot hold`,
    "Send text without it.",
  );
}

/**
 * Checks a number by its text.
 * @returns how many characters it has without an exponent
 * @throws RequestError when PostgreSQL can't hold it
 */
export function checkNumber(source: string, place: Place): number {
  const [, whole = "", fraction = "", power = "0"] = /^-?(\d+)(?:\.(\d+))?(?:e(.+))?$/i.exec(source) ?? [];
  const exponent = Number(power);
  const digits = whole + fraction;
  const leadingZeros = /^0*/.exec(digits)?.[0].length ?? 0;
  const before = leadingZeros === digits.length ? 0 : whole.length - leadingZeros + exponent;
  const after = fraction.length - exponent;
  if (before > DIGITS.before || after > DIGITS.after || Math.abs(exponent) > DIGITS.before * 2) {
    throw new RequestError(
      422,
      "number_out_of_range",
      `${pathOf(place)} is a number that PostgreSQL cannot hold`,
      `A number has at most ${DIGITS.before} digits before its point and ${DIGITS.after} after it.`,
    );
  }
  return Math.max(before, 0) + Math.max(after, 0);
}

/** @throws RequestError when a value has more levels than PostgreSQL is asked to read */
export function checkDepth(depth: number, place: Place): void {
  if (depth <= DEPTH) return;
  throw tooDeep(`${pathOf(top(place))} is nested more than ${DEPTH} levels deep`);
}

/** The refusal of what is nested so deep that nobody looks further into it. */
export function tooDeep(message: string): RequestError {
  return new RequestError(422, "value_too_deep", message, "Make the value flatter.");
}

/** Adds up what the numbers of one value come to when they are written out. */
export function createTally(place: Place): (length: number) => void {
  let written = 0;
  return (length) => {
    written += length;
    if (written <= WRITTEN) return;
    throw new RequestError(
      422,
      "too_large",
      `The numbers of ${pathOf(top(place))} have more than ${WRITTEN} digits`,
      "Make it smaller.",
    );
  };
}

/**
 * Checks all of a JSON value, as `parseJson` makes it, however deep it is.
 * @throws RequestError naming a place that is wrong
 */
export function checkJson(value: unknown, place: Place): void {
  const tally = createTally(place);
  const open: { value: unknown; place: Place; depth: number }[] = [{ value, place, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value: held, place: at, depth } = next;
    if (typeof held === "string") checkText(held, at);
    else if (JSON.isRawJSON(held)) tally(checkNumber(held.rawJSON, at));
    else if (typeof held === "object" && held !== null) {
      checkDepth(depth + 1, at);
      const isList = Array.isArray(held);
      for (const [name, member] of Object.entries(held)) {
        const within = { within: at, name: isList ? Number(name) : name };
        if (!isList) checkText(name, within);
        if (typeof member === "string" || (typeof member === "object" && member !== null))
          open.push({ value: member, place: within, depth: depth + 1 });
      }
    }
  }
}

/** Whether `checkJson` has nothing against a value. */
export function isStorable(value: unknown): boolean {
  try {
    checkJson(value, { within: undefined, name: "value" });
    return true;
  } catch (error) {
    if (error instanceof RequestError) return false;
    throw error;
  }
}

function top(place: Place): Place {
  return place.within === undefined ? place : top(place.within);
}
