/** Tokens: which are believed, and that no forgery is. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { authenticate, cameFrom, NOBODY } from "../src/sign-in/authenticate.ts";
import { createVerifier, type ResolvedJwtOptions, signToken, UnauthorizedError } from "../src/sign-in/jwt.ts";
import { encode, forge, signedBy } from "./support/tokens.ts";

const PROVIDER = { issuer: "https://id.example.com", audience: "our-app" };
const SECRET = "a secret that is long enough for HS256";
const SUBJECT = "00000000-0000-4000-8000-000000000001";
const rsaKeys = (modulusLength: number) => generateKeyPairSync("rsa", { modulusLength });
const rsa = rsaKeys(2048);
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = (key: KeyObject): string => key.export({ type: "spki", format: "pem" }).toString();

/** A key as a provider publishes it. */
const published = (key: KeyObject, kid?: string, changes: object = {}): object => ({
  ...key.export({ format: "jwk" }),
  kid,
  ...changes,
});

const now = (): number => Math.floor(Date.now() / 1000);
const claims = (changes: object = {}): object => ({
  aud: "authenticated",
  iss: "attune",
  sub: SUBJECT,
  role: "authenticated",
  exp: now() + 60,
  ...changes,
});

/** What a provider says: nothing of roles. */
const theirs = (changes: object = {}): object =>
  claims({ aud: PROVIDER.audience, iss: PROVIDER.issuer, sub: "auth0|ada", role: undefined, ...changes });

/** The reason a token is refused for; undefined when it is accepted. */
async function refusalOf(token: string, options: ResolvedJwtOptions = { secret: SECRET }): Promise<string | undefined> {
  try {
    await createVerifier(options)(token);
    return undefined;
  } catch (error) {
    if (error instanceof UnauthorizedError) return error.reason;
    throw error;
  }
}

describe("a token signed with the shared secret", () => {
  const header = { alg: "HS256", typ: "JWT" };

  test("is accepted with its claims", async () => {
    const options = { secret: SECRET };
    const token = await signToken({ sub: SUBJECT, role: "authenticated", email: "ada@example.com" }, options, "2h");
    const verified = await createVerifier(options)(token);
    expect(verified).toMatchObject({
      sub: SUBJECT,
      role: "authenticated",
      email: "ada@example.com",
      aud: "authenticated",
      iss: "attune",
    });
    expect(verified.exp).toBeGreaterThan(now() + 7000);
  });

  test("made by hand is accepted too, so that the refusals below are for what they say", async () => {
    expect(await refusalOf(forge(header, claims(), SECRET))).toBeUndefined();
    expect(await refusalOf(forge(header, claims({ aud: ["other", "authenticated"] }), SECRET))).toBeUndefined();
    expect(await refusalOf(forge(header, claims({ iat: now() + 20, nbf: now() + 20 }), SECRET))).toBeUndefined();
  });

  test.each([
    ["has another key", forge(header, claims(), `${SECRET}!`), "invalid_token"],
    ["has no signature", forge(header, claims()), "invalid_token"],
    ["says that it needs no signature", forge({ alg: "none" }, claims()), "invalid_token"],
    ["says so, and has one", forge({ alg: "none" }, claims(), SECRET), "invalid_token"],
    ["names another algorithm", forge({ alg: "HS512" }, claims(), SECRET), "invalid_token"],
    ["uses another algorithm of the same key", forge({ alg: "HS512" }, claims(), SECRET, "sha512"), "invalid_token"],
    ["names no algorithm", forge({}, claims(), SECRET), "invalid_token"],
    [
      "brings extensions that must be understood",
      forge({ ...header, crit: ["b64"] }, claims(), SECRET),
      "invalid_token",
    ],
    ["expired a second ago", forge(header, claims({ exp: now() - 1 }), SECRET), "token_expired"],
    ["expires now", forge(header, claims({ exp: now() }), SECRET), "token_expired"],
    ["never expires", forge(header, claims({ exp: undefined }), SECRET), "invalid_token"],
    ["has an expiry that is no number", forge(header, claims({ exp: "tomorrow" }), SECRET), "invalid_token"],
    ["is not valid yet", forge(header, claims({ nbf: now() + 60 }), SECRET), "token_not_yet_valid"],
    ["was made later than now", forge(header, claims({ iat: now() + 60 }), SECRET), "token_not_yet_valid"],
    ["was made at no time", forge(header, claims({ iat: "now" }), SECRET), "invalid_token"],
    ["is valid from no time", forge(header, claims({ nbf: [] }), SECRET), "invalid_token"],
    [
      "expires when no time is",
      forge(header, JSON.stringify(claims({ exp: 7 })).replace("7", "1e999"), SECRET),
      "invalid_token",
    ],
    ["has a header that is no object", "NQ.e30.x", "invalid_token"],
    ["has a header that is null", forge(null, claims(), SECRET), "invalid_token"],
    ["is for another audience", forge(header, claims({ aud: "other" }), SECRET), "wrong_audience"],
    ["is for no audience", forge(header, claims({ aud: undefined }), SECRET), "wrong_audience"],
    ["is from another issuer", forge(header, claims({ iss: "https://evil.example" }), SECRET), "wrong_issuer"],
    ["is from nobody", forge(header, claims({ iss: undefined }), SECRET), "wrong_issuer"],
    ["has a subject that is no string", forge(header, claims({ sub: 1 }), SECRET), "invalid_token"],
    ["has a role that is no string", forge(header, claims({ role: ["service_role"] }), SECRET), "invalid_token"],
    ["has a list for claims", forge(header, [claims()], SECRET), "invalid_token"],
    ["has null for claims", forge(header, null, SECRET), "invalid_token"],
    ["is longer than 8 KiB", forge(header, claims({ padding: "x".repeat(8192) }), SECRET), "invalid_token"],
    ["is no token", "garbage", "invalid_token"],
    ["is empty between its dots", "..", "invalid_token"],
  ])("is refused when it %s", async (_what, token, reason) => {
    expect(await refusalOf(token)).toBe(reason);
  });

  test("is refused when its claims were changed after it was signed", async () => {
    const [head, , signature] = forge(header, claims(), SECRET).split(".");
    const [, payload] = forge(header, claims({ role: "service_role" }), SECRET).split(".");
    expect(await refusalOf([head, payload, signature].join("."))).toBe("invalid_token");
  });
});

describe("a claim that PostgreSQL can't hold", () => {
  const header = { alg: "HS256", typ: "JWT" };
  const bad = ["a\u0000b", "\ud800", { inside: ["\u0000"] }, { "\udfff": 1 }];

  test("is left out of what a provider says, save that it may not be the subject", async () => {
    const options: ResolvedJwtOptions = { outside: { ...PROVIDER, publicKey: pem(ec.publicKey) } };
    const sign = (payload: object): string => signedBy(ec.privateKey, payload);
    for (const claim of bad) {
      const verified = await createVerifier(options)(sign(theirs({ name: claim, nickname: "Ada" })));
      expect(verified).toMatchObject({ iss: PROVIDER.issuer, sub: "auth0|ada", nickname: "Ada" });
      expect(verified).not.toHaveProperty("name");
    }
    expect(await refusalOf(sign(theirs({ sub: "auth0|a\u0000" })), options)).toBe("invalid_token");
    expect(await refusalOf(sign(theirs({ sub: "\ud800" })), options)).toBe("invalid_token");
  });

  test("is in no token of ours", async () => {
    for (const claim of bad)
      expect(await refusalOf(forge(header, claims({ name: claim }), SECRET))).toBe("invalid_token");
    expect(await refusalOf(forge(header, claims({ name: "Ada" }), SECRET))).toBeUndefined();
  });
});

describe("a verified token", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["Date"] }));
  afterEach(() => void vi.useRealTimers());

  test("is remembered, and not beyond its expiry", async () => {
    const options = { secret: SECRET };
    const verify = createVerifier(options);
    const token = await signToken({ sub: SUBJECT }, options, 60);
    const first = await verify(token);
    vi.advanceTimersByTime(59_000);
    expect(await verify(token)).toBe(first);
    vi.advanceTimersByTime(1000);
    await expect(verify(token)).rejects.toMatchObject({ reason: "token_expired" });
  });

  test("is remembered among a thousand, not more", async () => {
    const options = { secret: SECRET };
    const verify = createVerifier(options);
    const token = await signToken({ sub: SUBJECT }, options);
    const first = await verify(token);
    for (let i = 0; i < 1000; i += 1) await verify(await signToken({ sub: String(i) }, options));
    const again = await verify(token);
    expect(again).toEqual(first);
    expect(again).not.toBe(first);
  });
});

describe.each([
  ["RS256", rsa],
  ["ES256", ec],
] as const)("a token for a public key, by %s", (algorithm, { privateKey, publicKey }) => {
  const options = { outside: { ...PROVIDER, publicKey: pem(publicKey) } };

  test("is accepted", async () => {
    expect(await refusalOf(signedBy(privateKey, theirs()), options)).toBeUndefined();
  });

  test.each([
    ["is signed with the public key as if it were a secret", forge({ alg: "HS256" }, theirs(), pem(publicKey))],
    ["is signed so without the last line break", forge({ alg: "HS256" }, theirs(), pem(publicKey).trim())],
    ["says that it needs no signature", forge({ alg: "none" }, theirs())],
    [
      "is signed with another key of the kind",
      signedBy(
        algorithm === "RS256"
          ? generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
          : generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
        theirs(),
      ),
    ],
    [
      "is signed with a key of another kind",
      signedBy(algorithm === "RS256" ? ec.privateKey : rsa.privateKey, theirs()),
    ],
    [
      "brings its own key",
      forge({ alg: "HS256", jwk: { kty: "oct", k: Buffer.from(SECRET).toString("base64url") } }, theirs(), SECRET),
    ],
  ])("is refused when it %s", async (_what, token) => {
    expect(await refusalOf(token, options)).toBe("invalid_token");
  });

  test("is refused with another algorithm of the same key", async () => {
    if (algorithm !== "RS256") return;
    expect(await refusalOf(signedBy(privateKey, theirs(), { alg: "PS256" }), options)).toBe("invalid_token");
    expect(await refusalOf(signedBy(privateKey, theirs(), { alg: "RS512" }), options)).toBe("invalid_token");
  });
});

/** What the provider does when it is asked for its keys. */
type Behaviour = "answers" | "down" | "hangs" | "cuts" | "is no JSON" | "is no set" | "redirects" | "floods";

describe("a token of an identity provider", () => {
  const [other, stranger] = [rsaKeys(2048), rsaKeys(2048)];
  /** Too small to be used by anybody. */
  const small = rsaKeys(1024);
  let keys: object[] = [];
  let behaviour: Behaviour = "answers";
  let fetches = 0;
  const hanging: (() => void)[] = [];
  const provider = createServer((_request, response) => {
    fetches += 1;
    const text = JSON.stringify({ keys });
    const answer = (status: number, body = text): unknown =>
      response.writeHead(status, { "content-type": "application/json", location: "/jwks" }).end(body);
    const BEHAVIOURS: Record<Behaviour, () => unknown> = {
      answers: () => answer(200),
      down: () => answer(503),
      hangs: () => hanging.push(() => answer(200)),
      cuts: () =>
        response.writeHead(200, { "content-length": text.length }).write(text.slice(9), () => response.destroy()),
      "is no JSON": () => answer(200, "<p>Be back soon</p>"),
      "is no set": () => answer(200, "[]"),
      redirects: () => answer(302),
      floods: () => answer(200, text + " ".repeat(1024 * 1024)),
    };
    BEHAVIOURS[behaviour]();
  });
  const signed = (kid?: string): string => signedBy(rsa.privateKey, theirs(), { ...(kid && { kid }) });
  const options = (): ResolvedJwtOptions => ({
    outside: { ...PROVIDER, jwksUrl: `http://127.0.0.1:${(provider.address() as AddressInfo).port}/jwks` },
  });

  beforeAll(async () => {
    provider.listen(0, "127.0.0.1");
    await once(provider, "listening");
  });
  afterAll(() => void provider.close());
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["Date"] });
    keys = [published(ec.publicKey, "ec"), published(rsa.publicKey, "rsa", { use: "sig", alg: "RS256" })];
    behaviour = "answers";
    fetches = 0;
  });
  afterEach(() => void vi.useRealTimers());

  test("is accepted with the key that it names, fetched once for all", async () => {
    const verify = createVerifier(options());
    const tokens = [
      signed("rsa"),
      signedBy(ec.privateKey, theirs(), { kid: "ec" }),
      signedBy(rsa.privateKey, theirs({ n: 1 }), { kid: "rsa" }),
    ];
    const verified = await Promise.all(tokens.map(verify));
    expect(verified.map(({ sub }) => sub)).toEqual(["auth0|ada", "auth0|ada", "auth0|ada"]);
    expect(fetches).toBe(1);
  });

  test("may leave the key unnamed: all that fit are tried, as in a rotation", async () => {
    keys = [published(rsa.publicKey)];
    expect(await refusalOf(signed(), options())).toBeUndefined();
    keys = [published(small.publicKey), published(other.publicKey, "b"), ...keys, published(ec.publicKey, "ec")];
    expect(await refusalOf(signed(), options())).toBeUndefined();
    expect(await refusalOf(signedBy(ec.privateKey, theirs()), options())).toBeUndefined();
    expect(await refusalOf(signedBy(stranger.privateKey, theirs()), options())).toBe("invalid_token");
  });

  test("finds the key of its algorithm among those of one name", async () => {
    keys = [published(ec.publicKey, "a"), published(other.publicKey, "a"), published(rsa.publicKey, "a")];
    expect(await refusalOf(signed("a"), options())).toBeUndefined();
    expect(await refusalOf(signedBy(ec.privateKey, theirs(), { kid: "a" }), options())).toBeUndefined();
    expect(await refusalOf(signedBy(stranger.privateKey, theirs(), { kid: "a" }), options())).toBe("invalid_token");
  });

  test("is accepted at once when its key took the name of another, and bad ones don't make us ask again and again", async () => {
    const verify = createVerifier(options());
    keys = [published(other.publicKey, "rsa")];
    await verify(signedBy(other.privateKey, theirs(), { kid: "rsa" }));
    keys = [published(rsa.publicKey, "rsa")];
    vi.advanceTimersByTime(30_000);
    expect((await verify(signed("rsa"))).sub).toBe("auth0|ada");
    expect(fetches).toBe(2);
    for (let i = 0; i < 5; i += 1)
      await expect(verify(signedBy(stranger.privateKey, theirs({ i }), { kid: "rsa" }))).rejects.toMatchObject({
        reason: "invalid_token",
      });
    expect(fetches).toBe(2);
  });

  test("is refused when it names the key of another algorithm, or uses a public key as a secret", async () => {
    expect(await refusalOf(signed("ec"), options())).toBe("invalid_token");
    expect(await refusalOf(forge({ alg: "HS256", kid: "rsa" }, theirs(), pem(rsa.publicKey)), options())).toBe(
      "invalid_token",
    );
  });

  test("is refused when its key is published for encryption only", async () => {
    keys = [published(rsa.publicKey, "rsa", { use: "enc" })];
    expect(await refusalOf(signed("rsa"), options())).toBe("invalid_token");
  });

  test("with an unknown key makes us look again, every 30 seconds at most", async () => {
    const verify = createVerifier(options());
    for (let i = 0; i < 5; i += 1)
      await expect(verify(signed("new"))).rejects.toMatchObject({ reason: "invalid_token" });
    expect(fetches).toBe(1);
    keys.push(published(rsa.publicKey, "new"));
    vi.advanceTimersByTime(30_000);
    expect((await verify(signed("new"))).sub).toBe("auth0|ada");
    expect(fetches).toBe(2);
  });

  test("is no longer accepted some minutes after its key was withdrawn", async () => {
    const verify = createVerifier(options());
    const token = signedBy(rsa.privateKey, theirs({ exp: now() + 3600 }), { kid: "rsa" });
    await verify(token);
    keys = [published(ec.publicKey, "ec")];
    vi.advanceTimersByTime(15 * 60_000);
    await expect(verify(token)).rejects.toMatchObject({ reason: "invalid_token" });
  });

  test("is still accepted while the provider is down, when the key is known", async () => {
    const verify = createVerifier(options());
    const token = signedBy(rsa.privateKey, theirs({ exp: now() + 3600 }), { kid: "rsa" });
    await verify(token);
    behaviour = "down";
    vi.advanceTimersByTime(15 * 60_000);
    expect((await verify(token)).sub).toBe("auth0|ada");
  });

  test("is not kept waiting by a provider that hangs, once that is known", async () => {
    const verify = createVerifier(options());
    const token = (n: number): string => signedBy(rsa.privateKey, theirs({ n, exp: now() + 3600 }), { kid: "rsa" });
    await verify(token(0));
    behaviour = "down";
    vi.advanceTimersByTime(15 * 60_000);
    await verify(token(1));
    behaviour = "hangs";
    vi.advanceTimersByTime(30_000);
    expect(await verify(token(2))).toMatchObject({ n: 2 });
    await vi.waitUntil(() => hanging.length > 0);
    expect(await verify(token(3))).toMatchObject({ n: 3 });
    behaviour = "answers";
    for (const end of hanging.splice(0)) end();
  });

  test.each<Behaviour>(["down", "cuts", "is no JSON", "is no set", "redirects", "floods"])(
    "is told apart from a bad one when no keys can be had: the provider %s",
    async (how) => {
      behaviour = how;
      const verify = createVerifier(options());
      await expect(verify(signed("rsa"))).rejects.toMatchObject({ status: 503, reason: "keys_unavailable" });
      await expect(verify(signed("rsa"))).rejects.toMatchObject({ status: 503, reason: "keys_unavailable" });
      expect(fetches).toBe(1);
      behaviour = "answers";
      vi.advanceTimersByTime(5000);
      expect((await verify(signed("rsa"))).sub).toBe("auth0|ada");
    },
  );
});

describe("our own tokens and those of a provider at once", () => {
  const options: ResolvedJwtOptions = { secret: SECRET, outside: { ...PROVIDER, publicKey: pem(rsa.publicKey) } };
  const bySecret = (payload: object): string => forge({ alg: "HS256" }, payload, SECRET);
  const byProvider = (payload: object): string => signedBy(rsa.privateKey, payload);

  test("are both accepted", async () => {
    expect(await refusalOf(bySecret(claims()), options)).toBeUndefined();
    expect(await refusalOf(byProvider(theirs()), options)).toBeUndefined();
  });

  test.each([
    ["the provider signs as us", byProvider(claims()), "invalid_token"],
    ["our secret signs as the provider", bySecret(theirs()), "invalid_token"],
    [
      "the provider's public key is used as a secret",
      forge({ alg: "HS256" }, theirs(), pem(rsa.publicKey)),
      "invalid_token",
    ],
    ["it is used so in our name", forge({ alg: "HS256" }, claims(), pem(rsa.publicKey)), "invalid_token"],
    ["the provider signs for our audience", byProvider(theirs({ aud: "authenticated" })), "wrong_audience"],
    ["we sign for the provider's audience", bySecret(claims({ aud: PROVIDER.audience })), "wrong_audience"],
    ["the provider signs as a third", byProvider(theirs({ iss: "https://evil.example" })), "invalid_token"],
    ["we sign as a third", bySecret(claims({ iss: "https://evil.example" })), "wrong_issuer"],
    ["several issuers are named", byProvider(theirs({ iss: [PROVIDER.issuer, "attune"] })), "invalid_token"],
    ["it expired a second ago", byProvider(theirs({ exp: now() - 1 })), "token_expired"],
  ])("are refused when %s", async (_what, token, reason) => {
    expect(await refusalOf(token, options)).toBe(reason);
  });

  test.each([[undefined], ["authenticated"], ["service_role"], ["anon"], ["postgres"]])(
    "have the rights of a signed-in user, when the provider claims the role %s",
    async (role) => {
      const { pgSettings, issuer, subject } = await authenticate(
        `Bearer ${byProvider(theirs({ role, name: "Ada" }))}`,
        createVerifier(options),
      );
      expect(pgSettings.role).toBe("authenticated");
      expect(JSON.parse(pgSettings["request.jwt.claims"])).toMatchObject({
        role: "authenticated",
        iss: PROVIDER.issuer,
        sub: "auth0|ada",
        name: "Ada",
      });
      expect([issuer, subject]).toEqual([PROVIDER.issuer, "auth0|ada"]);
    },
  );

  test("are refused when the provider's name nobody", async () => {
    await expect(
      authenticate(`Bearer ${byProvider(theirs({ sub: undefined }))}`, createVerifier(options)),
    ).rejects.toMatchObject({ status: 401, reason: "missing_subject" });
    await expect(
      authenticate(`Bearer ${byProvider(theirs({ sub: "" }))}`, createVerifier(options)),
    ).rejects.toMatchObject({ status: 401, reason: "missing_subject" });
  });
});

describe("whatever stands in a token", () => {
  const keys = [published(rsa.publicKey, "rsa"), published(ec.publicKey, "ec")];
  const provider = createServer((_request, response) => response.end(JSON.stringify({ keys })));
  let verifiers: ReturnType<typeof createVerifier>[];

  beforeAll(async () => {
    provider.listen(0, "127.0.0.1");
    await once(provider, "listening");
    const jwksUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/jwks`;
    verifiers = [
      { secret: SECRET },
      { secret: SECRET, outside: { ...PROVIDER, publicKey: pem(ec.publicKey) } },
      { outside: { ...PROVIDER, publicKey: pem(rsa.publicKey) } },
      { outside: { ...PROVIDER, jwksUrl } },
      { secret: SECRET, outside: { ...PROVIDER, jwksUrl } },
      {},
    ].map(createVerifier);
  });
  afterAll(() => void provider.close());

  /** Something that a member of a header or of claims may be, for all that anybody can send. */
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.string({ unit: "binary" }),
    fc.double(),
    fc.constantFrom(
      "none",
      "HS256",
      "RS256",
      "ES256",
      "PS256",
      "EdDSA",
      "dir",
      "rsa",
      "ec",
      "",
      "__proto__",
      "x".repeat(5000),
    ),
    fc.constantFrom(
      "authenticated",
      "attune",
      PROVIDER.issuer,
      PROVIDER.audience,
      ["b64"],
      ["exp"],
      1e300,
      -1,
      now() + 60,
    ),
    fc.integer({ min: 1, max: 1500 }).map((depth) => JSON.parse("[".repeat(depth) + "]".repeat(depth)) as unknown),
  );
  const membersOf = (...names: string[]) =>
    fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), value, { maxKeys: 4 });
  const headers = membersOf("alg", "kid", "crit", "b64", "typ", "cty", "jwk", "jku", "x5c", "exp", "__proto__");
  const payloads = membersOf("iss", "aud", "sub", "exp", "nbf", "iat", "role", "name", "email", "__proto__");

  /** Signed by whoever: us, the provider by either key, somebody who has only the public one. */
  const signedTokens = fc
    .tuple(
      headers,
      payloads,
      fc.constantFrom("ours", "theirs"),
      fc.constantFrom("secret", "rsa", "ec", "public", "none"),
    )
    .map(([header, payload, whose, by]) => {
      const said = { ...(whose === "ours" ? claims() : theirs()), ...payload };
      if (by === "secret") return forge({ alg: "HS256", ...header }, said, SECRET);
      if (by === "public") return forge({ alg: "HS256", kid: "rsa", ...header }, said, pem(rsa.publicKey));
      if (by === "none") return forge({ alg: "none", ...header }, said);
      const { alg, ...rest } = header;
      const { privateKey } = by === "rsa" ? rsa : ec;
      return signedBy(privateKey, said, alg === "PS256" && by === "rsa" ? { alg, ...rest } : rest);
    });
  /** Parts that are anything: JSON of any type, text, bytes. */
  const part = fc.oneof(
    value.map(encode),
    fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes).toString("base64url")),
    fc.string(),
  );
  const madeUp = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(part, { maxLength: 6 }).map((parts) => parts.join(".")),
  );
  /** A good token, or nearly, with a piece of it cut out and something else in its place. */
  const mutated = fc
    .tuple(signedTokens, fc.nat(), fc.nat(8), fc.oneof(fc.constantFrom("", ".", "..", "\0", "é", "="), fc.string()))
    .map(
      ([token, at, length, piece]) =>
        token.slice(0, at % token.length) + piece + token.slice((at % token.length) + length),
    );

  test("it is accepted, or refused as 401", async () => {
    let accepted = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(signedTokens, mutated, madeUp), async (token) => {
        for (const verify of verifiers) {
          try {
            await verify(token);
            await authenticate(`Bearer ${token}`, verify);
            accepted += 1;
          } catch (error) {
            if (!(error instanceof UnauthorizedError && error.status === 401)) throw error;
          }
        }
      }),
      { numRuns: Number(process.env["TOKEN_CASES"] ?? 1000) },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});

describe("the claims of a request", () => {
  const options = { secret: SECRET };
  const settingsFor = async (claims?: object) => {
    const header = claims && `Bearer ${await signToken({ ...claims }, options)}`;
    const { pgSettings, subject } = await authenticate(header, createVerifier(options));
    return { role: pgSettings.role, claims: JSON.parse(pgSettings["request.jwt.claims"]) as unknown, subject };
  };

  test("without a token are those of anon", async () => {
    expect(await settingsFor()).toEqual({ role: "anon", claims: { role: "anon" }, subject: undefined });
  });

  test("name the token's role, and hold all that it says", async () => {
    const settings = await settingsFor({ sub: SUBJECT, role: "authenticated", email: "ada@example.com" });
    expect(settings).toMatchObject({
      role: "authenticated",
      subject: SUBJECT,
      claims: { sub: SUBJECT, email: "ada@example.com", iss: "attune" },
    });
    expect(await settingsFor({ role: "service_role" })).toMatchObject({ role: "service_role", subject: undefined });
  });

  test("of a token without a role are those of anon, as in PostgREST", async () => {
    expect(await settingsFor({ sub: SUBJECT })).toMatchObject({ role: "anon", claims: { role: "anon", sub: SUBJECT } });
  });

  test.each([
    ["a role that is not for requests", { sub: SUBJECT, role: "authenticator" }, "unknown_role"],
    ["the role of a superuser", { sub: SUBJECT, role: "postgres" }, "unknown_role"],
    ["an empty role", { sub: SUBJECT, role: "" }, "unknown_role"],
    ["nobody who is signed in", { role: "authenticated" }, "missing_subject"],
    ["nobody by an empty name", { sub: "", role: "authenticated" }, "missing_subject"],
  ])("are refused when they claim %s", async (_what, claims, reason) => {
    await expect(settingsFor(claims)).rejects.toMatchObject({ status: 401, reason });
  });

  test("say where the request came from", () => {
    const from = (userAgent?: string) =>
      cameFrom(NOBODY, { id: "1", clientAddress: "192.0.2.1", headers: { "user-agent": userAgent } }).pgSettings;
    const agentOf = (userAgent?: string): unknown => JSON.parse(from(userAgent)["request.headers"]);
    expect(from()["attune.client_address"]).toBe("192.0.2.1");
    expect(agentOf("curl/8")).toEqual({ "user-agent": "curl/8" });
    expect(agentOf()).toEqual({});
    expect(agentOf("x".repeat(5000))).toEqual({ "user-agent": "x".repeat(500) });
  });

  test.each([["Basic YTpi"], ["Bearer"], ["Bearer "], ["Bearer a b"], [""], ["bearer,x y"]])(
    "are refused when the header is %j",
    async (header) => {
      await expect(authenticate(header, createVerifier(options))).rejects.toMatchObject({
        reason: "malformed_authorization",
      });
    },
  );
});
