/** GraphQL's own messages without what was sent: they come into logs and error trackers, and it may be a secret. */

/** A message about a value, or a place in the query, without the value that it ends with. */
export function withoutValue(message: string): string {
  return message
    .replace(/(cannot represent [^:"]*value): [\s\S]*$/, "$1")
    .replace(/^(Expected value of type "[^"]*"), found [\s\S]*$/, "$1")
    .replace(/(found (?:String|BlockString|Int|Float)) "[\s\S]*$/, "$1");
}

/**
 * The same of a variable.
 * @param inner what is wrong with the value, or a part of it, with which the message ends
 */
export function variableWithoutValue(message: string, inner = ""): string {
  const [, head = "", name] =
    /^((Variable "\$\w+") got invalid value [\s\S]*); /.exec(
      message.endsWith(`; ${inner}`) ? message.slice(0, message.length - inner.length) : "",
    ) ?? [];
  if (name === undefined) return withoutValue(message);
  const at = / at "[^"\s]*"$/.exec(head)?.[0] ?? "";
  return `${name} got an invalid value${at}; ${withoutValue(inner)}`;
}
