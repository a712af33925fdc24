/** Where a request comes from, by what proxies write. */
import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cleanAddress, createAddressOf, networkOf } from "../src/server/client-address.ts";
import { ENTRIES, FORWARDED } from "./support/addresses.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

const PEER = "192.0.2.1";

/** Where a request with this header comes from, when `PEER` brought it. */
function from(forwarded: string | undefined, proxies: number | string[] | false, peer = PEER) {
  const request = { headers: { "x-forwarded-for": forwarded }, socket: { remoteAddress: peer } };
  return createAddressOf(proxies)(request as unknown as IncomingMessage);
}

describe("what a proxy writes", () => {
  test.each(ENTRIES)("%j is %j", (written, address) => {
    expect(cleanAddress(written)).toBe(address ?? undefined);
    expect(from(written, 1)).toBe(address ?? PEER);
  });

  test("is an address in one form, or the peer's, whatever it is", () => {
    const entry = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'0123456789abcdefx.:[]%" ,-/') }),
      fc.string({ unit: "binary" }),
      fc.ipV4(),
      fc.ipV6(),
      fc.tuple(fc.ipV4(), fc.nat(70_000)).map(([address, port]) => `${address}:${port}`),
    );
    fc.assert(
      fc.property(fc.array(entry, { maxLength: 4 }), fc.integer({ min: 1, max: 4 }), (entries, proxies) => {
        const address = from(entries.join(","), proxies);
        expect(isIP(address)).not.toBe(0);
        expect(cleanAddress(address)).toBe(address);
      }),
    );
  });
});

describe("the trusted entry", () => {
  test.each(FORWARDED)("of %j behind %i proxies is %j", (header, proxies, address) => {
    expect(from(header, proxies)).toBe(address ?? PEER);
  });

  test("is found by the proxies' addresses, in any dress", () => {
    const proxies = ["192.0.2.1", "10.0.0.0/8", "2001:db8::/32"];
    expect(from("198.51.100.1, 203.0.113.2", proxies)).toBe("203.0.113.2");
    expect(from("198.51.100.1, 203.0.113.2, 10.1.2.3:40000, [2001:db8::7]:443, ::ffff:10.9.9.9", proxies)).toBe(
      "203.0.113.2",
    );
    expect(from("198.51.100.1, unknown, 10.1.2.3", proxies)).toBe(PEER);
    expect(from("198.51.100.1", proxies, "::ffff:192.0.2.1")).toBe("198.51.100.1");
    expect(from("198.51.100.1", proxies, "192.0.2.2")).toBe("192.0.2.2");
  });

  test("is nobody's when there is no proxy", () => {
    expect(from("203.0.113.2", false)).toBe(PEER);
    expect(from(undefined, 1)).toBe(PEER);
    expect(from(undefined, 1, "fe80::1%eth0")).toBe("fe80::1");
    expect(from("203.0.113.2", false, "")).toBe("0.0.0.0");
  });
});

test("who has an IPv6 network is one client", () => {
  expect(networkOf("203.0.113.2")).toBe("203.0.113.2");
  expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
  expect(networkOf("2001:db8:1:2::9")).toBe("2001:db8:1:2::/64");
  expect(networkOf("2001:db8::1")).toBe("2001:db8:0:0::/64");
  expect(networkOf("::1")).toBe("0:0:0:0::/64");
});

describe("SQL, behind PostgREST,", () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.close());

  test("reads the same from every entry", async () => {
    const rows = await database.query<{ written: string; address: string | null }>(
      `select e.written, host(attune_private.network_address(e.written)) as address
       from unnest($1::text[]) with ordinality as e (written, n) order by e.n`,
      [ENTRIES.map(([written]) => written)],
    );
    expect(rows.map(({ written, address }) => [written, address])).toEqual(ENTRIES);
  });

  test.each(FORWARDED)("finds the same in %j behind %i proxies: %j", async (header, proxies, address) => {
    const client = await database.owner.connect();
    try {
      await client.query("begin");
      await client.query("insert into attune.global_settings (key, value) values ('TRUSTED_PROXIES', $1)", [proxies]);
      await client.query("select set_config('request.headers', $1, true)", [
        JSON.stringify({ "x-forwarded-for": header }),
      ]);
      const { rows } = await client.query(
        "select host(attune_private.request_address()) as found, host(inet_client_addr()) as peer",
      );
      const [row] = rows as { found: string; peer: string }[];
      expect(row?.found).toBe(address ?? row?.peer);
    } finally {
      await client.query("rollback");
      client.release();
    }
  });
});
