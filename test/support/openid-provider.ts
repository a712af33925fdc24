/** A real OpenID Connect provider, and a browser that people sign in with there. */
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type AccountClaims, Provider } from "oidc-provider";

/** What the provider knows of somebody. */
export type Person = Partial<AccountClaims> & { sub: string };

export type TestProvider = {
  issuer: string;
  clientId: string;
  clientSecret: string;
  /** What the provider does when a browser comes to sign in: as this person, or not at all. */
  answer: (person: Person | "refuses") => void;
  close: () => Promise<void>;
};

const SCOPES = "openid email profile";

/** @param redirectUris where the client lets browsers be sent back to */
export async function startOpenIdProvider(redirectUris: string[]): Promise<TestProvider> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const [clientId, clientSecret] = ["attune", "a secret between the two servers"];
  const people = new Map<string, Person>();
  let next: Person | "refuses" = "refuses";

  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: redirectUris,
        token_endpoint_auth_method: "client_secret_post",
      },
    ],
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name", "picture"] },
    features: { devInteractions: { enabled: false } },
    pkce: { required: () => true },
    jwks: { keys: [generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" })] },
    ttl: { AccessToken: 60, AuthorizationCode: 60, Grant: 60, IdToken: 60, Interaction: 60, Session: 60 },
    cookies: { keys: ["a key of the test"] },
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    findAccount: (_context, id) => ({ accountId: id, claims: async () => ({ ...people.get(id), sub: id }) }),
    async loadExistingGrant({ oidc: { client, session } }) {
      const grant = new provider.Grant({ clientId: client?.clientId, accountId: session?.accountId });
      grant.addOIDCScope(SCOPES);
      await grant.save();
      return grant;
    },
  });

  const interact = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (next === "refuses")
      return provider.interactionFinished(request, response, {
        error: "access_denied",
        error_description: "not today",
      });
    people.set(next.sub, next);
    return provider.interactionFinished(request, response, { login: { accountId: next.sub, remember: false } });
  };
  const callback = provider.callback();
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const answered = request.url?.startsWith("/interaction/")
      ? interact(request, response)
      : callback(request, response);
    answered.catch((error: unknown) => response.writeHead(500).end(String(error)));
  });

  return {
    issuer,
    clientId,
    clientSecret,
    answer: (person) => {
      next = person;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/**
 * Goes where the provider leads, with its cookies, until it leads away again.
 * @returns the address that the provider sends the browser back to
 */
export async function visit(url: string): Promise<URL> {
  const { origin } = new URL(url);
  const cookies = new Map<string, string>();
  let next = new URL(url);
  while (next.origin === origin) {
    const cookie = Array.from(cookies, ([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(next, { redirect: "manual", headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get("location");
    if (location === null) throw new Error(`The provider answered ${response.status}: ${await response.text()}`);
    next = new URL(location, next);
  }
  return next;
}
