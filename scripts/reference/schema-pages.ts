/** The pages of the schema: one a subject, and the index of them all. */
import type { Catalogue, Column, Constraint, Routine, Schema, Table, Type } from "../catalogue.ts";
import type { GraphqlName } from "./graphql-names.ts";
import { capital, code, headingAnchor, list, markdownTable, page } from "./markdown.ts";
import { GROUPS, linkTo, type SqlObject } from "./objects.ts";
import type { Subject } from "./subjects.ts";

/** Every subject with its objects, each linked. */
export function schemaIndex({ schemas }: Catalogue, subjects: Subject[], objects: SqlObject[]): string {
  return page([
    "# Schema",
    "Every table, column, policy, grant, function and type that a request can reach, by subject. Written from the catalogue and its comments by `npm run reference`; do not edit it here. What it makes in GraphQL is in [GraphQL](graphql.md).",
    "The owner of the schema has all rights, and row level security does not hold for it. A role that is not named has none.",
    ...schemas.map(schemaLine),
    ...subjects.flatMap(({ name, about }) => {
      const groups = groupsOf(objects.filter(({ subject }) => subject === name));
      return [
        `## ${name}`,
        groups.length > 0
          ? `[${capital(about)}](schema/${name}.md).`
          : `${capital(about)}. Nothing of it is reached by a request.`,
        ...groups.map(([group, own]) => `${group}: ${own.map((object) => linkTo(object, "schema/")).join(", ")}.`),
      ];
    }),
  ]);
}

/** The page of a subject: everything about each of its objects. */
export function schemaPage({ name, about }: Subject, objects: SqlObject[], names: GraphqlName[]): string {
  return page([
    `# Schema: ${name}`,
    `${capital(about)}. Written by \`npm run reference\`; do not edit it here. [All subjects](../schema.md).`,
    ...groupsOf(objects).flatMap(([group, own]) => [
      `## ${group}`,
      ...(group === "For policies"
        ? ["Policies, column defaults and functions need these while a request runs, and nobody should call them."]
        : []),
      ...own.flatMap((object) => [
        `### ${object.name}`,
        sectionOf(object),
        ...graphqlLine(names.filter((named) => named.object === object)),
      ]),
    ]),
  ]);
}

/** The groups that have objects, with them. */
function groupsOf(objects: SqlObject[]): [group: string, objects: SqlObject[]][] {
  return GROUPS.map((group): [string, SqlObject[]] => [
    group,
    objects.filter((object) => object.group === group),
  ]).filter(([, own]) => own.length > 0);
}

function sectionOf(object: SqlObject): string {
  if (object.group === "Tables") return tableSection(object.it);
  return object.group === "Types" ? typeSection(object.it) : routineSection(object.it);
}

/** What the object is called in GraphQL: types, then fields. Queries and mutations have a heading there. */
function graphqlLine(names: GraphqlName[]): string[] {
  const isField = ({ coordinate }: GraphqlName): boolean => coordinate.includes(".");
  const words = [...names.filter((name) => !isField(name)), ...names.filter(isField)].map(({ coordinate }) =>
    /^(Query|Mutation)\./.test(coordinate)
      ? `[\`${coordinate}\`](../graphql.md#${headingAnchor(coordinate)})`
      : code(coordinate),
  );
  return words.length > 0 ? [`In GraphQL: ${words.join(", ")}.`] : [];
}

function schemaLine({ name, comment, roles }: Schema): string {
  return `**Schema \`${name}\`**, for ${rolesOf(roles)}: ${text(comment)}`;
}

function tableSection(table: Table): string {
  const constraints = [
    ...table.constraints,
    ...table.indexes.map(({ name, definition }) => ({ name, definition: `index ${definition}` })),
  ];
  return [
    text(table.comment),
    columnTable(table),
    ...(constraints.length > 0 ? [constraintList(constraints)] : []),
    grantTable(table),
    ...(table.policies.length > 0 ? [policyTable(table)] : []),
    ...(table.triggers.length > 0 ? [triggerTable(table)] : []),
  ].join("\n\n");
}

function fieldTable(columns: Column[]): string {
  return markdownTable(
    ["Field", "Type", "What it is"],
    columns.map(({ name, type, comment }) => [`\`${name}\``, code(type), text(comment)]),
  );
}

function constraintList(constraints: Constraint[]): string {
  const items = constraints.map(({ name, definition }) => `- \`${name}\`: ${code(definition)}`);
  return `Constraints and indexes:\n\n${items.join("\n")}`;
}

/** Of a view's columns, PostgreSQL does not know which are never null. */
function columnTable({ columns, isView }: Table): string {
  return markdownTable(
    ["Column", "Type", "Default", "What it is"],
    columns.map((column) => [
      `\`${column.name}\``,
      `${code(column.type)}${column.notNull || isView ? "" : ", or null"}`,
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
  const parameters = described(tags, "param");
  return [
    `\`\`\`sql\n${signature(routine)}\n\`\`\``,
    description,
    ...(parameters === "" ? [] : [parameters]),
    `${capital(routine.volatility)}, runs with the rights of ${routine.isDefiner ? "the owner" : "the caller"}; may be called by ${rolesOf(routine.roles)}.`,
  ].join("\n\n");
}

/** As a person would write it: PostgreSQL adds a cast to every default. */
function signature({ schema, name, arguments: parameters, returns }: Routine): string {
  const plain = parameters
    .replace(/^IN |(?<=, )IN /g, "")
    .replaceAll(
      / DEFAULT (NULL|'[^']*'|[^,:]+)(::[\w.]+)?/g,
      (_, value: string) => ` default ${value === "NULL" ? "null" : value}`,
    );
  if (returns === "") return `call ${schema}.${name}(${plain})`;
  return `${schema}.${name}(${plain}) returns ${returns.replace("SETOF", "setof")}`;
}

function typeSection({ comment, labels, columns }: Type): string {
  const { tags, description } = split(comment);
  return [description, labels.length > 0 ? described(tags, "value") : fieldTable(columns)].join("\n\n");
}

/** A list of what lines such as `@param name What it is.` say. */
function described(tags: string[], kind: "param" | "value"): string {
  return tags
    .flatMap((tag) => {
      const [of, name, ...words] = tag.split(" ");
      return of === `@${kind}` ? [`- \`${name}\`: ${words.join(" ")}`] : [];
    })
    .join("\n");
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

function rolesOf(roles: string[]): string {
  return roles.length > 0 ? list(roles) : "nobody";
}
