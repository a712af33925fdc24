/** `npm run migrations:commit` and `migrations:recommit`: what they write, and that a failure leaves files as they were. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { commitCurrent, compileCommitted, outdated, write } from "../scripts/committed.ts";
import { MIGRATIONS_FOLDER, readMigrations } from "../src/database/migrations.ts";

const BLANK = "-- The next migration is written here.\n";
/** The first ones are enough to come after, and what is written is proved on all that there are. */
const others = (await readMigrations()).slice(0, 3);
const newest = others.at(-1);
const next = String((newest?.number ?? 0) + 1).padStart(6, "0");
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "attune-commit-test-"));
  await cp(MIGRATIONS_FOLDER, folder, { recursive: true });
  await rm(join(folder, "committed"), { recursive: true });
  for (const { file } of others) await cp(join(MIGRATIONS_FOLDER, "committed", file), join(folder, "committed", file));
  await writeFile(
    join(folder, "fixtures/one.sql"),
    "create function attune.one() returns int language sql as 'select 1';\n",
  );
});

afterEach(() => rm(folder, { recursive: true }));

const read = (file: string): Promise<string> => readFile(join(folder, file), "utf8");
const committed = (): Promise<string[]> => readdir(join(folder, "committed"));

test("commit writes the next migration with its includes, and empties current.sql", async () => {
  await writeFile(join(folder, "current.sql"), "create table attune.extra ();\n\n--!include one.sql\n");
  expect(await commitCurrent("Some Extras", folder)).toBe(`${next}-some-extras.sql`);

  expect(await read("current.sql")).toBe(BLANK);
  expect((await readMigrations(folder)).at(-1)).toMatchObject({
    file: `${next}-some-extras.sql`,
    message: "Some Extras",
    previousHash: newest?.hash,
    body: `create table attune.extra ();

--! Included one.sql
create function attune.one() returns int language sql as 'select 1';
--! EndIncluded one.sql
`,
  });
});

test("a commit that fails leaves current.sql as it was, and writes no migration", async () => {
  const source =
    "--! Message: mine\n\n  create table attune.extra ();\n--!include one.sql\nselect * from attune.nothing;";
  await writeFile(join(folder, "current.sql"), source);
  const before = await committed();
  await expect(commitCurrent("extras", folder)).rejects.toThrow(
    `Migration ${next}-extras.sql failed and was undone: relation "attune.nothing" does not exist (line`,
  );
  expect(await read("current.sql")).toBe(source);
  expect(await committed()).toEqual(before);
});

test("what was committed before an interruption is not committed twice", async () => {
  const source = "create table attune.extra ();\n";
  await writeFile(join(folder, "current.sql"), source);
  const file = await commitCurrent("extras", folder);
  await writeFile(join(folder, "current.sql"), source);
  const before = await committed();
  expect(await commitCurrent("extras", folder)).toBe(file);
  expect(await read("current.sql")).toBe(BLANK);
  expect(await committed()).toEqual(before);
});

test.for([
  ["nothing but comments", "-- nothing\n", "extras", "There is nothing to commit in migrations/current.sql."],
  ["no words for its name", "select 1;\n", "…", "Say in a few words what the migration is for"],
] as const)("%s is refused", async ([, source, message, sentence]) => {
  await writeFile(join(folder, "current.sql"), source);
  await expect(commitCurrent(message, folder)).rejects.toThrow(sentence);
  expect(await read("current.sql")).toBe(source);
});

test("recommit brings in a fixture that changed; one that fails changes no file", async () => {
  const [first = ""] = (await committed()).toSorted();
  const fixture = join(folder, "fixtures", /^--! Included (\S+)$/m.exec(await read(`committed/${first}`))?.[1] ?? "");
  const changed = `${await readFile(fixture, "utf8")}\n-- changed\n`;
  await writeFile(fixture, changed);
  const files = [...(await outdated(await compileCommitted(folder), folder)).keys()];
  expect(files).toEqual((await committed()).toSorted());
  await write(await compileCommitted(folder), folder);
  expect((await outdated(await compileCommitted(folder), folder)).size).toBe(0);

  await writeFile(fixture, `${changed}\nselect * from attune.nothing;\n`);
  const before = await read(`committed/${files[0]}`);
  await expect(compileCommitted(folder).then((texts) => write(texts, folder))).rejects.toThrow("failed and was undone");
  expect(await read(`committed/${files[0]}`)).toBe(before);
});
