/** The environment: what is read from it, and how a wrong value is refused. */
import { generateKeyPairSync } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { readOptions } from "../src/options/options.ts";
import { resolveJwt } from "../src/sign-in/resolve-jwt.ts";

const pem = (type: "public" | "private", bits = 2048): string => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: bits,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return type === "public" ? publicKey : privateKey;
};

test("nothing set means the embedded PostgreSQL on this machine only", () => {
  expect(readOptions({})).toEqual({
    host: "127.0.0.1",
    port: 5678,
    databaseUrl: undefined,
    authenticatorUrl: undefined,
    dataDir: resolve(import.meta.dirname, "../.attune"),
    embeddedMajor: 18,
    jwt: { secret: undefined, outside: undefined },
    masterKeys: undefined,
    logLevel: "info",
    corsOrigins: [],
    rateLimitPerMinute: 1000,
    poolSize: 4,
    passwordPoolSize: 2,
    migrationWait: 60,
    migrationLockTimeout: 5,
    overloadAfter: 2000,
    drainTimeout: 10,
    liveConnections: 5000,
    maintenance: true,
    metricsToken: undefined,
    isTraced: false,
    trustProxy: false,
    singleUser: false,
    signIn: undefined,
  });
});

test("an empty variable counts as unset, and blanks around a value do not count", () => {
  expect(readOptions({ PORT: "", JWT_SECRET: " ", LOG_LEVEL: " warn " })).toMatchObject({
    port: 5678,
    logLevel: "warn",
  });
});

test("a master key is 32 bytes, in base64 or hexadecimal", () => {
  for (const key of ["0A".repeat(32), `${"A+/9".repeat(10)}AA8=`, `${"A-_9".repeat(10)}AA8`])
    expect(readOptions({ ATTUNE_MASTER_KEY: key }).masterKeys).toEqual({ current: key, previous: undefined });
});

test("origins are a list", () => {
  expect(readOptions({ CORS_ORIGINS: "https://a.example.com, http://localhost:3000" }).corsOrigins).toEqual([
    "https://a.example.com",
    "http://localhost:3000",
  ]);
});

test("a public key may have its line breaks escaped", () => {
  const key = pem("public");
  const { outside } = readOptions({
    JWT_ISSUER: "https://id.example.com",
    JWT_PUBLIC_KEY: key.replaceAll("\n", "\\n"),
  }).jwt;
  expect(outside).toEqual({ issuer: "https://id.example.com", audience: "authenticated", publicKey: key });
});

describe("is refused", () => {
  test.for([
    ["PORT", "99999", 'PORT must be a whole number from 0 to 65535, not "99999".'],
    ["PORT", "56.78", 'PORT must be a whole number from 0 to 65535, not "56.78".'],
    ["POOL_SIZE", "0", 'POOL_SIZE must be a whole number from 1 to 1000, not "0".'],
    ["RATE_LIMIT", "-1", 'RATE_LIMIT must be a whole number from 0 to 1000000, not "-1".'],
    ["LOG_LEVEL", "loud", 'LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not "loud".'],
    [
      "DATABASE_URL",
      "mysql://me:hunter2@host/db",
      "DATABASE_URL must look like postgres://user:password@host:5432/database.",
    ],
    [
      "DATABASE_URL",
      "postgres://me:hunter2@host",
      "DATABASE_URL must look like postgres://user:password@host:5432/database.",
    ],
    ["AUTHENTICATOR_URL", "hunter2", "AUTHENTICATOR_URL must look like postgres://user:password@host:5432/database."],
    [
      "CORS_ORIGINS",
      "https://app.example.com/path",
      'CORS_ORIGINS must be a comma-separated list of origins like https://app.example.com, not "https://app.example.com/path".',
    ],
    ...["change-me", "0a".repeat(31), "0a".repeat(33), `${"A".repeat(42)}==`].map((value) => [
      "ATTUNE_MASTER_KEY",
      value,
      "ATTUNE_MASTER_KEY must be 32 bytes, in base64 or as 64 hexadecimal digits; `openssl rand -base64 32` makes one.",
    ]),
    [
      "ATTUNE_PREVIOUS_MASTER_KEY",
      "0a".repeat(32),
      "ATTUNE_PREVIOUS_MASTER_KEY is the key of before ATTUNE_MASTER_KEY: set that too.",
    ],
    ["JWT_SECRET", "short", "JWT_SECRET must have at least 32 bytes; `openssl rand -base64 48` makes one."],
    [
      "JWT_AUDIENCE",
      "our-app",
      "JWT_AUDIENCE is about the tokens of an identity provider, so JWT_ISSUER is required: the `iss` that they have.",
    ],
    [
      "JWT_ISSUER",
      "https://id.example.com",
      "JWT_ISSUER is an identity provider, so its keys are required: set JWT_JWKS_URL or JWT_PUBLIC_KEY.",
    ],
    [
      "JWT_ISSUER",
      "attune",
      'JWT_ISSUER must be the identity provider\'s, not "attune", which is the issuer of our own tokens.',
    ],
    [
      "TRUST_PROXY",
      "true",
      'TRUST_PROXY must be the number of proxies in front of the server, or their addresses like 10.0.0.0/8, not "true".',
    ],
    [
      "TRUST_PROXY",
      "10.0.0.0/33",
      'TRUST_PROXY must be the number of proxies in front of the server, or their addresses like 10.0.0.0/8, not "10.0.0.0/33".',
    ],
    ["ATTUNE_EMBEDDED_MAJOR", "14", 'ATTUNE_EMBEDDED_MAJOR must be 15, 16, 17 or 18, not "14".'],
    ["ATTUNE_SINGLE_USER", "yes", 'ATTUNE_SINGLE_USER must be one of true, false, not "yes".'],
    [
      "AUTH_REDIRECT_URL",
      "javascript:alert(1)",
      "AUTH_REDIRECT_URL must be an https address of your application without #, like https://app.example.com/signed-in.",
    ],
    [
      "AUTH_REDIRECT_URL",
      "http://app.example.com",
      "AUTH_REDIRECT_URL must be an https address of your application without #, like https://app.example.com/signed-in.",
    ],
    [
      "PUBLIC_URL",
      "http://settings.example.com",
      "PUBLIC_URL must be the https address under which browsers reach this server, like https://settings.example.com.",
    ],
    [
      "AUTH_ACME_CLIENT_ID",
      "us",
      "AUTH_ACME_ISSUER is required: the address of the provider, like https://id.example.com.",
    ],
    [
      "AUTH_GOOGLE_CLIENT_SECRET",
      "hunter2",
      "AUTH_GOOGLE_CLIENT_ID is required: the provider gives it when you register this server there.",
    ],
    [
      "AUTH_ACME_ISSUER",
      "http://id.example.com",
      'AUTH_ACME_ISSUER must be an https address like https://id.example.com, not "http://id.example.com".',
    ],
  ] as const)("%s=%s", ([name, value, sentence]) => {
    expect(() => readOptions({ [name]: value })).toThrow(sentence);
  });

  test.for([
    [
      "JWT_JWKS_URL",
      "file:///etc/keys",
      "JWT_JWKS_URL must be an http or https address, like https://id.example.com/.well-known/jwks.json.",
    ],
    ["JWT_PUBLIC_KEY", "key", "JWT_PUBLIC_KEY must be a public key in PEM form (-----BEGIN PUBLIC KEY-----)."],
    ["JWT_PUBLIC_KEY", pem("private"), "JWT_PUBLIC_KEY holds a private key; give only the public one."],
    ["JWT_PUBLIC_KEY", pem("public", 1024), "JWT_PUBLIC_KEY must be an RSA key of 2048 bits or more, or an EC key."],
  ] as const)("%s=%s of a provider", ([name, value, sentence]) => {
    expect(() => readOptions({ JWT_ISSUER: "https://id.example.com", [name]: value })).toThrow(sentence);
  });

  test("more than one way to check a provider's token", () => {
    const environment = {
      JWT_ISSUER: "https://id.example.com",
      JWT_PUBLIC_KEY: pem("public"),
      JWT_JWKS_URL: "https://id.example.com/keys",
    };
    expect(() => readOptions(environment)).toThrow(
      "Set only one of JWT_PUBLIC_KEY and JWT_JWKS_URL: a token is checked in one way only.",
    );
  });

  test.each([["0.0.0.0"], ["::"], ["192.168.1.2"], ["settings.example.com"]])("single-user mode on %s", (HOST) => {
    expect(() => readOptions({ ATTUNE_SINGLE_USER: "true", HOST })).toThrow(
      `ATTUNE_SINGLE_USER needs no sign-in, so the server may only listen on this machine: set HOST to 127.0.0.1, not "${HOST}".`,
    );
  });

  test("a provider to sign in with, when no token of ours can be signed", () => {
    const outside = {
      JWT_ISSUER: "https://id.example.com",
      JWT_JWKS_URL: "https://id.example.com/keys",
      AUTH_GOOGLE_CLIENT_ID: "us",
    };
    expect(() => resolveJwt(readOptions(outside), undefined)).toThrow(
      "JWT_SECRET is required with the providers and cookies in AUTH_…",
    );
    expect(resolveJwt(readOptions(outside), "generated").secret).toBe("generated");
  });

  test("single-user mode for every page of the web", () => {
    expect(() => readOptions({ ATTUNE_SINGLE_USER: "true", CORS_ORIGINS: "*" })).toThrow(
      "so not every page may call the API",
    );
  });
});

test.each([["127.0.0.1"], ["127.1.2.3"], ["::1"], ["localhost"]])("single-user mode may listen on %s", (HOST) => {
  expect(readOptions({ ATTUNE_SINGLE_USER: "true", HOST }).singleUser).toBe(true);
});

test("proxies are a number or a list", () => {
  expect(readOptions({ TRUST_PROXY: "1" }).trustProxy).toBe(1);
  expect(readOptions({ TRUST_PROXY: "127.0.0.1, 10.0.0.0/8, ::1" }).trustProxy).toEqual([
    "127.0.0.1",
    "10.0.0.0/8",
    "::1",
  ]);
});

test("providers to sign in with are known by their variables", () => {
  const { signIn } = readOptions({
    AUTH_GOOGLE_CLIENT_ID: "google-id",
    AUTH_GOOGLE_CLIENT_SECRET: "google-secret",
    AUTH_MY_COMPANY_ISSUER: "https://id.example.com",
    AUTH_MY_COMPANY_CLIENT_ID: "company-id",
    AUTH_MY_COMPANY_SCOPES: "openid email",
    AUTH_EMPTY_CLIENT_ID: "",
    AUTH_REDIRECT_URL: "https://app.example.com/signed-in",
    PUBLIC_URL: "https://settings.example.com/",
  });
  expect(signIn).toEqual({
    providers: [
      {
        name: "google",
        issuer: "https://accounts.google.com",
        clientId: "google-id",
        clientSecret: "google-secret",
        scopes: "openid email profile",
      },
      {
        name: "my-company",
        issuer: "https://id.example.com",
        clientId: "company-id",
        clientSecret: undefined,
        scopes: "openid email",
      },
    ],
    cookies: false,
    publicUrl: "https://settings.example.com",
    redirectUrl: "https://app.example.com/signed-in",
  });
});

test("browsers may sign in with cookies, with no provider", () => {
  expect(readOptions({ AUTH_COOKIES: "true", PORT: "80" }).signIn).toEqual({
    providers: [],
    cookies: true,
    publicUrl: "http://localhost:80",
    redirectUrl: undefined,
  });
});

test("nothing but the schema of the environment reads it", () => {
  const SRC = resolve(import.meta.dirname, "../src");
  const uses = globSync("**/*.ts", { cwd: SRC }).flatMap((file) =>
    Array.from(readFileSync(resolve(SRC, file), "utf8").matchAll(/^.*\bprocess\.env\b.*$/gm), ([line]) => line.trim()),
  );
  // PATH is handed on to PostgreSQL's programs.
  const others = uses.filter(
    (line) => !/\b(readOptions|readVariable|given)\(process\.env\b|process\.env\["PATH"\]/.test(line),
  );
  expect(uses.length).toBeGreaterThan(5);
  expect(others).toEqual([]);
});
