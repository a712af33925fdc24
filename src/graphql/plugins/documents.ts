/** Members of documents, and patches of them, have the types that the schemas of their settings say. */
import { getNullableType, type GraphQLInputType, GraphQLNonNull, isInputType } from "graphql";
import type {} from "postgraphile";
import { type PgCodec, type PgCodecWithAttributes, withPgClientFromPgService } from "postgraphile/@dataplan/pg";
import { lambda } from "postgraphile/grafast";
import { gatherConfig } from "postgraphile/graphile-build";
import { NOBODY } from "../../sign-in/authenticate.ts";
import { type Shape, type Value, valueOf } from "../json-shapes.ts";
import { registerTypes, type TypesOfValue } from "../json-types.ts";
import { readValue, writeValue } from "../json-values.ts";
import { withChange } from "./arguments.ts";
import { isJson } from "./json.ts";
import { isComposite } from "./mutations.ts";

/** A member, as `attune_hidden.document_members()` gives it. */
type Row = {
  document: string;
  member: string;
  description: string;
  schema: unknown;
  default_value: unknown;
  is_merged: boolean;
};

/** A member by the attribute that holds it. */
type Member = {
  attribute: string;
  field: string;
  value: Value;
  /** Where it is JSON; else it has the types of its attribute. */
  types: TypesOfValue | undefined;
};

declare global {
  namespace GraphileBuild {
    interface BuildInput {
      attuneDocumentMembers: readonly Row[];
    }
    interface Build {
      /** The members of documents, by the codec of their composite types. */
      attuneDocuments: Map<PgCodec, Member[]>;
    }
  }
}

export const DocumentsPlugin: GraphileConfig.Plugin = {
  name: "AttuneDocumentsPlugin",
  after: ["PgCustomTypeFieldPlugin", "AttuneArgumentsPlugin", "AttuneJsonPlugin", "AttuneNullabilityPlugin"],
  gather: gatherConfig({
    async main(output, { resolvedPreset }) {
      const query = { text: "select * from attune_hidden.document_members()" };
      const found = (resolvedPreset.pgServices ?? []).map((service) =>
        withPgClientFromPgService(service, NOBODY.pgSettings, (client) => client.query<Row>(query)),
      );
      output.attuneDocumentMembers = (await Promise.all(found)).flatMap(({ rows }) => rows);
    },
  }),
  schema: {
    hooks: {
      build(build) {
        const { pgGetArgDetailsFromParameters } = build;
        if (pgGetArgDetailsFromParameters === undefined)
          throw new Error("The arguments of functions are not known yet");
        build.attuneDocuments = new Map();
        build.pgGetArgDetailsFromParameters = (resource, ...others) => {
          const details = pgGetArgDetailsFromParameters(resource, ...others);
          const members = resource.isMutation ? build.attuneDocuments?.get(resource.codec) : undefined;
          if (members === undefined) return details;
          const inputType = new GraphQLNonNull(inputTypeOf(build, resource.codec, "patch"));
          const argDetails = details.argDetails.map((detail) =>
            isJson(detail.pgCodec) ? { ...detail, inputType } : detail,
          );
          const change = patchOf(members);
          return withChange({ ...details, argDetails }, ({ pgCodec }) => (isJson(pgCodec) ? change : undefined));
        };
        return build;
      },
      init(_, build) {
        for (const codec of Object.values(build.pgCodecs)) {
          const members = register(build, codec);
          if (members.length > 0) build.attuneDocuments.set(codec, members);
        }
        return _;
      },
      GraphQLObjectType_fields_field(field, build, { scope: { pgCodec, fieldName } }) {
        const members = pgCodec && build.attuneDocuments.get(pgCodec);
        const member = members?.find((each) => each.field === fieldName);
        if (member === undefined) return field;
        return {
          ...field,
          // What does not fit its type is null by itself: it takes neither the other members with it, nor the answer of a
          // mutation that has been done.
          type: getNullableType(member.types?.output() ?? field.type),
          description: member.value.description,
          plan: ($document) => lambda($document.get(member.attribute), (json) => readValue(member.value, json)),
        };
      },
      // As it is sent, not as the columns of a row.
      GraphQLInputObjectType(config, build, { scope: { pgCodec, isPgPatch } }) {
        if (!isPgPatch || pgCodec === undefined || !build.attuneDocuments.has(pgCodec)) return config;
        const { extensions: _, ...others } = config;
        const description = `What changes of \`${build.inflection.tableType(pgCodec)}\`: null resets a member.`;
        return { ...others, description };
      },
      GraphQLInputObjectType_fields(fields, build, { scope: { pgCodec, isPgPatch } }) {
        const members = isPgPatch && pgCodec && build.attuneDocuments.get(pgCodec);
        return members
          ? Object.fromEntries(
              members.map(({ attribute, field, value: { description } }) => {
                const type = inputTypeOf(build, pgCodec.attributes?.[attribute]?.codec, "input");
                return [field, { description, type }];
              }),
            )
          : fields;
      },
      GraphQLInputObjectType_fields_field(field, build, { scope: { pgCodec, isPgPatch, fieldName } }) {
        const members = isPgPatch && pgCodec ? build.attuneDocuments.get(pgCodec) : undefined;
        const types = members?.find((each) => each.field === fieldName)?.types;
        return types === undefined ? field : { ...field, type: types.input() };
      },
    },
  },
};

/** Registers the types of a document. What no setting describes is only read, and has the type of its attribute. */
function register(build: GraphileBuild.Build, codec: PgCodec): Member[] {
  const { inflection } = build;
  const rows = build.input.attuneDocumentMembers.filter(({ document }) => isComposite(codec, document));
  if (!hasAttributes(codec)) return [];
  return Object.entries(codec.attributes).flatMap(([attribute, { codec: ofAttribute }]): Member[] => {
    const row = rows.find(({ member }) => member === attribute);
    if (row === undefined) return [];
    const { document, description, schema, default_value: preset, is_merged: isMerged } = row;
    const said = valueOf(`${document}.${attribute}`, description, schema, preset, isMerged);
    const names = [attribute, `${document}_${attribute}`].map((name) => inflection.upperCamelCase(name));
    const field = inflection.attribute({ codec, attributeName: attribute });
    return isJson(ofAttribute)
      ? [{ attribute, field, value: said, types: registerTypes(build, said, names, "Patch") }]
      : [{ attribute, field, value: { ...said, shape: { kind: "json" } }, types: undefined }];
  });
}

function hasAttributes(codec: PgCodec): codec is PgCodecWithAttributes {
  return codec.attributes !== undefined;
}

function inputTypeOf(
  build: Partial<GraphileBuild.Build>,
  codec: PgCodec | undefined,
  variant: "input" | "patch",
): GraphQLInputType {
  const type = codec && build.getGraphQLTypeByPgCodec?.(codec, variant);
  if (!isInputType(type)) throw new Error(`Nobody can write ${codec?.name}`);
  return type;
}

/** A patch as the database takes it. */
function patchOf(document: Member[]): (given: unknown) => unknown {
  const members = document.map(({ attribute, field, value }) => ({ ...value, name: attribute, field }));
  const shape: Shape = { kind: "object", members, shared: undefined };
  return (given) => writeValue(shape, given);
}
