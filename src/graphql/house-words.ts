/** What PostGraphile says of what it makes by itself, in our words. */

/** Its sentence, whole, and ours; what it names in backticks stays. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  // The top
  [/^The root query type which gives access points .*$/, "What can be asked. A field is null where it is refused."],
  [
    /^The root mutation type which contains root .*$/,
    "What can be done: one after the other, each whole or not at all.",
  ],
  [/^The root subscription type: contains realtime events .*$/, "What one may be told of as it changes."],
  [/^Get a single (`\w+`)\.$/, "One $1 by its key; null where there is none that the caller may see."],
  // Mutations
  [/^The exclusive input argument for this mutation\..*$/, "All that it takes."],
  [/^All input for the (?:create )?(`\w+`) mutation\.$/, "What $1 takes."],
  [/^The output of our (`\w+`) mutation\.$/, "What $1 tells."],
  [/^The output of our (create|update|delete) (`\w+`) mutation\.$/, "What is told when a $2 was $1d."],
  [/^An arbitrary string value with no semantic meaning\..*$/, "Comes back as it was sent."],
  [/^The exact same `clientMutationId` that was .*$/, "What was sent as `clientMutationId`."],
  [/^Our root query field type\..*$/, "All that may be asked, after the change: what a list or a count says now."],
  [/^Creates a single (`\w+`)\.$/, "Makes a $1."],
  [
    /^Updates a single (`\w+`) using a .*$/,
    "Changes a $1: what the patch names, and nothing else. Refused: `unknown_row`.",
  ],
  [/^Deletes a single (`\w+`) using a .*$/, "Deletes a $1, and tells what it was. Refused: `unknown_row`."],
  [/^The (`\w+`) to be created by this mutation\.$/, "What the $1 is to be."],
  [/^The (`\w+`) that was created by this mutation\.$/, "The new $1."],
  [/^The (`\w+`) that was updated by this mutation\.$/, "The $1 as it is now."],
  [/^The (`\w+`) that was deleted by this mutation\.$/, "The $1 as it was: a cache forgets its `id`."],
  [/^An object where the defined keys will be set on the (`\w+`) .*$/, "What changes of the $1."],
  [/^An input for mutations affecting (`\w+`)$/, "What a new $1 is to be."],
  [/^Represents an update to a (`\w+`)\..*$/, "What changes of a $1; what is left out stays."],
  // Pages
  [/^Reads a single (`\w+`) that is related to this `\w+`\.$/, "The $1; null where the caller may not see it."],
  [/^Reads and enables pagination through a set of (`\w+`)\.$/, "A page of $1, of those that the caller may see."],
  [/^A connection to a list of (`\w+`) values\.$/, "A page of $1."],
  [/^A list of edges which contains the (`\w+`) and cursor .*$/, "The rows of the page, each with where it stands."],
  [/^A list of `\w+` objects\.$/, "The rows of the page."],
  [/^Information to aid in pagination\.$/, "Where the page begins and ends."],
  [/^The count of \*all\* (`\w+`) you could get from the connection\.$/, "How many $1 match, on all pages."],
  [/^A (`\w+`) edge in the connection\.$/, "One $1 of a page, with where it stands."],
  [/^A cursor for use in pagination\.$/, "Where it stands: send it as `after`."],
  [/^The (`\w+`) at the end of the edge\.$/, "The $1 itself."],
  [/^Read all values in the set (after|before) .*$/, "Only what comes $1 this cursor."],
  [/^The method to use when ordering `\w+`\.$/, "In which order; the next says what comes first of equals."],
  [/^Methods to use when ordering (`\w+`)\.$/, "Orders of $1."],
  [/^Information about pagination in a connection\.$/, "Where a page begins and ends, and whether there is more."],
  [/^When paginating forwards, are there more items\?$/, "Whether there are more after it."],
  [/^When paginating backwards, are there more items\?$/, "Whether there are more before it."],
  [/^When paginating forwards, the cursor to continue\.$/, "Where the last row stands: `after` gives what follows."],
  [/^When paginating backwards, the cursor to continue\.$/, "Where the first row stands."],
  // Counting
  [/^Aggregates across the matching connection \(.*$/, "Counts all that match."],
  [/^Grouped aggregates across the matching connection \(.*$/, "Counts all that match, by group."],
  [/^Distinct count aggregates across the matching connection \(.*$/, "How many different values there are."],
  [/^Distinct count of (\w+) across the matching connection$/, "Of `$1`."],
  [/^Distinct count of this field across the matching connection\. --- (.*)$/, "$1"],
  [/^The method to use when grouping (`\w+`) for these aggregates\.$/, "What has the same values here is one group."],
  [
    /^Grouping methods for (`\w+`) for usage during aggregation\.$/,
    "By what $1 are grouped; times also by hour and day.",
  ],
  // Scalars
  [/^A JSON Web Token defined by .*$/, "A signed JSON web token, as `Authorization: Bearer` takes it."],
  [/^A signed eight-byte integer\..*$/, "A whole number of up to 64 bits, as text: JavaScript's numbers are shorter."],
  [/^A location in a connection that can be used .*$/, "Where a row stands in a list in one order."],
  [/^A point in time as described by .*$/, "A moment with its offset from UTC, as ISO 8601 writes it."],
  [/^Represents JSON values as specified by .*$/, "Any JSON value, with every digit of its numbers."],
  [/^A builtin object identifier type for a relation name$/, "A table or view by its name, with its schema."],
  [/^A universally unique identifier as defined by .*$/, "A UUID, in lower case and with hyphens."],
  [/^An interval of time that has passed where .*$/, "A span of time: the sum of its parts."],
  [/^A quantity of (\w+)\.$/, "Of so many $1."],
  [/^A quantity of seconds\. This is the only .*$/, "Of so many seconds, and parts of one."],
];

/** @param sentence what PostGraphile, or a comment, says */
export function inOurWords(sentence: string): string {
  const line = sentence.replaceAll(/\s+/g, " ");
  const words = WORDS.find(([stock]) => stock.test(line));
  return words === undefined ? sentence : line.replace(...words);
}
