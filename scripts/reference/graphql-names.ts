/** What in SQL is behind each name of GraphQL. */
import { getNamedType, type GraphQLField, type GraphQLSchema, isObjectType } from "graphql";
import type { SqlObject } from "./objects.ts";

/** A field, `Query.teams`, or a type, `Team`; and what is behind it. */
export type GraphqlName = { coordinate: string; object: SqlObject };

/**
 * Names follow from SQL's, or from a tag `@name`: a function is a field, a table is the type of its rows and the fields that read and write it.
 * @throws when a query or a mutation has nothing behind it
 */
export function graphqlNames(objects: SqlObject[], schema: GraphQLSchema): GraphqlName[] {
  const named = (group: SqlObject["group"], toName: (name: string) => string): Map<string, SqlObject> =>
    new Map(
      objects
        .filter((object) => object.group === group && object.it.schema === "attune")
        .map((object) => [toName(ownName(object)), object]),
    );
  const tables = named("Tables", rowType);
  const functions = named("Functions", camelCase);
  const types = named("Types", pascalCase);

  const behindQuery = ({ name, type }: GraphQLField<unknown, unknown>): SqlObject | undefined =>
    functions.get(name) ?? tables.get(getNamedType(type).name.replace(/Connection$/, ""));
  const behindMutation = ({ name }: GraphQLField<unknown, unknown>): SqlObject | undefined =>
    functions.get(name) ?? tables.get(name.replace(/^(create|update|delete)/, ""));

  return Object.values(schema.getTypeMap()).flatMap((type) => {
    const fields = isObjectType(type) ? Object.values(type.getFields()) : [];
    if (type.name === "Query" || type.name === "Mutation")
      return fields.map((field) => {
        const coordinate = `${type.name}.${field.name}`;
        const object = type.name === "Query" ? behindQuery(field) : behindMutation(field);
        if (object === undefined)
          throw new Error(`No table or function is called like ${coordinate}: see scripts/reference/graphql-names.ts.`);
        return { coordinate, object };
      });

    const table = tables.get(type.name.replace(/(Input|Patch)$/, ""));
    const object = table ?? types.get(type.name);
    if (object === undefined) return [];
    const computed = fields.flatMap((field) => {
      const behind = functions.get(camelCase(`${object.it.name}_${field.name}`));
      return behind === undefined ? [] : [{ coordinate: `${type.name}.${field.name}`, object: behind }];
    });
    return [{ coordinate: type.name, object }, ...computed];
  });
}

function ownName({ it }: SqlObject): string {
  return /^@name (\S+)$/m.exec(it.comment)?.[1] ?? it.name;
}

function camelCase(name: string): string {
  return name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function pascalCase(name: string): string {
  return camelCase(`_${name}`);
}

/** A row of `notification_categories` is a `NotificationCategory`. */
function rowType(table: string): string {
  return pascalCase(table.replace(/ies$/, "y").replace(/s$/, ""));
}
