/** The whole story: three people who share one instance in their browsers, an agent, and a worker with everybody's keys. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { signToken } from "../src/sign-in/jwt.ts";
import {
  createTestDatabase,
  createTestServer,
  type Persona,
  type TestDatabase,
  type TestServer,
} from "./support/harness.ts";
import { listen, type Listener, openSocket, overWebSocket, subscribe, type TestClient } from "./support/live.ts";

const SETTINGS =
  "subscription ($since: String) { settingsChanged(since: $since) { cursor mustRefetch keys effectiveSettings { key value isEnforced } } }";
const KNOWLEDGE =
  "subscription ($since: String) { knowledgeChanged(since: $since) { cursor mustRefetch entryIds entries { id title version createdByName createdByAgent editLease { heldById } } } }";

type Person = { id: string; name: string; token: string };
type Tab = { settings: Listener; knowledge: Listener; client: TestClient };

let database: TestDatabase;
let server: TestServer;
let url: string;

beforeAll(async () => {
  database = await createTestDatabase();
  const key = randomBytes(32).toString("base64");
  server = await createTestServer(database, { readKeys: async () => ({ current: key, previous: undefined }) });
  url = (await listen(server)).ws;
});
afterAll(async () => {
  await server.close();
  await database.close();
});

async function ask<Data = Record<string, unknown>>(
  token: string | undefined,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Data> {
  const { body } = await server.graphql<Data>(query, variables, token);
  expect(body.errors).toBeUndefined();
  if (body.data == null) throw new Error("There is no answer");
  return body.data;
}

async function signUp(name: string): Promise<Person> {
  type Tokens = { register: { sessionTokens: { accessToken: string; userId: string } } };
  const { register } = await ask<Tokens>(
    undefined,
    "mutation ($input: RegisterInput!) { register(input: $input) { sessionTokens { accessToken userId } } }",
    { input: { email: `${name}@example.com`, password: "correct horse battery", name } },
  );
  return { id: register.sessionTokens.userId, name, token: register.sessionTokens.accessToken };
}

async function openTab(
  { token }: { token: string },
  since: { settings?: string; knowledge?: string } = {},
): Promise<Tab> {
  const client = overWebSocket(url, token);
  const tab = {
    client,
    settings: subscribe(client, SETTINGS, { since: since.settings }),
    knowledge: subscribe(client, KNOWLEDGE, { since: since.knowledge }),
  };
  await tab.settings.until(({ data }) => data != null);
  await tab.knowledge.until(({ data }) => data != null);
  return tab;
}

/** Waits until some text was told. */
const hears = (listener: Listener, text: string) => listener.until((told) => JSON.stringify(told).includes(text));
const cursorOf = ({ told }: Listener): string =>
  Object.values(told.at(-1)?.data ?? {})
    .map(({ cursor }) => cursor)
    .join();

test("what one does, the others see, and each one's key stays their own", async () => {
  const worker = database.tokenOf("service_role" satisfies Persona);
  const root = await database.createUser("root@example.com", { admin: true });
  const ada = await signUp("ada");
  const bob = await signUp("bob");
  const cem = await signUp("cem");
  const people = [ada, bob, cem];
  const [first, second, others] = [await openTab(ada), await openTab(ada), await openTab(bob)];

  // Each brings a key of their own, and the worker uses it for them; nobody sees another's.
  const secrets = new Map(people.map(({ name }) => [name, `sk-${randomBytes(24).toString("hex")}`]));
  for (const { name, token } of people)
    await ask(
      token,
      'mutation ($secret: String!) { setCredential(input: { provider: "openai", label: "Mine", secret: $secret }) { clientMutationId } }',
      { secret: secrets.get(name) },
    );
  for (const { id, name, token } of people) {
    expect(
      await ask(
        worker,
        'mutation ($id: UUID!) { resolveCredential(input: { userId: $id, provider: "openai" }) { secret source } }',
        { id },
      ),
    ).toEqual({ resolveCredential: { secret: secrets.get(name), source: "user" } });
    expect(await ask(token, "{ credentials { nodes { userId lastFour } } }")).toEqual({
      credentials: { nodes: [{ userId: id, lastFour: secrets.get(name)?.slice(-4) }] },
    });
  }

  // What Ada sets in one tab is in the other, and no business of Bob's; what is locked is everybody's.
  await ask(
    ada.token,
    'mutation { setPreference(input: { key: "STYLE_GUIDE_ENABLED", value: false }) { clientMutationId } }',
  );
  await hears(second.settings, '"STYLE_GUIDE_ENABLED","value":false');
  await hears(first.settings, '"STYLE_GUIDE_ENABLED","value":false');
  await ask(
    root.token,
    'mutation { setGlobalSetting(input: { key: "DARK_MODE_ENABLED", value: true, isEnforced: true }) { clientMutationId } }',
  );
  for (const { settings } of [first, second, others])
    await hears(settings, '"DARK_MODE_ENABLED","value":true,"isEnforced":true');
  expect(others.settings.keys()).toEqual(["DARK_MODE_ENABLED"]);

  // What Ada learns, Bob reads; an agent that acts for him finds it, and adds to it in both their names.
  type Written = { createKnowledgeEntry: { knowledgeEntry: { id: string; version: number } } };
  const { createKnowledgeEntry } = await ask<Written>(
    ada.token,
    'mutation { createKnowledgeEntry(input: { kind: learning, title: "Hopper Ltd closes at noon", body: "On Fridays." }) { knowledgeEntry { id version } } }',
  );
  const { id, version } = createKnowledgeEntry.knowledgeEntry;
  await hears(others.knowledge, '"title":"Hopper Ltd closes at noon","version":1,"createdByName":"ada"');
  const agent = await signToken({ sub: bob.id, role: "authenticated", act: { sub: "research-agent" } }, database.jwt);
  expect(
    await ask(
      agent,
      '{ searchKnowledge(query: "hopper noon", kinds: [learning]) { matches { knowledgeEntry { id } } } }',
    ),
  ).toEqual({
    searchKnowledge: { matches: [{ knowledgeEntry: { id } }] },
  });
  await ask(
    agent,
    'mutation { createKnowledgeEntry(input: { kind: learning, title: "And on holidays", body: "Never." }) { clientMutationId } }',
  );
  await hears(
    first.knowledge,
    '"title":"And on holidays","version":1,"createdByName":"bob","createdByAgent":"research-agent"',
  );

  // Whoever edits says so; what was made from an older version is refused, and nothing is lost.
  await ask(ada.token, "mutation ($id: UUID!) { acquireEditLease(input: { entryId: $id }) { clientMutationId } }", {
    id,
  });
  await hears(others.knowledge, `"heldById":"${ada.id}"`);
  const edit =
    "mutation ($id: UUID!, $version: Int!, $body: String!) { updateKnowledgeEntry(input: { id: $id, version: $version, body: $body }) { clientMutationId } }";
  await ask(ada.token, edit, { id, version, body: "On Fridays and Mondays." });
  const { body: stale } = await server.graphql(edit, { id, version, body: "On Sundays." }, ada.token);
  expect(stale.errors?.[0]?.extensions).toMatchObject({ code: "PT409", reason: "changed_meanwhile" });

  // Bob's session is ended: so is what he is told. With a new one he catches up, and misses nothing.
  const since = { settings: cursorOf(others.settings), knowledge: cursorOf(others.knowledge) };
  const socket = await openSocket(url);
  socket.send({ type: "connection_init", payload: { authorization: `Bearer ${bob.token}` } });
  await socket.next();
  await ask(bob.token, "mutation { logout(input: {}) { clientMutationId } }");
  expect(await socket.closed).toEqual({ code: 4403, reason: "session_ended" });
  await others.settings.ended;
  await ask(
    root.token,
    'mutation { setGlobalSetting(input: { key: "PROJECTS_ENABLED", value: false }) { clientMutationId } }',
  );
  await ask(ada.token, edit, { id, version: version + 1, body: "Every day." });
  const { id: sub } = bob;
  const again = await openTab({ token: await signToken({ sub, role: "authenticated" }, database.jwt) }, since);
  expect(again.settings.told[0]?.data?.["settingsChanged"]).toMatchObject({
    mustRefetch: false,
    keys: ["PROJECTS_ENABLED"],
    effectiveSettings: [{ key: "PROJECTS_ENABLED", value: false }],
  });
  expect(again.knowledge.told[0]?.data?.["knowledgeChanged"]).toMatchObject({
    entryIds: expect.arrayContaining([id]),
    entries: expect.arrayContaining([expect.objectContaining({ id, version: version + 2 })]),
  });
  for (const { client } of [first, second, others, again]) client.dispose();
});
