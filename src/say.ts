/** What a process tells on the standard error while it goes on. */

/** @param sentence ends with a full stop */
export function say(sentence: string): void {
  console.error(`attune: ${sentence}`);
}
