/** What SQL tells of changes, and whom tokens belong to: the one place that knows these functions. */
import type { Pool } from "pg";
import { queryAs } from "../database/query-as.ts";
import { type Identity, TRUSTED } from "../sign-in/authenticate.ts";

/** What one may ask to be told of. */
export type Topic = "settings" | "notifications" | "knowledge";

/** What changed for somebody up to a cursor: keys of settings, and ids. */
export type Changes = { cursor: string; mustRefetch: boolean; names: Readonly<Record<Topic, readonly string[]>> };

/** What changed for everybody, with the cursor to go on from, and what for some besides. */
export type Outbox = { everybody: Changes; byUser: ReadonlyMap<string, Changes> };

/** `attune.changes`, as JSON. */
type Row = {
  cursor: string;
  must_refetch: boolean;
  setting_keys: string[];
  notification_ids: string[];
  knowledge_entry_ids: string[];
};

/** Whether there is anything in it to tell. */
export function isNews({ mustRefetch, names }: Changes): boolean {
  return mustRefetch || Object.values(names).some(({ length }) => length > 0);
}

function changesOf(row: Row): Changes {
  const { cursor, must_refetch: mustRefetch, setting_keys: settings, notification_ids: notifications } = row;
  return { cursor, mustRefetch, names: { settings, notifications, knowledge: row.knowledge_entry_ids } };
}

/**
 * Reads what changed for some users.
 * @param cursor of the last time; null begins now
 */
export async function readOutbox(pool: Pool, cursor: string | null, userIds: readonly string[]): Promise<Outbox> {
  const rows = await queryAs<{ user_id: string | null; changes: Row }>(
    pool,
    TRUSTED,
    "select o.user_id, to_json(o.changes) as changes from attune_hidden.outbox($1, $2) as o",
    [cursor, userIds],
  );
  const byUser = new Map<string, Changes>();
  let everybody: Changes | undefined;
  for (const { user_id: userId, changes } of rows) {
    if (userId === null) everybody = changesOf(changes);
    else byUser.set(userId, changesOf(changes));
  }
  if (everybody === undefined) throw new Error("attune_hidden.outbox told no cursor");
  return { everybody, byUser };
}

/**
 * Reads what changed for somebody since a cursor.
 * @throws what the database raises, as for a cursor that is none
 */
export async function readChangesSince(pool: Pool, identity: Identity, cursor: string | null): Promise<Changes> {
  const [row] = await queryAs<{ changes: Row }>(pool, identity, "select to_json(attune.changes_since($1)) as changes", [
    cursor,
  ]);
  if (row === undefined) throw new Error("attune.changes_since returned nothing");
  return changesOf(row.changes);
}

/** Who those are whom claims name, in the same order; null where it is nobody: the session was ended, or the user is gone. */
export async function readUsersOf(pool: Pool, claims: readonly string[]): Promise<(string | null)[]> {
  const [row] = await queryAs<{ users: (string | null)[] }>(
    pool,
    TRUSTED,
    "select attune_hidden.users_of($1)::text[] as users",
    [claims],
  );
  return row?.users ?? [];
}
