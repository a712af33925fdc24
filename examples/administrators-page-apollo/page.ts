/** What the page shows, and what its buttons do. */
import type { ApolloClient } from "@apollo/client/core";
import {
  AdministratorsPageDocument,
  type AdministratorsPageQuery,
  DecideDocument,
  type DecideMutationVariables,
  ResetDocument,
} from "./requests.ts";

type Where = { category: string };

export async function readPage(
  client: ApolloClient,
  where: Where,
  from: "cache-only" | "network-only" | "cache-first",
) {
  const { data } = await client.query({ query: AdministratorsPageDocument, variables: where, fetchPolicy: from });
  if (data === undefined) throw new Error("The page is not in the cache");
  return data;
}

export function drawPage({ settingDefinitions, configurationAuditLogs }: AdministratorsPageQuery): string[] {
  const settings = (settingDefinitions?.nodes ?? []).map(({ key, defaultValue, globalSetting }) => {
    const value = JSON.stringify(globalSetting?.value ?? defaultValue);
    const share = globalSetting === null ? "" : ` for ${globalSetting.rolloutPercentage} %`;
    return `${key} = ${value}${share}${globalSetting?.isEnforced === true ? " (locked)" : ""}`;
  });
  const changes = (configurationAuditLogs?.nodes ?? []).map(
    ({ actor, operation, key }) => `${actor?.name ?? "the server"}: ${operation} ${key}`,
  );
  return [...settings, ...changes];
}

/** Sets, locks, or rolls out: what is left out stays. */
export const decide = (client: ApolloClient, variables: DecideMutationVariables) =>
  client.mutate({ mutation: DecideDocument, variables });

export const reset = (client: ApolloClient, key: string) =>
  client.mutate({ mutation: ResetDocument, variables: { key } });
