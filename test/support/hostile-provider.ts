/** An OpenID Connect provider made by hand, which answers each step as a test wants, and need not answer at all. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { lasting, signedBy } from "./tokens.ts";

export const STEPS = ["discovery", "token", "userinfo", "keys"] as const;
export type Step = (typeof STEPS)[number];

/** What a server may do instead of answering. */
export const FAILURES = [
  "hangs",
  "hangs in its answer",
  "resets",
  "cuts",
  "is down",
  "limits",
  "redirects",
  "floods",
  "is no JSON",
  "is no such page",
] as const;
export type Failure = (typeof FAILURES)[number];

export type HostileProvider = {
  issuer: string;
  /** The key that it signs with; `published` are those at its JWKS address. */
  key: KeyObject;
  published: object[];
  /** How a step goes wrong. */
  failures: Map<Step, Failure>;
  /** What the ID token says besides issuer, audience and times, and by whom it is signed; undefined: none. */
  idToken: ((claims: object) => string | undefined) | undefined;
  /** Claims of the ID token, and what the profile says. */
  claims: Record<string, unknown>;
  profile: Record<string, unknown>;
  close: () => Promise<void>;
};

export const CLIENT = { clientId: "attune", clientSecret: "a secret between the two servers" };

export async function startHostileProvider(): Promise<HostileProvider> {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const endpoints = {
    token_endpoint: "token",
    userinfo_endpoint: "userinfo",
    jwks_uri: "keys",
    authorization_endpoint: "authorize",
  };

  const provider: HostileProvider = {
    issuer,
    key: privateKey,
    published: [publicKey.export({ format: "jwk" })],
    failures: new Map(),
    idToken: undefined,
    claims: {},
    profile: {},
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  const answers: Record<Step, () => object> = {
    discovery: () => ({
      issuer,
      ...Object.fromEntries(Object.entries(endpoints).map(([name, path]) => [name, `${issuer}/${path}`])),
    }),
    token: () => {
      const claims = lasting({ iss: issuer, aud: CLIENT.clientId, ...provider.claims });
      const sign = provider.idToken ?? ((said: object) => signedBy(provider.key, said));
      return { access_token: "opaque", token_type: "bearer", id_token: sign(claims) };
    },
    userinfo: () => ({ sub: provider.claims["sub"], ...provider.profile }),
    keys: () => ({ keys: provider.published }),
  };

  server.on("request", (request, response: ServerResponse) => {
    // No connection is used again: one that was cut says nothing of the next request.
    response.setHeader("connection", "close");
    const path = request.url?.slice(1) ?? "";
    const step = STEPS.find((name) => name === path) ?? "discovery";
    const text = JSON.stringify(answers[step]());
    const answer = (status: number, body = text): unknown =>
      response.writeHead(status, { "content-type": "application/json", location: `/${path}` }).end(body);
    const half = (): ServerResponse =>
      response.writeHead(200, { "content-type": "application/json", "content-length": text.length });
    const fail: Record<Failure, () => unknown> = {
      hangs: () => undefined,
      "hangs in its answer": () => half().write(text.slice(9)),
      resets: () => request.socket.resetAndDestroy(),
      cuts: () => half().write(text.slice(9), () => response.destroy()),
      "is down": () => answer(503),
      limits: () => answer(429),
      redirects: () => answer(302),
      floods: () => answer(200, text + " ".repeat(1024 * 1024)),
      "is no JSON": () => response.writeHead(200, { "content-type": "text/html" }).end("<p>Be back soon</p>"),
      "is no such page": () => response.writeHead(404, { "content-type": "text/html" }).end("<p>Not found</p>"),
    };
    const failure = provider.failures.get(step);
    return failure === undefined ? answer(200) : fail[failure]();
  });
  return provider;
}
