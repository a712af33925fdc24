/** The environment's variables as people read them: in the help of the command line, and as tables in Markdown. */
import { GROUPS, type Variable, VARIABLES } from "./variables.ts";

/** Columns that the help may take. */
const WIDTH = 120;

type Described = Omit<Variable<unknown>, "parse"> & { name: string };

function inGroup(group: string): Described[] {
  return Object.entries(VARIABLES)
    .map(([name, described]): Described => ({ name, ...described }))
    .filter((described) => described.group === group);
}

/** What applies when the variable is not set, in Markdown; undefined when nothing does. */
function otherwiseOf({ fallback, otherwise }: Described): string | undefined {
  if (otherwise !== undefined || fallback === undefined) return otherwise;
  return `\`${typeof fallback === "string" ? fallback : JSON.stringify(fallback)}\``;
}

/** A line or several for each variable: its name, the first sentence about it, and its default. */
export function environmentHelp(): string[] {
  const names = Object.keys(VARIABLES).map((name) => name.length);
  const indent = Math.max(...names) + 4;
  return GROUPS.flatMap((group) => [
    `  ${group}`,
    ...inGroup(group).flatMap((described) => {
      const sentence = described.description.replace(/\. .*|\.$/s, "");
      const otherwise = otherwiseOf(described)?.replaceAll("`", "");
      const [first = "", ...more] = wrap(
        otherwise === undefined ? sentence : `${sentence} (${otherwise})`,
        WIDTH - indent,
      );
      return [`  ${described.name.padEnd(indent - 2)}${first}`, ...more.map((line) => " ".repeat(indent) + line)];
    }),
    "",
  ]).slice(0, -1);
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1) ?? ""} ${word}`.trim();
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** A heading and a table for each group. */
export function environmentMarkdown(): string {
  return GROUPS.map((group) =>
    [
      `## ${group}`,
      "",
      "| Variable | Default | Meaning |",
      "| --- | --- | --- |",
      ...inGroup(group).map(
        (described) => `| \`${described.name}\` | ${otherwiseOf(described) ?? "–"} | ${described.description} |`,
      ),
    ].join("\n"),
  ).join("\n\n");
}
