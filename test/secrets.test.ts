/** What looks like a secret in a setting: nothing in public settings does, and every form of secret that is known does. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";
import { GITLEAKS_FORMATS, OTHER_FORMATS } from "./support/secret-formats.ts";
import { SETTINGS_DOCUMENTS } from "./support/settings-documents.ts";

const FORMATS = { ...GITLEAKS_FORMATS, ...OTHER_FORMATS };

/** Those that have their mark in the middle, or could be a hash, are known where they stand alone. */
const KNOWN_ALONE = [
  "azure-ad-client-secret",
  "mailchimp-api-key",
  "mailgun-private-api-token",
  "telegram-bot-api-token",
  "twilio-api-key",
];

/** What begins or goes on as a secret does, and is none. */
const ORDINARY = [
  "xoxo-hugs-and-kisses-to-everyone",
  "secret_santaswishlistforall",
  "sk-admin-dashboard-container",
  "cache key-0123456789abcdef0123456789abcdef",
  "the sku SK0123456789abcdef0123456789abcdef",
  "data:image/png;base64,/EAAAAAAAAAAAAAAAAAAAA",
  "data:font/woff;base64,/EAAAAAAAAAAAAAAAAA8a2AAAAA",
  "?password=required",
  "https://example.com/?token=optional&page=2",
  "https://example.com/?signature=left",
  "https://registry.example.com:443/@scope/package",
  "Basic subscription, horizontal layout",
  "Basic Ozonetherapy",
];

/** Names of members that have nothing but secrets, in all the ways they are written. */
const SECRET_NAMES = [
  ["password"],
  ["passwd"],
  ["passphrase"],
  ["token"],
  ["secret"],
  ["api", "key"],
  ["client", "secret"],
  ["access", "token"],
  ["refresh", "token"],
  ["private", "key"],
  ["signing", "key"],
  ["smtp", "password"],
  ["db", "pass"],
  ["webhook", "secret"],
  ["bot", "token"],
  ["encryption", "key"],
];

/** What stands in a document instead of a secret. */
const PLACEHOLDERS = [
  "",
  "***",
  "••••••••",
  "xxxxxxxx",
  "changeme",
  "CHANGE_ME",
  "change-it",
  "<your token>",
  "[redacted]",
  "${TOKEN}",
  "$TOKEN",
  "{{ token }}",
  "#{token}",
  "%TOKEN%",
  "env:TOKEN",
  "vault:kv/app",
  "op://vault/item/field",
  "/run/secrets/key",
  "./key.pem",
  "none",
  "required",
  "Your password",
  "API token",
  "your-api-key",
  "EXAMPLE",
  "mysql-password",
  "API_TOKEN",
];

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await database.close();
});

/** Where there are secrets in values, by a name for each value; those without any are left out. */
async function secretsIn(values: Record<string, unknown>, byName = true): Promise<Record<string, string[]>> {
  const rows = await database.query<{ name: string; paths: string[] }>(
    `select e.key as name, array(select attune_hidden.secret_paths(e.value, '', $2) order by 1) as paths
     from jsonb_each($1) as e`,
    [JSON.stringify(values), byName],
  );
  return Object.fromEntries(rows.filter(({ paths }) => paths.length > 0).map(({ name, paths }) => [name, paths]));
}

test("public settings have none", async () => {
  expect(await secretsIn(SETTINGS_DOCUMENTS)).toEqual({});
});

test("a secret that is put anywhere in them is found, there and nowhere else", async () => {
  const places = Object.keys(SETTINGS_DOCUMENTS);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...places),
      fc.constantFrom(...Object.values(FORMATS)).chain((format) => fc.stringMatching(format)),
      fc.array(fc.constantFrom("a", "note", "x/y", "~"), { minLength: 1, maxLength: 3 }),
      async (place, secret, path) => {
        const inside = path.reduceRight<unknown>((value, name) => ({ [name]: value }), secret);
        const pointer = ["", "added", ...path.map((name) => name.replaceAll("~", "~0").replaceAll("/", "~1"))].join(
          "/",
        );
        const document = { ...SETTINGS_DOCUMENTS[place], added: inside };
        expect(await secretsIn({ document }, false)).toEqual({ document: [pointer] });
      },
    ),
  );
});

test.each([
  { where: "by itself", around: (secret: string): unknown => secret, missed: [] },
  { where: "in a list", around: (secret: string): unknown => ["", secret], missed: [] },
  { where: "in quotes", around: (secret: string): unknown => `"${secret}"`, missed: [] },
  { where: "in a sentence", around: (secret: string): unknown => `Use ${secret} there.`, missed: KNOWN_ALONE },
])("every form is known $where", async ({ around, missed }) => {
  const samples = Object.entries(FORMATS).map(
    ([name, format]) => [name, fc.sample(fc.stringMatching(format), { numRuns: 5, seed: 1 }).map(around)] as const,
  );
  const secrets = await secretsIn(
    Object.fromEntries(samples.flatMap(([name, all]) => all.map((value, place) => [`${name} ${place}`, value]))),
    false,
  );
  const found = samples.filter(([name, all]) => all.every((_, place) => secrets[`${name} ${place}`] !== undefined));
  expect(samples.map(([name]) => name).filter((name) => !found.some(([known]) => known === name))).toEqual(missed);
});

test("every form is known in any text, as it is and in JSON", async () => {
  const text = fc.string({ unit: "grapheme" }).map((value) => value.replaceAll("\0", ""));
  const beside = fc.constantFrom(" ", "\n", '"', "\\", "\u0001", "(", ",", "\u00e9");
  const formats = Object.entries(FORMATS).filter(([name]) => !KNOWN_ALONE.includes(name));
  await fc.assert(
    fc.asyncProperty(
      fc.tuple(text, beside, beside, text),
      fc.tuple(...formats.map(([, format]) => fc.stringMatching(format))),
      async ([before, left, right, after], secrets) => {
        const missed = await database.query(
          `select s.text
           from unnest($1::text[]) as s (text)
           where attune_hidden.secret_form(s.text) is null
             or attune_hidden.secret_form(jsonb_build_object('note', s.text)::text) is null`,
          [secrets.map((secret) => before + left + secret + right + after)],
        );
        expect(missed).toEqual([]);
      },
    ),
    { numRuns: 30, endOnFailure: true },
  );
});

test("a header of authorization is known whoever it is of", async () => {
  const name = fc.stringMatching(/^[A-Za-z0-9._-]{3,20}$/);
  const password = fc.stringMatching(/^[a-z]{3,9}[A-Z0-9!]{3,9}$/);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, password), { minLength: 20, maxLength: 20 }), async (users) => {
      const headers = users.map((user) => `Basic ${Buffer.from(user.join(":")).toString("base64")}`);
      const missed = await database.query(
        "select h.text from unnest($1::text[]) as h (text) where attune_hidden.secret_form(h.text) is null",
        [[...headers, ...headers.map((header) => header.replace(/=+$/, ""))]],
      );
      expect(missed).toEqual([]);
    }),
    { numRuns: 20, endOnFailure: true },
  );
});

test("ordinary values that have something of a secret are none", async () => {
  expect(await secretsIn(Object.fromEntries(ORDINARY.map((value) => [value, value])), false)).toEqual({});
});

test("what is called as only a secret is one, unless it is a placeholder", async () => {
  const word = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
  const spellings: ((words: string[]) => string)[] = [
    (words) => words.join("_"),
    (words) => words.join("-"),
    (words) => words.join("_").toUpperCase(),
    (words) => ["my", "app", ...words].join("."),
    ([first = "", ...others]) => first + others.map(word).join(""),
    (words) => words.map(word).join(""),
    (words) => ["mail", ...words].map((text, place) => (place === 0 ? text : word(text))).join(""),
  ];
  const compound = SECRET_NAMES.filter((words) => words.join() !== "token");
  const names = [...new Set(compound.flatMap((words) => spellings.map((spell) => spell(words))))];
  const members = (value: string): Record<string, string> => Object.fromEntries(names.map((name) => [name, value]));
  const pairs = (value: string): object[] =>
    names.flatMap((name) => [
      { name, value },
      { key: name, value },
    ]);
  await fc.assert(
    fc.asyncProperty(fc.stringMatching(/^[a-z]{3,8}[0-9!#]{1,4}$/), async (value) => {
      expect(await secretsIn({ members: members(value), pairs: pairs(value) })).toEqual({
        members: names.map((name) => `/${name}`).toSorted(),
        pairs: names.flatMap((_, place) => [`/${2 * place}/value`, `/${2 * place + 1}/value`]).toSorted(),
      });
    }),
    { numRuns: 20 },
  );
  expect(await secretsIn({ token: { token: "swordfish" } })).toEqual({ token: ["/token"] });
  expect(await secretsIn(Object.fromEntries(PLACEHOLDERS.map((value) => [value, members(value)])))).toEqual({});
});

test("every setting refuses the forms, the names only where its schema says so, and none where it says that", async () => {
  const user = await database.createUser("ada@example.com");
  await database.query(`
    insert into attune.setting_definitions (key, category, layer, schema, default_value) values
      ('plain', 'test', 'user', '{}', 'null'), ('strict', 'test', 'user', '{"x-no-secrets": true}', 'null'),
      ('open', 'test', 'user', '{"x-no-secrets": false}', 'null'),
      ('SMTP_PASSWORD', 'test', 'user', '{"x-no-secrets": true}', 'null')`);
  const [token = ""] = fc.sample(fc.stringMatching(GITLEAKS_FORMATS["github-pat"] ?? /^$/), { numRuns: 1, seed: 1 });
  const refused = async (key: string, value: unknown): Promise<string> =>
    database
      .as(user, (client) => client.query("select attune.set_preference($1, $2)", [key, JSON.stringify(value)]))
      .then(() => "stored")
      .catch((error: unknown) => (error instanceof Error && "detail" in error ? String(error.detail) : String(error)));
  const outcomes: string[][] = [];
  for (const value of [{ note: token }, { password: "swordfish" }, "swordfish"]) {
    const row = [];
    for (const key of ["plain", "strict", "open", "SMTP_PASSWORD"]) row.push(await refused(key, value));
    outcomes.push(row);
  }
  expect(outcomes).toEqual([
    ["secret_in_setting", "secret_in_setting", "stored", "secret_in_setting"],
    ["stored", "secret_in_setting", "stored", "secret_in_setting"],
    ["stored", "stored", "stored", "secret_in_setting"],
  ]);
});
