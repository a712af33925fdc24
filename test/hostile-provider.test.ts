/** A provider that hangs, cuts or lies: what is its fault is told as such, and nobody is signed in by what it made up. */
import { generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { createProvider, type OutsideUser } from "../src/sign-in/openid.ts";
import { isStorable } from "../src/storable.ts";
import { CLIENT, FAILURES, type HostileProvider, startHostileProvider, STEPS } from "./support/hostile-provider.ts";
import { forge, signedBy } from "./support/tokens.ts";

const CALLBACK = "http://localhost:5678/auth/test/callback";
const other = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = other.publicKey.export({ type: "spki", format: "pem" }).toString();
const now = (): number => Math.floor(Date.now() / 1000);

let hostile: HostileProvider;

beforeAll(async () => {
  hostile = await startHostileProvider();
  // Nobody waits for what hangs.
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  vi.spyOn(AbortSignal, "timeout").mockImplementation((ms) => {
    const hangs = [...hostile.failures.values()].some((failure) => failure.startsWith("hangs"));
    return timeout(hangs ? 500 : ms);
  });
});
afterAll(async () => {
  vi.restoreAllMocks();
  await hostile.close();
});
beforeEach(() => {
  hostile.failures.clear();
  hostile.idToken = undefined;
  hostile.claims = { sub: "ada" };
  hostile.profile = { email: "ada@example.com", email_verified: true };
});

/** A whole sign-in with a provider that nothing is known of yet. */
async function signIn(): Promise<OutsideUser> {
  const provider = createProvider({ name: "test", issuer: hostile.issuer, ...CLIENT, scopes: "openid" });
  const { checks } = await provider.begin(CALLBACK);
  hostile.claims = { nonce: checks.nonce, ...hostile.claims };
  return provider.finish(new URL(`${CALLBACK}?code=x&state=${checks.state}`), checks);
}

const ADA = {
  subject: "ada",
  email: "ada@example.com",
  isEmailVerified: true,
  name: undefined,
  picture: undefined,
};

test("somebody is signed in, so that the refusals below are for what goes wrong", async () => {
  expect(await signIn()).toEqual({ issuer: hostile.issuer, ...ADA });
});

describe.each(STEPS)("a provider is unavailable, and nobody is to blame, when its %s", (step) => {
  test.each(FAILURES)("%s", async (failure) => {
    hostile.failures.set(step, failure);
    await expect(signIn()).rejects.toMatchObject({ status: 503, reason: "provider_unavailable" });
    hostile.failures.clear();
    hostile.claims = { sub: "ada" };
    expect(await signIn()).toMatchObject(ADA);
  });
});

describe("an ID token", () => {
  const hs256 = { alg: "HS256" };
  test.each<[string, (claims: object) => string | undefined]>([
    ["is signed by another key", (claims) => signedBy(other.privateKey, claims)],
    ["is signed by a key of another kind", (claims) => signedBy(ec.privateKey, claims)],
    ["is signed with the client's secret", (claims) => forge(hs256, claims, CLIENT.clientSecret)],
    ["is signed with the public key as a secret", (claims) => forge(hs256, claims, pem)],
    ["needs no signature", (claims) => forge({ alg: "none" }, claims)],
    ["has none", (claims) => signedBy(hostile.key, claims).replace(/[^.]*$/, "")],
    ["is missing", () => undefined],
    ["is for another client", (claims) => signedBy(hostile.key, { ...claims, aud: "another" })],
    ["is another issuer's", (claims) => signedBy(hostile.key, { ...claims, iss: "https://evil.example" })],
    ["answers another attempt", (claims) => signedBy(hostile.key, { ...claims, nonce: "x" })],
    ["answers none", (claims) => signedBy(hostile.key, { ...claims, nonce: undefined })],
    ["has expired", (claims) => signedBy(hostile.key, { ...claims, exp: now() - 1 })],
    ["is not valid yet", (claims) => signedBy(hostile.key, { ...claims, nbf: now() + 60 })],
    ["was made later than now", (claims) => signedBy(hostile.key, { ...claims, iat: now() + 60 })],
    ["names nobody", (claims) => signedBy(hostile.key, { ...claims, sub: undefined })],
    ["names nobody that PostgreSQL can hold", (claims) => signedBy(hostile.key, { ...claims, sub: "a\u0000" })],
    ["names somebody else than the profile", (claims) => signedBy(hostile.key, { ...claims, sub: "eve" })],
  ])("opens nothing when it %s", async (_what, idToken) => {
    hostile.idToken = idToken;
    await expect(signIn()).rejects.toMatchObject({ status: 401, reason: "sign_in_failed" });
  });

  test("may come from a server whose clock is ahead by some seconds", async () => {
    hostile.idToken = (claims) => signedBy(hostile.key, { ...claims, nbf: now() + 20, iat: now() + 20 });
    expect(await signIn()).toMatchObject(ADA);
  });

  test("may be signed by any of the keys, with no name during a rotation", async () => {
    const { published } = hostile;
    hostile.published = [other.publicKey.export({ format: "jwk" }), ...published];
    expect(await signIn()).toMatchObject(ADA);
    hostile.published = published;
  });
});

describe("what a provider says of somebody", () => {
  test("is text that can be kept, or is not said, whatever it is", async () => {
    const claim = fc.oneof(
      fc.jsonValue({ maxDepth: 3 }),
      fc.string({ unit: "binary" }),
      fc.constantFrom("a\u0000", "\ud800", "x".repeat(5000), { name: "Ada" }, ["ada@example.com"], true, null),
    );
    const said = fc.dictionary(fc.constantFrom("email", "email_verified", "name", "picture", "locale"), claim);
    await fc.assert(
      fc.asyncProperty(said, said, async (claims, profile) => {
        hostile.claims = { ...claims, sub: "ada" };
        hostile.profile = profile;
        const { subject, isEmailVerified, ...told } = await signIn();
        expect([subject, typeof isEmailVerified]).toEqual(["ada", "boolean"]);
        for (const text of Object.values(told)) {
          expect(text === undefined || (typeof text === "string" && isStorable(text))).toBe(true);
        }
      }),
      { numRuns: 100 },
    );
  });
});
