/** Has PostGraphile make each GraphQL schema once a worker, as the databases of most tests look the same to it. */
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import type * as GraphileConfigured from "graphile-config";
import { withPgClientFromPgService } from "postgraphile/@dataplan/pg";
import type * as GraphileBuild from "postgraphile/graphile-build";
import { makeIntrospectionQuery } from "postgraphile/graphile-build-pg/pg-introspection";
import { NOBODY } from "../../src/sign-in/authenticate.ts";

type Made = Awaited<ReturnType<typeof GraphileBuild.makeSchema>>;

// Where `postgraphile` itself looks it up when a server is made.
const find = createRequire(createRequire(import.meta.url).resolve("postgraphile"));
const library = find("graphile-build") as { makeSchema: typeof GraphileBuild.makeSchema };
const { resolvePreset } = find("graphile-config") as typeof GraphileConfigured;
const { makeSchema } = library;
const made = new Map<string, Promise<Made>>();

/** All that a schema is made of: plugins, the secret of its tokens, and what it reads of the database, whatever its name. */
async function keyOf({ pgServices = [], plugins, schema }: GraphileConfig.ResolvedPreset): Promise<string> {
  const hash = createHash("sha256").update(plugins.map(({ name }) => name).join());
  const secret = schema?.pgJwtSecret;
  if (typeof secret === "object" && "export" in secret) hash.update(secret.export());
  for (const service of pgServices) {
    const read = (settings: Record<string, string> | null, text: string): Promise<void> =>
      withPgClientFromPgService(service, settings, async (client) => {
        const { rows } = await client.query<{ hash: string | null }>({ text });
        hash.update(rows[0]?.hash ?? "");
      });
    await read(
      null,
      `select md5(replace(i.introspection, current_database(), '')) as hash from (${makeIntrospectionQuery()}) as i`,
    );
    await read(NOBODY.pgSettings, "select md5(jsonb_agg(m)::text) as hash from attune_hidden.document_members() as m");
  }
  return hash.digest("base64");
}

library.makeSchema = async (preset) => {
  const resolvedPreset = resolvePreset(preset);
  const key = await keyOf(resolvedPreset);
  const making = made.get(key) ?? makeSchema(preset);
  made.set(key, making);
  making.catch(() => made.delete(key));
  return { ...(await making), resolvedPreset };
};
