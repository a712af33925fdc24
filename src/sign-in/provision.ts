/** The first request of an outside identity makes its user. */
import { createHash } from "node:crypto";
import type { Pool } from "pg";
import { queryAs } from "../database/query-as.ts";
import type { Identity } from "./authenticate.ts";
import { OWN } from "./jwt.ts";

/** How many are remembered, and for how long, in milliseconds. */
const KNOWN = { most: 10_000, lifetime: 10 * 60_000 };

/**
 * Makes the function that sees to it that an outside identity has a user. All that a token claims is remembered, so what
 * a newer one says, or that it is newer, counts at once. Requests that come meanwhile wait for the same answer.
 * @throws what the database raises (from the function), as when another user has the e-mail address
 */
export function createProvisioner(pool: Pool): (identity: Identity) => Promise<void> {
  const known = new Map<string, { provisioned: Promise<unknown>; until: number }>();

  return async (identity) => {
    const { issuer, pgSettings } = identity;
    if (issuer === undefined || issuer === OWN.issuer) return;
    const key = createHash("sha256").update(pgSettings["request.jwt.claims"]).digest("base64");
    const found = known.get(key);
    if (found !== undefined && Date.now() < found.until) {
      // The last of the line to be forgotten.
      known.delete(key);
      known.set(key, found);
      await found.provisioned;
      return;
    }

    known.delete(key);
    if (known.size >= KNOWN.most) known.delete(known.keys().next().value ?? "");
    const provisioned = queryAs(pool, identity, "select from attune.provision_user()");
    const entry = { provisioned, until: Date.now() + KNOWN.lifetime };
    known.set(key, entry);
    try {
      await provisioned;
    } catch (error) {
      if (known.get(key) === entry) known.delete(key);
      throw error;
    }
  };
}
