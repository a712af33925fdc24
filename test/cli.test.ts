/** The commands beside `start`: what they print, what they refuse, and that they leave no server running. */
import { execFile, spawn } from "node:child_process";
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { connect, withClient } from "../src/database/client.ts";
import { migrate } from "../src/database/migrate.ts";
import { MIGRATIONS_FOLDER, readMigrations } from "../src/database/migrations.ts";
import { schemaScript } from "../src/database/schema-script.ts";
import { clusterState } from "../src/embedded/cluster.ts";
import { createVerifier } from "../src/sign-in/jwt.ts";
import { readCatalogue } from "./support/catalogue.ts";
import { attune, type Environment, launch } from "./support/cli.ts";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

const JWT_SECRET = "a secret for tests, long enough to be one";
const newest = (await readMigrations()).at(-1);
/** util-linux's `script` plays the terminal. */
const hasTerminal = await promisify(execFile)("script", ["--version"]).then(
  ({ stdout }) => stdout.includes("util-linux"),
  () => false,
);

let database: TestDatabase;
let environment: Environment;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "attune-cli-"));
  await chmod(home, 0o755);
  database = await createTestDatabase();
  environment = { DATABASE_URL: database.ownerUrl, JWT_SECRET };
});

afterAll(async () => {
  await database.close();
  await rm(home, { recursive: true, force: true });
});

describe("help", () => {
  const commands = [
    "start",
    "migrate",
    "rollback",
    "status",
    "token",
    "url",
    "query",
    "test",
    "sql",
    "definitions",
    "dump",
    "restore",
    "upgrade",
  ];

  test("names every command, and the environment", async () => {
    const { code, stdout } = await attune(["--help"]);
    expect(code).toBe(0);
    for (const name of [...commands, "DATABASE_URL", "ATTUNE_DATA_DIR"]) expect(stdout).toContain(name);
  });

  test.for(commands)("of %s", async (command) => {
    expect(await attune([command, "--help"])).toMatchObject({
      code: 0,
      stderr: "",
      stdout: expect.stringContaining(`Usage: attune ${command}`),
    });
  });

  test.for([
    [["strat"], "attune: unknown command 'strat' (Did you mean start?).\n"],
    [["migrate", "--now"], "attune: unknown option '--now'.\n"],
    [["rollback"], "attune: required option '--to <number>' not specified.\n"],
    [
      ["rollback", "--to", "one"],
      "attune: option '--to <number>' argument 'one' is invalid. It must be the number of a migration, or 0.\n",
    ],
    [
      ["token", "--email", "nobody"],
      "attune: option '--email <address>' argument 'nobody' is invalid. It must look like you@example.com.\n",
    ],
    [["definitions", "apply"], "attune: missing required argument 'file'.\n"],
  ] as const)("for %j is one sentence", async ([args, sentence]) => {
    expect(await attune([...args])).toMatchObject({ code: 1, stdout: "", stderr: sentence });
  });
});

test.for([
  ["status"],
  ["url", "--owner"],
  ["query", "select 1/0"],
  ["definitions", "export"],
  ["migrate"],
  ["rollback", "--to", "999", "--yes"],
])("%j in a process of its own, which ends by itself, says what the tests are told", async (args) => {
  expect(await launch(args, environment).finished).toEqual(await attune(args, environment));
});

describe("token", () => {
  const verify = createVerifier({ secret: JWT_SECRET });

  test("prints the token of a user, made when missing, and nothing else", async () => {
    const { code, stdout, stderr } = await attune(
      ["token", "--email", "Ada@Example.com", "--expires", "2h"],
      environment,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const claims = await verify(stdout.trimEnd());
    const [user] = await database.query<{ id: string; is_admin: boolean }>(
      "select id, is_admin from attune.users where email = 'ada@example.com'",
    );
    expect(claims).toMatchObject({ sub: user?.id, role: "authenticated", aud: "authenticated", iss: "attune" });
    expect(claims.exp - Number(claims["iat"])).toBe(2 * 60 * 60);
    expect(user?.is_admin).toBe(false);
  });

  test("--admin makes an administrator, and the next token without it leaves them one", async () => {
    for (const flags of [["--admin"], []]) {
      expect((await attune(["token", "--email", "root@example.com", ...flags], environment)).code).toBe(0);
      expect(await database.query("select is_admin from attune.users where email = 'root@example.com'")).toEqual([
        { is_admin: true },
      ]);
    }
  });

  test("--role service_role needs nobody", async () => {
    const { stdout } = await attune(["token", "--role", "service_role"], environment);
    const claims = await verify(stdout.trimEnd());
    expect(claims.role).toBe("service_role");
    expect(claims.sub).toBeUndefined();
  });

  test("--agent names who acts for the user, and needs one", async () => {
    const { stdout } = await attune(["token", "--email", "ada@example.com", "--agent", "research-agent"], environment);
    expect((await verify(stdout.trimEnd()))["act"]).toEqual({ sub: "research-agent" });
    const nobodys = ["token", "--role", "service_role", "--agent", "research-agent"];
    expect(await attune(nobodys, environment)).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "attune: --agent acts for a user, so name one with --email.\n",
    });
  });

  test("is refused without an address", async () => {
    expect(await attune(["token"], environment)).toMatchObject({
      code: 1,
      stdout: "",
      stderr: "attune: Say whose token it is with --email.\n",
    });
  });

  test("is refused where tokens come from an identity provider only", async () => {
    const provider = { JWT_ISSUER: "https://id.example.com", JWT_JWKS_URL: "https://id.example.com/keys" };
    const { code, stderr } = await attune(["token", "--email", "a@example.com"], {
      DATABASE_URL: database.ownerUrl,
      ...provider,
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^attune: Tokens come from the identity provider in JWT_ISSUER alone/);
    expect((await attune(["token", "--email", "a@example.com"], { ...environment, ...provider })).code).toBe(0);
  });

  test("is refused without a secret on a server of one's own", async () => {
    const { stderr } = await attune(["token", "--email", "a@example.com"], { DATABASE_URL: database.ownerUrl });
    expect(stderr).toMatch(/^attune: JWT_SECRET is required with DATABASE_URL/);
  });
});

describe("url", () => {
  test("--owner prints DATABASE_URL", async () => {
    expect(await attune(["url", "--owner"], environment)).toMatchObject({
      code: 0,
      stderr: "",
      stdout: `${database.ownerUrl}\n`,
    });
  });

  test("without it, the authenticator's: AUTHENTICATOR_URL where it is set", async () => {
    const { stdout } = await attune(["url"], environment);
    expect(new URL(stdout.trim()).username).toBe("authenticator");
    expect(await attune(["url"], { ...environment, AUTHENTICATOR_URL: "postgres://me@host/db" })).toMatchObject({
      stdout: "postgres://me@host/db\n",
    });
  });

  test("is refused while the embedded PostgreSQL does not run", async () => {
    const { code, stderr } = await attune(["url"], { ATTUNE_DATA_DIR: join(home, "none") });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `attune: The embedded PostgreSQL in ${join(home, "none")} is not running: \`npm start\` starts it.\n`,
    });
  });
});

describe("status", () => {
  test("says which database, and which migrations it has", async () => {
    const { stdout } = await attune(["status"], environment);
    expect(stdout).toMatch(new RegExp(`^Database +${database.name} at 127\\.0\\.0\\.1:\\d+\n`));
    expect(stdout).toContain(newest?.file);
  });

  test("--json, on the embedded PostgreSQL: nothing, then what `migrate` made; no server stays", async () => {
    const ATTUNE_DATA_DIR = join(home, "data");
    const json = async (): Promise<unknown> =>
      JSON.parse((await attune(["status", "--json"], { ATTUNE_DATA_DIR })).stdout);
    expect(await json()).toEqual({ database: null, migrations: { applied: [], pending: [] } });
    expect((await attune(["migrate"], { ATTUNE_DATA_DIR })).stdout).toContain(newest?.file);
    expect(await json()).toMatchObject({
      database: { kind: "embedded", at: ATTUNE_DATA_DIR, running: false },
      migrations: { pending: [] },
    });
    expect((await attune(["migrate"], { ATTUNE_DATA_DIR })).stdout).toBe(`Up to date at ${newest?.file}.\n`);
    expect(await clusterState(ATTUNE_DATA_DIR)).toEqual({ state: "stopped" });
  });

  test("changes nothing in a database without Attune", async () => {
    await database.query("create database bare_status");
    const bare = new URL(database.ownerUrl);
    bare.pathname = "/bare_status";
    expect((await attune(["status"], { DATABASE_URL: bare.href })).stdout).toContain(
      `0 applied, ${newest?.number} pending`,
    );
    await withClient(bare.href, async (client) => {
      expect(
        (await client.query("select from pg_namespace where nspname in ('attune', 'graphile_migrate')")).rowCount,
      ).toBe(0);
    });
    await database.query("drop database bare_status");
  });
});

describe("sql", () => {
  test("prints a script that makes the same on an empty database as the migrations do", async () => {
    const { stdout: script, stderr } = await attune(["sql"]);
    expect(stderr).toBe("");
    expect(script).toBe(await schemaScript());
    expect(script).not.toMatch(/^--!/m);

    await database.query("create database by_script");
    const url = new URL(database.ownerUrl);
    url.pathname = "/by_script";
    const [made, migrated] = [await connect(url.href), await connect(database.ownerUrl)];
    try {
      await made.query(script);
      expect(await readCatalogue(made)).toEqual(await readCatalogue(migrated));
    } finally {
      await Promise.all([made.end(), migrated.end()]);
      await database.query("drop database by_script");
    }
  });
});

describe("migrate", () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(home, "migrations-"));
    await cp(MIGRATIONS_FOLDER, folder, { recursive: true });
  });

  test("names a migration that fails, with its line, and leaves the database as it was", async () => {
    const { calculateHash } = await import("graphile-migrate/dist/hash.js");
    const body = "create table attune.fine (id uuid primary key);\n\nselect * from attune.no_such_table;\n";
    const file = `${String((newest?.number ?? 0) + 1).padStart(6, "0")}-broken.sql`;
    const headers = [
      `--! Previous: ${newest?.hash}`,
      `--! Hash: ${calculateHash(body, newest?.hash ?? null)}`,
      "--! Message: broken",
    ];
    await writeFile(join(folder, "committed", file), `${headers.join("\n")}\n\n${body}`);
    await expect(migrate(database.ownerUrl, folder)).rejects.toThrow(
      `Migration ${file} failed and was undone: relation "attune.no_such_table" does not exist (line 7).`,
    );
    expect(await database.query("select to_regclass('attune.fine') as fine")).toEqual([{ fine: null }]);
  });

  test("refuses a committed migration that was changed by hand", async () => {
    const file = join(folder, "committed", newest?.file ?? "");
    await writeFile(file, `${await readFile(file, "utf8")}\nselect 1;\n`);
    await expect(migrate(database.ownerUrl, folder)).rejects.toThrow(
      `The committed migration ${newest?.file} was changed by hand`,
    );
  });
});

describe("rollback", () => {
  test("says what it loses, and does nothing without a terminal to ask at or --yes", async () => {
    const { code, stdout, stderr } = await attune(["rollback", "--to", "0"], environment);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "attune: Nothing was rolled back: there is no terminal to ask at, so add --yes if you mean it.\n",
    });
    expect(stdout).toMatch(/^Takes back, newest first:\n {2}0000/);
    expect(stdout).toMatch(/table attune\.users +\d+ rows\n/);
    expect(await database.query("select to_regclass('attune.users') is null as gone")).toEqual([{ gone: false }]);
  });

  test("--yes does it, and migrate comes back", async () => {
    const other = await createTestDatabase();
    const { stdout } = await attune(["rollback", "--to", "1", "--yes"], { DATABASE_URL: other.ownerUrl });
    expect(stdout).toMatch(/\nRolled back to migration 1\.\n$/);
    expect(await other.query("select to_regclass('attune.users') is null as gone")).toEqual([{ gone: true }]);
    expect((await attune(["migrate"], { DATABASE_URL: other.ownerUrl })).stdout).toMatch(/migrations applied\.\n$/);
    await other.close();
  });

  test("a number that there is not is refused", async () => {
    expect((await attune(["rollback", "--to", "999", "--yes"], environment)).stderr).toBe(
      `attune: There is no migration 999 to roll back to: the database is at ${newest?.number}, and 0 removes everything.\n`,
    );
  });

  test.runIf(hasTerminal).for([
    ["n", false],
    ["y", true],
  ] as const)("at a terminal it asks, and %s is an answer", async ([answer, gone]) => {
    const other = await createTestDatabase();
    const command = [process.execPath, join(import.meta.dirname, "../src/cli.ts"), "rollback", "--to", "1"].join(" ");
    const terminal = spawn("script", ["-qec", command, "/dev/null"], {
      env: { PATH: process.env["PATH"], DATABASE_URL: other.ownerUrl },
      stdio: ["pipe", "pipe", "inherit"],
    });
    terminal.stdout.on("data", (chunk: Buffer) => {
      if (chunk.includes("[y/N]")) terminal.stdin.write(`${answer}\n`);
    });
    expect(await text(terminal.stdout)).toContain(gone ? "Rolled back to migration 1." : "Nothing was rolled back.");
    expect(await other.query("select to_regclass('attune.users') is null as gone")).toEqual([{ gone }]);
    await other.close();
  });
});

describe("definitions", () => {
  const document = (properties: object): object => ({
    $id: "cli-test",
    "x-attune": { category: "editor" },
    properties,
  });
  const tabSize = { type: "integer", default: 4, description: "Columns of a tab." };
  const file = async (content: unknown): Promise<string> => {
    const path = join(await mkdtemp(join(home, "definitions-")), "settings.json");
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };
  const apply = async (content: unknown, ...flags: string[]) =>
    attune(["definitions", "apply", await file(content), ...flags], environment);
  const keys = (): Promise<{ key: string }[]> =>
    database.query("select key from attune.setting_definitions where source = 'cli-test' order by 1");

  test("apply prints what it adds, changes and removes, and does it; --dry-run only prints", async () => {
    const first = document({
      "editor.tabSize": tabSize,
      "editor.rulers": { type: "array", default: [], description: "Columns with a line." },
    });
    const dry = await apply(first, "--dry-run");
    expect(dry).toMatchObject({ code: 0, stderr: "" });
    expect(dry.stdout).toBe(
      "+ editor.rulers\n+ editor.tabSize\n2 added, 0 changed, 0 removed, 0 unchanged.\nNothing was done: this was a dry run.\n",
    );
    expect(await keys()).toEqual([]);

    expect((await apply(first)).stdout).toBe(
      "+ editor.rulers\n+ editor.tabSize\n2 added, 0 changed, 0 removed, 0 unchanged.\n",
    );
    expect((await apply(first)).stdout).toBe("0 added, 0 changed, 0 removed, 2 unchanged.\n");

    const second = await apply(document({ "editor.tabSize": { ...tabSize, default: 2 } }));
    expect(second.stdout).toContain("- editor.rulers\n");
    expect(second.stdout).toMatch(/~ editor\.tabSize +.*default_value 4 -> 2/);
    expect(second.stdout).toContain("0 added, 1 changed, 1 removed, 0 unchanged.\n");
    expect(await keys()).toEqual([{ key: "editor.tabSize" }]);
  });

  test("what would break stored values is refused with the count, unless told to discard them", async () => {
    await apply(document({ "editor.tabSize": tabSize }));
    const user = await database.createUser("tabs@example.com");
    await database.as(user, (client) => client.query("select attune.set_preference('editor.tabSize', '8')"));

    const refused = await apply(document({ "editor.tabSize": { ...tabSize, maximum: 4 } }));
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^attune: Nothing was done, .*: editor\.tabSize \(1\); .*--stored discard to delete them\.\n$/,
      ),
    });
    expect(refused.stdout).toContain("1 stored value no longer allowed");
    expect(await database.query("select value from attune.user_preferences where key = 'editor.tabSize'")).toEqual([
      { value: 8 },
    ]);

    expect((await apply(document({ "editor.tabSize": { ...tabSize, maximum: 4 } }), "--stored", "discard")).code).toBe(
      0,
    );
    expect(await database.query("select value from attune.user_preferences where key = 'editor.tabSize'")).toEqual([]);
  });

  test("export prints the document again, and applying it changes nothing", async () => {
    const { stdout } = await attune(["definitions", "export", "--source", "cli-test"], environment);
    expect((await apply(stdout)).stdout).toBe("0 added, 0 changed, 0 removed, 1 unchanged.\n");
    const missing = await attune(["definitions", "export", "--source", "nobody"], environment);
    expect(missing).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(
        /^attune: There are no definitions of the source nobody; the sources are .*cli-test/,
      ),
    });
  });

  test("an editor extension's package.json is read for what it contributes", async () => {
    const properties = { "demo.on": { type: "boolean", default: true, description: "Whether it is on." } };
    const { stdout } = await apply({
      name: "demo",
      publisher: "acme",
      contributes: { configuration: [{ title: "Demo", properties }] },
    });
    expect(stdout).toBe("+ demo.on\n1 added, 0 changed, 0 removed, 0 unchanged.\n");
    expect(await database.query("select source from attune.setting_definitions where key = 'demo.on'")).toEqual([
      { source: "acme.demo" },
    ]);
  });

  test("--skip-invalid does the rest and says what it left; a file may begin with a BOM and have no name", async () => {
    const mixed = JSON.stringify({
      properties: {
        $schema: { type: "string" },
        "mixed.bad": { minLenght: 1 },
        "mixed.good": { type: "string", pattern: "^[^\0]*$", note: "N" },
      },
    });
    const refused = await apply(`\uFEFF${mixed}`, "--source", "mixed");
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/\/properties\/mixed\.bad: .*minLength/) });

    expect((await apply(`\uFEFF${mixed}`, "--skip-invalid")).stdout).toBe(
      [
        "! $schema     skipped: no setting",
        '! mixed.bad   skipped: keyword "minLenght" is unknown: is "minLength" meant?',
        "+ mixed.good",
        'warning: /properties/mixed.good: keyword "note" is unknown and decides nothing',
        "1 added, 0 changed, 0 removed, 0 unchanged, 2 skipped.\n",
      ].join("\n"),
    );
    expect(await database.query("select source from attune.setting_definitions where key like 'mixed.%'")).toEqual([
      { source: "settings" },
    ]);
    expect((await apply(`\uFEFF${mixed}`, "--skip-invalid")).stdout).toContain(
      "0 added, 0 changed, 0 removed, 1 unchanged",
    );
  });

  test.for([
    ["not JSON", "{", /^attune: \S+settings\.json is not JSON: .*\n$/],
    ["no object", "[]", /^attune: \S+settings\.json must hold a JSON object whose properties are the settings\.\n$/],
    [
      "a keyword that is not supported",
      document({ "editor.odd": { ...tabSize, $ref: "#/x" } }),
      /^attune: [^\n]*\$ref[^\n]*\n$/,
    ],
  ] as const)("%s is refused in one sentence", async ([, content, sentence]) => {
    expect(await apply(content)).toMatchObject({ code: 1, stderr: expect.stringMatching(sentence) });
  });

  test("a file that there is not is refused", async () => {
    expect((await attune(["definitions", "apply", "/no/such.json"], environment)).stderr).toBe(
      "attune: There is no file /no/such.json.\n",
    );
  });
});
