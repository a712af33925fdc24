/** A settings page and its bell: one request reads it, and what a mutation returns is what the page shows. */
import { cacheExchange, type KeyingConfig } from "@urql/exchange-graphcache";
import { Client, fetchExchange } from "@urql/core";
import cache from "../../schema.cache.json" with { type: "json" };

/** What has no `id` is kept in what it was asked of. */
export const keys: KeyingConfig = Object.fromEntries(cache.withoutId.map((name) => [name, () => null]));

/** @param token of the user; a page with cookies sends none */
export function createClient(url: string, token: string): Client {
  return new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers: { authorization: `Bearer ${token}` } },
    exchanges: [cacheExchange({ keys }), fetchExchange],
  });
}
