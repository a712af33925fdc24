/** What plugins ask of mutations: which function one calls, and what that returns. */
import type { GraphQLNamedType } from "graphql";
import type {} from "postgraphile";
import type { PgCodec } from "postgraphile/@dataplan/pg";

export type PgFunction = GraphileBuild.Build["pgResources"][string];

/** The function behind a mutation's payload. */
export function functionOf(build: GraphileBuild.Build, payload: GraphQLNamedType): PgFunction | undefined {
  const { pgTypeResource }: GraphileBuild.ScopeObject = build.scopeByType.get(payload) ?? {};
  return pgTypeResource?.parameters ? build.pgResources[pgTypeResource.name] : undefined;
}

/** Whether a codec is the composite type `attune.<name>`. */
export function isComposite(codec: PgCodec, name: string): boolean {
  const pg = codec.extensions?.pg;
  return pg?.schemaName === "attune" && pg.name === name;
}
