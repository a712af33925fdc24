/** The environment: what is read from it, and how a wrong value is refused. */
import { generateKeyPairSync } from "node:crypto";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { readOptions } from "../src/options.ts";

const pem = (type: "public" | "private", bits = 2048): string => {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: bits, publicKeyEncoding: { type: "spki", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem" },
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
    jwt: { audience: "authenticated", issuer: "attune" },
    logLevel: "info",
    corsOrigins: [],
    rateLimitPerMinute: 1000,
    poolSize: 4,
  });
});

test("an empty variable counts as unset, and blanks around a value do not count", () => {
  expect(readOptions({ PORT: "", JWT_SECRET: " ", LOG_LEVEL: " warn " })).toMatchObject({ port: 5678, logLevel: "warn" });
});

test("origins are a list", () => {
  expect(readOptions({ CORS_ORIGINS: "https://a.example.com, http://localhost:3000" }).corsOrigins).toEqual(["https://a.example.com", "http://localhost:3000"]);
});

test("a public key may have its line breaks escaped", () => {
  const key = pem("public");
  expect(readOptions({ JWT_PUBLIC_KEY: key.replaceAll("\n", "\\n") }).jwt.publicKey?.trim()).toBe(key.trim());
});

describe("is refused", () => {
  test.for([
    ["PORT", "99999", "PORT must be a whole number from 0 to 65535, not \"99999\"."],
    ["PORT", "56.78", "PORT must be a whole number from 0 to 65535, not \"56.78\"."],
    ["POOL_SIZE", "0", "POOL_SIZE must be a whole number from 1 to 1000, not \"0\"."],
    ["RATE_LIMIT", "-1", "RATE_LIMIT must be a whole number from 0 to 1000000, not \"-1\"."],
    ["LOG_LEVEL", "loud", "LOG_LEVEL must be one of fatal, error, warn, info, debug, trace, silent, not \"loud\"."],
    ["DATABASE_URL", "mysql://me:hunter2@host/db", "DATABASE_URL must look like postgres://user:password@host:5432/database."],
    ["DATABASE_URL", "postgres://me:hunter2@host", "DATABASE_URL must look like postgres://user:password@host:5432/database."],
    ["AUTHENTICATOR_URL", "hunter2", "AUTHENTICATOR_URL must look like postgres://user:password@host:5432/database."],
    ["CORS_ORIGINS", "https://app.example.com/path", "CORS_ORIGINS must be a comma-separated list of origins like https://app.example.com, not \"https://app.example.com/path\"."],
    ["JWT_SECRET", "short", "JWT_SECRET must have at least 32 bytes; `openssl rand -base64 48` makes one."],
    ["JWT_JWKS_URL", "file:///etc/keys", "JWT_JWKS_URL must be an http or https address, like https://id.example.com/.well-known/jwks.json."],
    ["JWT_PUBLIC_KEY", "key", "JWT_PUBLIC_KEY must be a public key in PEM form (-----BEGIN PUBLIC KEY-----)."],
    ["JWT_PUBLIC_KEY", pem("private"), "JWT_PUBLIC_KEY holds a private key; give only the public one."],
    ["JWT_PUBLIC_KEY", pem("public", 1024), "JWT_PUBLIC_KEY must be an RSA key of 2048 bits or more, or an EC key."],
  ] as const)("%s=%s", ([name, value, sentence]) => {
    expect(() => readOptions({ [name]: value })).toThrow(sentence);
  });

  test("more than one way to check a token", () => {
    expect(() => readOptions({ JWT_SECRET: "s".repeat(32), JWT_JWKS_URL: "https://id.example.com/keys" })).toThrow(
      "Set only one of JWT_SECRET and JWT_JWKS_URL: a token is checked in one way only.",
    );
  });
});
