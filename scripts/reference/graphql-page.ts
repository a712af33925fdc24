/** The page of GraphQL: queries, mutations and types by subject, each with what it is in SQL. */
import {
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputObjectType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isEnumType,
  isInputObjectType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
  print,
} from "graphql";
import type { GraphqlName } from "./graphql-names.ts";
import { capital, code, list, page } from "./markdown.ts";
import { linkTo, type SqlObject } from "./objects.ts";
import type { Subject } from "./subjects.ts";

/** Columns that a signature may take on one line. */
const WIDTH = 100;
const FOLDER = "schema/";

/**
 * The whole page.
 * @param schema read from its text, so that it has the text's defaults
 */
export function graphqlPage(schema: GraphQLSchema, subjects: Subject[], names: GraphqlName[]): string {
  return page([
    "# GraphQL",
    "Every query and mutation, and the types that they take and give, by [subject](schema.md). Written from `schema.graphql` by `npm run reference`; do not edit it here.",
    "Each shows the first sentence about it, and leads to its table or function in SQL, which says the rest. The fields of a mutation's `input` and of its result stand in braces; not shown are `clientMutationId`, which comes back as it was sent, and `query`. For a table `Thing`, `ThingConnection` is a page of its rows, `ThingFilter` says which rows, `ThingOrderBy` in which order, and `ThingAggregates` counts them: `schema.graphql` has them, as it has what is shared.",
    ...subjects.flatMap((subject) => {
      const own = names.filter(({ object }) => object.subject === subject.name);
      return own.length > 0 ? subjectSection(subject, own, schema) : [];
    }),
    ...subscriptionSection(schema),
    "## Scalars",
    Object.values(schema.getTypeMap())
      .filter((type) => isScalarType(type) && !isSpecifiedScalarType(type))
      .map((type) => `- ${[code(type.name), firstSentence(type)].filter(Boolean).join(": ")}`)
      .join("\n"),
  ]);
}

function subjectSection({ name, about }: Subject, names: GraphqlName[], schema: GraphQLSchema): string[] {
  const types = names.flatMap(({ coordinate, object }) => {
    const type = schema.getType(coordinate);
    return type === undefined ? [] : [typeItem(type, object)];
  });
  return [
    `## ${name}`,
    `${capital(about)}. [In SQL](${FOLDER}${name}.md).`,
    ...[schema.getQueryType(), schema.getMutationType()].flatMap((root) =>
      names.flatMap(({ coordinate, object }) => {
        const [parent, field = ""] = coordinate.split(".");
        const found = parent === root?.name ? root?.getFields()[field] : undefined;
        return found === undefined ? [] : fieldSection(coordinate, found, object);
      }),
    ),
    ...(types.length > 0 ? [`Types of ${code(name)}:`, types.join("\n")] : []),
  ];
}

/** What can be subscribed to comes from no one function or table. */
function subscriptionSection(schema: GraphQLSchema): string[] {
  const fields = Object.values(schema.getSubscriptionType()?.getFields() ?? {});
  return [
    "## Subscriptions",
    "How they are told: [the server](server.md#subscriptions).",
    ...fields.flatMap((field) => {
      const event = getNamedType(field.type);
      return [
        `### Subscription.${field.name}`,
        `\`\`\`graphql\n${signature(field)}\n\`\`\``,
        firstSentence(field),
        `- ${code(event.name)}: ${list(fieldsOf(event))}`,
      ];
    }),
  ];
}

function fieldSection(coordinate: string, field: GraphQLField<unknown, unknown>, object: SqlObject): string[] {
  return [
    `### ${coordinate}`,
    `\`\`\`graphql\n${signature(field)}\n\`\`\``,
    `${firstSentence(field)} SQL: ${linkTo(object, FOLDER)}.`.trimStart(),
  ];
}

/** The arguments and the result; of a mutation, what is in them. */
function signature({ name, args, type }: GraphQLField<unknown, unknown>): string {
  const input = args.map((argument) => getNamedType(argument.type)).find(isMutationInput);
  const result = getNamedType(type);
  const gives = isPayload(result) ? `{ ${fieldsOf(result).join(", ")} }` : String(type);
  const takes = input === undefined ? args.map(declaration) : fieldsOf(input);
  if (takes.length === 0) return `${name}${input === undefined ? "" : "(input: {})"}: ${gives}`;

  const [open, close] = input === undefined ? ["(", ")"] : ["(input: { ", " })"];
  const line = `${name}${open}${takes.join(", ")}${close}: ${gives}`;
  if (line.length <= WIDTH) return line;
  return `${name}${open.trimEnd()}\n${takes.map((taken) => `  ${taken}\n`).join("")}${close.trimStart()}: ${gives}`;
}

function isMutationInput(type: GraphQLNamedType): type is GraphQLInputObjectType {
  return isInputObjectType(type) && "clientMutationId" in type.getFields();
}

function isPayload(type: GraphQLNamedType): type is GraphQLObjectType {
  return isObjectType(type) && "clientMutationId" in type.getFields();
}

function typeItem(type: GraphQLNamedType, object: SqlObject): string {
  const parts = isEnumType(type) ? type.getValues().map(({ name }) => name) : fieldsOf(type);
  return `- \`${type.name}\`, of ${linkTo(object, FOLDER)}${parts.length > 0 ? `: ${list(parts)}` : ""}`;
}

/** The fields of an object as they are declared, without those that every mutation has. */
function fieldsOf(type: GraphQLNamedType): string[] {
  if (isInputObjectType(type)) return withoutShared(type.getFields()).map(declaration);
  return isObjectType(type)
    ? withoutShared(type.getFields()).map((field) => `${field.name}: ${String(field.type)}`)
    : [];
}

function withoutShared<Field extends { name: string }>(fields: Record<string, Field>): Field[] {
  const all = Object.values(fields);
  return "clientMutationId" in fields ? all.filter(({ name }) => name !== "clientMutationId" && name !== "query") : all;
}

/** As the schema's text has it, with its default. */
function declaration({ name, type, astNode }: GraphQLArgument | GraphQLInputField): string {
  return `${name}: ${String(type)}${astNode?.defaultValue === undefined ? "" : ` = ${print(astNode.defaultValue)}`}`;
}

function firstSentence({ description }: { description?: string | null | undefined }): string {
  const text = (description ?? "").replaceAll(/\s+/g, " ").trim();
  return /^.*?[.!?](?= |$)/.exec(text)?.[0] ?? text;
}
