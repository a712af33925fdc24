/** What a client keeps has an `id`: that of its table, or one made of its key, so that caches need no configuration. */
import type {} from "postgraphile";
import type { PgCodec } from "postgraphile/@dataplan/pg";
import { lambda, list, type Step } from "postgraphile/grafast";

export const IdentityPlugin: GraphileConfig.Plugin = {
  name: "AttuneIdentityPlugin",
  schema: {
    hooks: {
      GraphQLObjectType_fields(fields, build, { Self, scope: { isPgClassType, pgCodec }, fieldWithHooks }) {
        const key = isPgClassType && pgCodec ? keyOf(build, pgCodec) : undefined;
        if (key === undefined) return fields;
        const { GraphQLID, GraphQLNonNull } = build.graphql;
        const id = fieldWithHooks({ fieldName: "id" }, () => ({
          description: `Identifies it among its kind, for caches: made of ${key.map((name) => `\`${name}\``).join(", ")}.`,
          type: new GraphQLNonNull(GraphQLID),
          plan: ($row: Step & { get(attribute: string): Step }) =>
            lambda(list(key.map((attribute) => $row.get(attribute))), identityOf, true),
        }));
        return build.extend(fields, { id }, `Adding the identity of ${Self.name}`);
      },
    },
  },
};

/** The attributes that tell one from another: what `@id a,b` says of a composite type, or the primary key of a table. */
function keyOf(build: GraphileBuild.Build, codec: PgCodec): readonly string[] | undefined {
  if (codec.attributes?.["id"]) return undefined;
  const tag = codec.extensions?.tags?.["id"];
  if (typeof tag === "string") return tag.split(",").map((name) => name.trim());
  const table = Object.values(build.pgResources).find((resource) => resource.codec === codec && !resource.parameters);
  return table?.uniques.find(({ isPrimary }) => isPrimary)?.attributes;
}

/** One text stands for itself, several are a JSON array. */
function identityOf(values: readonly unknown[]): string {
  const [value] = values;
  return values.length === 1 && typeof value === "string" ? value : JSON.stringify(values);
}
