/** Fuzzed HTTP, written byte by byte: tokens, headers, methods, addresses, bodies, and what is no HTTP at all. */
import { createHmac } from "node:crypto";
import { connect } from "node:net";
import type { Answer } from "./judge.ts";
import { odd, type Random, randomJson } from "./random.ts";
import { PERSONAS, type World } from "./world.ts";
import type { Who } from "../support/api-calls.ts";

export type HttpCall = {
  bytes: Buffer;
  /** Who asks: whoever shows no token of a persona is nobody. */
  who: Who;
};

const PATHS = [
  "/",
  "/api/plans",
  "/api/ready",
  "/api/health",
  "/auth/google",
  "/auth/x/callback?code=1&state=2",
  "/favicon.ico",
];
const ODD_PATHS = [
  "//",
  "/graphql/",
  "/graphql?query={viewer{id}}",
  "/%00",
  "/%ff",
  "/..%2f..%2f",
  `/${"a".repeat(9000)}`,
  "*",
  "http://x/graphql",
  "/auth/%E0%A4%A/callback",
];
const METHODS = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "QUERY", "post", "FOO"];
const TYPES = [
  "application/json",
  "APPLICATION/JSON",
  "application/json; charset=utf-8",
  "application/json;charset=utf-16",
  "text/plain",
  "application/graphql",
  "multipart/form-data; boundary=x",
  "application/x-www-form-urlencoded",
  "",
  ";",
  "application/json, text/html",
];
const ADDRESSES = [
  "203.0.113.2",
  "203.0.113.2:40000",
  "[2001:db8::1]:443",
  "fe80::1%eth0",
  "unknown",
  "",
  ", ,",
  "1.2.3.4, 5.6.7.8, 9.10.11.12",
  "999.1.1.1",
  "::ffff:1.2.3.4",
  "x".repeat(5000),
  "'; select 1",
];
const ORIGINS = ["https://app.example.com", "null", "https://evil.example", "", "file://", "javascript:", "*"];
const COOKIES = [
  "",
  "a=b",
  "attune_refresh=x",
  "=;;=",
  "a=%E0%A4%A",
  "x".repeat(7000),
  "__Host-attune=eyJ; a=b",
  'sid="\\',
];
const QUERIES = [
  "{ viewer { id email } }",
  "{ users { nodes { email } } }",
  "{ __typename }",
  "mutation { logout { clientMutationId } }",
  "{",
  "subscription { x }",
  "query A { __typename } query B { __typename }",
];

const encode = (value: unknown): string =>
  (typeof value === "string" ? Buffer.from(value) : Buffer.from(JSON.stringify(value) ?? "")).toString("base64url");

/** A token that is none, or says something odd. It may be signed: our own secret must not make an internal error either. */
export function oddToken(random: Random, world: World): string {
  const header = random.pick<unknown>([
    { alg: "HS256", typ: "JWT" },
    { alg: "none" },
    { alg: "RS256", kid: "x" },
    { alg: "HS512" },
    { alg: "HS256", kid: { a: 1 } },
    { alg: "HS256", crit: ["x"] },
    { alg: ["HS256"] },
    {},
    null,
    5,
    [],
    "x",
    "not json {",
  ]);
  const subject = random.pick<unknown>(["x", "", 1, null, {}, [], "\0", "\ud800", "0".repeat(5000), odd.uuid(random)]);
  const payload = random.pick<unknown>([
    { sub: subject, role: "authenticated" },
    {
      sub: subject,
      role: random.pick<unknown>(["anon", "postgres", "attune", "", null, 1, {}, ["anon"], "service_role\0"]),
    },
    {
      sub: odd.uuid(random),
      role: "authenticated",
      session_id: random.pick<unknown>(["x", 1, null, odd.uuid(random)]),
    },
    {
      sub: odd.uuid(random),
      role: "authenticated",
      exp: random.pick<unknown>([0, "x", -1, 1e300, null, "9999999999"]),
    },
    { sub: "x", iss: random.pick<unknown>(["https://id.example.com", 1, "\0", {}]), role: "authenticated" },
    { sub: "x", aud: random.pick<unknown>([1, [], {}, "other"]), nbf: random.pick<unknown>([1e15, "x"]), iat: "x" },
    null,
    [],
    5,
    "x",
    "}",
    randomJson(random, world.words.names),
  ]);
  const signed = `${encode(header)}.${encode(payload)}`;
  const signature = random.pick([
    () => createHmac("sha256", world.jwtSecret).update(signed).digest("base64url"),
    () => "",
    () => "x",
    () => encode("signature"),
  ])();
  const token = `${signed}.${signature}`;
  return random.pick([
    () => token,
    () => token,
    () => signed,
    () => `${token}.x`,
    () => token.slice(0, random.below(token.length)),
    () => "NQ.e30.x",
    () => "..",
    () => odd.text(random).replaceAll(/[\r\n\0]/g, ""),
    () => random.several(1, 5, () => random.pick([...token])).join("."),
  ])();
}

/** Makes one request, or something like one. */
export function randomRequest(random: Random, world: World): HttpCall {
  if (random.chance(0.05)) return garbage(random);
  const who = random.pick(PERSONAS);
  const isHonest = random.chance(0.6);
  const token = isHonest ? world.tokenOf(who) : oddToken(random, world);
  const method = random.chance(0.88) ? "POST" : random.pick(METHODS);
  const path = random.chance(0.88) ? "/graphql" : random.pick(random.chance(0.6) ? PATHS : ODD_PATHS);
  const headers: [string, string][] = [
    ["Host", random.chance(0.95) ? "localhost" : random.pick(["", "evil.example", "[::1", "a b"])],
  ];
  const maybe = (chance: number, name: string, values: readonly string[]): void => {
    if (random.chance(chance)) headers.push([name, random.pick(values)]);
  };
  if (token !== undefined) {
    const scheme = random.chance(0.85)
      ? "Bearer "
      : random.pick(["", "bearer  ", "Basic ", "Bearer\t", "Bearer Bearer "]);
    headers.push(["Authorization", `${scheme}${token}`]);
    maybe(0.03, "Authorization", ["Bearer x"]);
  }
  if (random.chance(0.95)) headers.push(["Content-Type", random.chance(0.9) ? "application/json" : random.pick(TYPES)]);
  maybe(0.3, "X-Forwarded-For", ADDRESSES);
  maybe(0.05, "Forwarded", ["for=1.2.3.4;proto=https", 'for="[::1"', ";"]);
  maybe(0.2, "Origin", ORIGINS);
  maybe(0.2, "Cookie", COOKIES);
  maybe(0.2, "Accept", [
    "*/*",
    "application/graphql-response+json",
    "text/html",
    "image/png",
    "",
    "x;q=z",
    "multipart/mixed",
  ]);
  maybe(0.1, "Accept-Encoding", ["gzip", "br;q=0", "*", "x"]);
  maybe(0.05, "User-Agent", [odd.text(random).replaceAll(/[\r\n\0]/g, ""), "x".repeat(3000)]);
  maybe(0.03, "Expect", ["100-continue", "200-ok"]);
  maybe(0.03, "Content-Encoding", ["gzip", "identity", "x"]);
  maybe(0.02, "Upgrade", ["websocket", "h2c"]);
  maybe(0.02, "X-Request-Id", ["x".repeat(1000), "__proto__"]);
  const body = Buffer.from(bodyOf(random, world));
  const lie = random.chance(0.04) ? random.pick([1, 1000]) : 0;
  if (random.chance(0.03)) headers.push(["Transfer-Encoding", random.pick(["chunked", "gzip, chunked", "x"])]);
  else
    headers.push([
      "Content-Length",
      random.chance(0.99) ? String(body.length + lie) : random.pick(["-1", "x", "1e3", "99999999999"]),
    ]);
  headers.push(["Connection", "close"]);
  const head = `${method} ${path} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}`).join("\r\n")}\r\n\r\n`;
  return { bytes: Buffer.concat([Buffer.from(head), body]), who: isHonest ? who : "anon" };
}

function bodyOf(random: Random, world: World): string | Buffer {
  const query = random.pick(QUERIES);
  if (random.chance(0.5)) return JSON.stringify({ query });
  return random.pick<() => string | Buffer>([
    () =>
      JSON.stringify({
        query,
        variables: randomJson(random, world.words.names),
        operationName: randomJson(random, ["A"]),
      }),
    () => JSON.stringify({ query: randomJson(random, QUERIES), extensions: randomJson(random, ["persistedQuery"]) }),
    () => JSON.stringify(randomJson(random, ["query", "variables", "operationName"])) ?? "",
    () => `{"query":${random.pick(["1.50", "1e400", "-0", "[]", "null", '"\\ud800"', '"\\u0000"'])}}`,
    () =>
      `{"query":"{__typename}","variables":${random.pick(["[", "{"]).repeat(random.pick([10, 101, 5000, 100_000]))}`,
    () => `{"query":"{__typename}","variables":{"v":${"[".repeat(3000)}${"]".repeat(3000)}}}`,
    () => JSON.stringify({ query: "{a".repeat(random.pick([10, 400, 20_000])) }),
    () => JSON.stringify({ query: "x".repeat(random.pick([1000, 300_000])) }),
    () => Buffer.from(random.several(0, 50, () => random.below(256))),
    () => Buffer.from([0xef, 0xbb, 0xbf, 0x7b, 0x7d]),
    () => "",
    () => JSON.stringify([{ query }, { query }]),
    () => `${JSON.stringify({ query })}{}`,
  ])();
}

function garbage(random: Random): HttpCall {
  const bytes = random.pick<() => Buffer>([
    () => Buffer.from(random.several(1, 300, () => random.below(256))),
    () => Buffer.from("GET"),
    () => Buffer.from("GET / HTTP/9.9\r\n\r\n"),
    () => Buffer.from("POST /graphql HTTP/1.1\r\n\r\n"),
    () => Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\n${"a: b\r\n".repeat(3000)}\r\n`),
    () => Buffer.from(`GET / HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`),
    () => Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    () => Buffer.from("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "latin1"),
    () => Buffer.from("POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    () => Buffer.from("POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}"),
    () => Buffer.from("GET / HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n"),
  ])();
  return { bytes, who: "anon" };
}

/**
 * Sends the bytes and reads what comes back until the connection ends.
 * @param patience milliseconds after which it is closed from here; what is not complete is waited for by the server
 * @returns undefined when nothing came
 */
export async function send(port: number, { bytes }: HttpCall, patience = 250): Promise<Answer | undefined> {
  const chunks: Buffer[] = [];
  await new Promise<void>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => void socket.write(bytes));
    socket.setTimeout(patience, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => void chunks.push(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve());
  });
  if (chunks.length === 0) return undefined;
  const response = Buffer.concat(chunks).toString();
  const finals = response.replace(/^(HTTP\/1\.1 1\d\d[^]*?\r\n\r\n)+/, "");
  const [head = "", ...rest] = finals.split("\r\n\r\n");
  const isChunked = /^transfer-encoding: chunked/im.test(head);
  const body = rest.join("\r\n\r\n");
  return {
    status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0),
    text: isChunked ? body.replaceAll(/^[0-9a-f]+\r\n|\r\n(?:[0-9a-f]+\r\n)?/gim, "") : body,
  };
}
