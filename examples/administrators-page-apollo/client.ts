/** An administrators' page: every layer of every setting, and who changed what. */
import { ApolloClient, HttpLink, InMemoryCache } from "@apollo/client/core";
import cache from "../../schema.cache.json" with { type: "json" };

/** What has no `id` is kept in what it was asked of, and parts of it are added to those that are there. */
export const typePolicies = Object.fromEntries(
  cache.withoutId.map((name) => [name, { keyFields: false as const, merge: true }]),
);

/** @param token of an administrator */
export function createClient(uri: string, token: string): ApolloClient {
  return new ApolloClient({
    link: new HttpLink({ uri, headers: { authorization: `Bearer ${token}` } }),
    cache: new InMemoryCache({ typePolicies }),
  });
}
