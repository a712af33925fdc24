/** Writes docs/reference/schema.md from the catalogue of a database made for it; `--check` only compares. */
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { withClient } from "../../src/database/client.ts";
import { openDatabase } from "../../src/database/open.ts";
import { startThrowawayCluster } from "../../src/embedded/testing/throwaway.ts";
import { readOptions } from "../../src/options/options.ts";
import {
  type Catalogue,
  type Column,
  readCatalogue,
  type Routine,
  type Schema,
  type Table,
  type Type,
} from "../catalogue.ts";

const FILE = resolve(import.meta.dirname, "../../docs/reference/schema.md");

/** The whole page. The same migrations give the same text. */
function page({ schemas, tables, types, routines }: Catalogue): string {
  return [
    "# Reference",
    "Every table, column, policy, grant, function and type that a request can reach. Written from the catalogue and its comments by `npm run reference`; do not edit it here.",
    "The owner of the schema has all rights, and row level security does not hold for it. A role that is not named has none.",
    ...schemas.map(schemaLine),
    "## Tables",
    ...tables.map(tableSection),
    "## Functions",
    ...routines.map(routineSection),
    "## Types",
    ...types.map(typeSection),
  ]
    .join("\n\n")
    .concat("\n");
}

function schemaLine({ name, comment, roles }: Schema): string {
  return `**Schema \`${name}\`**, for ${list(roles)}: ${text(comment)}`;
}

function tableSection(table: Table): string {
  const constraints = [
    ...table.constraints,
    ...table.indexes.map(({ name, definition }) => ({ name, definition: `index ${definition}` })),
  ];
  return [
    `### ${table.schema}.${table.name}`,
    text(table.comment),
    columnTable(table.columns),
    `Constraints and indexes:\n\n${constraints.map(({ name, definition }) => `- \`${name}\`: ${code(definition)}`).join("\n")}`,
    grantTable(table),
    policyTable(table),
    ...(table.triggers.length > 0 ? [triggerTable(table)] : []),
  ].join("\n\n");
}

function fieldTable(columns: Column[]): string {
  return markdownTable(
    ["Field", "Type", "What it is"],
    columns.map(({ name, type, comment }) => [`\`${name}\``, code(type), text(comment)]),
  );
}

function columnTable(columns: Column[]): string {
  return markdownTable(
    ["Column", "Type", "Default", "What it is"],
    columns.map((column) => [
      `\`${column.name}\``,
      `${code(column.type)}${column.notNull ? "" : ", or null"}`,
      code(column.default),
      text(column.comment),
    ]),
  );
}

function grantTable({ grants }: Table): string {
  const commands = ["select", "insert", "update", "delete"];
  const cell = (role: string, command: string): string => {
    const grant = grants.find((candidate) => candidate.role === role && candidate.command === command);
    if (grant === undefined) return "–";
    return grant.columns === null ? "all" : list(grant.columns);
  };
  const roles = [...new Set(grants.map(({ role }) => role))];
  return markdownTable(
    ["Grants to", ...commands],
    roles.map((role) => [`\`${role}\``, ...commands.map((command) => cell(role, command))]),
  );
}

function policyTable({ policies }: Table): string {
  return markdownTable(
    ["Policy", "For", "To", "Rows it shows", "Rows it accepts"],
    policies.map((policy) => [
      `\`${policy.name}\``,
      policy.command,
      `\`${policy.role}\``,
      code(policy.using),
      code(policy.check),
    ]),
  );
}

function triggerTable({ triggers }: Table): string {
  return markdownTable(
    ["Trigger", "When", "What it does"],
    triggers.map(({ name, when, comment }) => [`\`${name}\``, when, text(comment)]),
  );
}

function routineSection(routine: Routine): string {
  const { tags, description } = split(routine.comment);
  const parameters = tags.flatMap((tag) => {
    const found = /^@param (\S+) (.*)$/.exec(tag);
    return found === null ? [] : [`- \`${found[1]}\`: ${found[2]}`];
  });
  return [
    `### ${routine.schema}.${routine.name}`,
    `\`\`\`sql\n${signature(routine)}\n\`\`\``,
    description,
    ...(parameters.length > 0 ? [parameters.join("\n")] : []),
    `${capital(routine.volatility)}, runs with the rights of ${routine.isDefiner ? "the owner" : "the caller"}; may be called by ${list(routine.roles)}.`,
  ].join("\n\n");
}

/** As a person would write it: PostgreSQL adds a cast to every default. */
function signature({ schema, name, arguments: parameters, returns }: Routine): string {
  const plain = parameters.replaceAll(
    / DEFAULT (NULL|'[^']*'|[^,:]+)(::[\w.]+)?/g,
    (_, value: string) => ` default ${value === "NULL" ? "null" : value}`,
  );
  return `${schema}.${name}(${plain}) returns ${returns.replace("SETOF", "setof")}`;
}

function typeSection({ schema, name, comment, labels, columns }: Type): string {
  return [
    `### ${schema}.${name}`,
    text(comment),
    labels.length > 0 ? `One of ${list(labels)}.` : fieldTable(columns),
  ].join("\n\n");
}

/** A comment without the smart tags at its head, which are for PostGraphile. */
function text(comment: string): string {
  return split(comment).description;
}

function split(comment: string): { tags: string[]; description: string } {
  const lines = comment.split("\n");
  const end = lines.findIndex((line) => !line.startsWith("@"));
  return end === -1
    ? { tags: lines, description: "" }
    : { tags: lines.slice(0, end), description: lines.slice(end).join(" ").trim() };
}

function markdownTable(head: string[], rows: string[][]): string {
  const row = (cells: string[]): string => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");
}

/** On one line, as a table's cell needs it. */
function code(sql: string): string {
  return sql === "" ? "" : `\`${sql.replaceAll(/\s+/g, " ")}\``;
}

function list(names: string[]): string {
  return names.length > 0 ? names.map((name) => `\`${name}\``).join(", ") : "nobody";
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

const cluster = await startThrowawayCluster();
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune"), JWT_SECRET: "-".repeat(32) });
  const { ownerUrl } = await openDatabase(options, { migrate: true });
  const reference = page(await withClient(ownerUrl, readCatalogue));

  if (!process.argv.includes("--check")) {
    await writeFile(FILE, reference);
  } else if ((await readFile(FILE, "utf8").catch(() => "")) !== reference) {
    console.error("docs/reference/schema.md is not what the migrations make: run `npm run reference` and commit it.");
    process.exitCode = 1;
  }
} finally {
  await cluster.stop();
}
