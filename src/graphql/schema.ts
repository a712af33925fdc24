/** The GraphQL schema as text: sorted, so that the same migrations always give the same. */
import "./production.ts";
import { isObjectType, lexicographicSortSchema, printSchema } from "graphql";
import pg from "pg";
import { makeSchema } from "postgraphile";
import { makePreset } from "./preset.ts";

export type SchemaTexts = {
  /** All there is, trusted servers included. */
  all: string;
  /** What a client may ask for: without what only `service_role` has a right to. */
  client: string;
  /** The types of all of it whose objects are nothing that a client could keep: they have no `id`. */
  withoutId: string[];
};

/** @param authenticatorUrl a migrated database, as the server connects to it */
export async function graphqlSchema(authenticatorUrl: string): Promise<SchemaTexts> {
  const all = await schemaFor(authenticatorUrl);
  const client = await schemaFor(authenticatorUrl, "authenticated");
  const withoutId = Object.values(all.getTypeMap())
    .filter(isObjectType)
    .filter(({ name }) => !name.startsWith("__") && !["Query", "Mutation", "Subscription"].includes(name))
    .filter((type) => !("id" in type.getFields()))
    .map(({ name }) => name);
  return { all: `${printSchema(all)}\n`, client: `${printSchema(client)}\n`, withoutId };
}

/** What a role has a right to; `authenticator` has all that it may become. */
async function schemaFor(authenticatorUrl: string, role = "authenticator") {
  const pool = new pg.Pool({ connectionString: authenticatorUrl, max: 1, options: `-c role=${role}` });
  try {
    const { schema } = await makeSchema(makePreset(pool));
    return lexicographicSortSchema(schema);
  } finally {
    await pool.end();
  }
}
