/** What plugins ask of mutations: which function one calls, and what that returns. */
import type { GraphQLNamedType } from "graphql";
import type {} from "postgraphile";
import type { PgCodec, PgResource } from "postgraphile/@dataplan/pg";

/** The function behind a mutation's payload. */
export function functionOf(build: GraphileBuild.Build, payload: GraphQLNamedType): PgResource | undefined {
  const scope = build.scopeByType.get(payload) as GraphileBuild.ScopeObject | undefined;
  return scope?.pgTypeResource?.parameters ? scope.pgTypeResource : undefined;
}

/** Whether a codec is the composite type `attune.<name>`. */
export function isComposite(codec: PgCodec, name: string): boolean {
  const pg = codec.extensions?.pg;
  return pg?.schemaName === "attune" && pg.name === name;
}
