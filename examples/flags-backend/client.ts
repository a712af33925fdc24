/** A backend that asks for flags of its users, and tells them what happened, with nothing but `fetch`. */
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";
import { FlagDocument, FlagsDocument, NotifyDocument } from "./requests.ts";

export type Backend = {
  isOn: (user: string, key: string) => Promise<boolean>;
  /** Of each user, the keys that are on. */
  flagsOf: (users: string[], keys: string[]) => Promise<Map<string, string[]>>;
  /** @param event the same event notifies once, however often it is told */
  notify: (users: string[], title: string, event: string) => Promise<number>;
};

type Answer<Data> = { data?: Data | null; errors?: { message: string; extensions: { reason: string } }[] };

/** @param token of the role `service_role` */
export function createBackend(url: string, token: string): Backend {
  async function ask<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data> {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: print(document), variables }),
    });
    const { data, errors } = (await response.json()) as Answer<Data>;
    if (errors?.[0]) throw new Error(`${errors[0].extensions.reason}: ${errors[0].message}`);
    if (!data) throw new Error(`The server answered with ${response.status}`);
    return data;
  }

  return {
    isOn: async (user, key) => (await ask(FlagDocument, { user, key })).effectiveSettingFor?.value === true,
    flagsOf: async (users, keys) => {
      const on = new Map(users.map((user): [string, string[]] => [user, []]));
      for (const { userId, key, value } of (await ask(FlagsDocument, { users, keys })).evaluate ?? [])
        if (userId !== null && value === true) on.get(userId)?.push(key);
      return on;
    },
    notify: async (users, title, event) =>
      (await ask(NotifyDocument, { users, title, event })).createNotifications?.affectedCount ?? 0,
  };
}
