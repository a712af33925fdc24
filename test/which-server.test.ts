/** A command in a second terminal: which server and which database it means, and that it makes none in silence. */
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attune, type Running, startServer } from "./support/cli.ts";
import { createTestDatabase } from "./support/harness.ts";
import { copyMade } from "./support/made.ts";

let home: string;
let served: string;
let forgotten: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "attune-which-"));
  await chmod(home, 0o755);
  served = join(home, "served");
  forgotten = join(home, "forgotten");
});

afterAll(() => rm(home, { recursive: true, force: true }));

const NEEDS_A_DATABASE = [
  ["token", "--email", "ada@example.com"],
  ["query", "select 1"],
  ["definitions", "export"],
  ["dump"],
  ["rollback", "--to", "0", "--yes"],
];

test.for(NEEDS_A_DATABASE)("%s makes no database where there is none", async (...[args]) => {
  expect(await attune(args, { ATTUNE_DATA_DIR: forgotten })).toMatchObject({
    code: 1,
    stdout: "",
    stderr: `attune: There is no database in ${forgotten}: \`npm start\` makes one. Set ATTUNE_DATA_DIR if it is in another folder.\n`,
  });
  await expect(stat(forgotten)).rejects.toThrow("ENOENT");
});

test("nor a schema, on a server of one's own", async () => {
  const database = await createTestDatabase();
  const url = new URL(database.ownerUrl);
  const environment = { JWT_SECRET: "a secret for tests, long enough to be one" };
  const token = ["token", "--email", "ada@example.com"];
  url.pathname = "/which_server";
  expect((await attune(token, { ...environment, DATABASE_URL: url.href })).stderr).toBe(
    `attune: There is no database which_server at ${url.host}: \`attune migrate\` creates it.\n`,
  );
  await database.query("create database which_server");
  expect((await attune(token, { ...environment, DATABASE_URL: url.href })).stderr).toBe(
    `attune: There is no Attune in the database which_server at ${url.host}: \`attune migrate\` makes it.\n`,
  );
  await database.query("drop database which_server");
  await database.close();
});

describe("while a server runs", () => {
  let server: Running & { address: string };
  let sentence: string;

  beforeAll(async () => {
    await copyMade(served);
    server = await startServer({ ATTUNE_DATA_DIR: served });
    sentence = ` A server runs at ${server.address}, on the database in ${served}: set ATTUNE_DATA_DIR=${served} to mean that one.\n`;
  });

  afterAll(async () => {
    server.kill("SIGTERM");
    await server.finished;
  });

  test("a command that forgot ATTUNE_DATA_DIR is told of it", async () => {
    const environment = { ATTUNE_DATA_DIR: forgotten };
    expect((await attune(["token", "--email", "ada@example.com"], environment)).stderr).toBe(
      `attune: There is no database in ${forgotten}: \`npm start\` makes one.${sentence}`,
    );
    expect((await attune(["url"], environment)).stderr).toBe(
      `attune: The embedded PostgreSQL in ${forgotten} is not running: \`npm start\` starts it.${sentence}`,
    );
    expect((await attune(["status"], environment)).stdout).toBe(
      `There is no database in ${forgotten} yet: \`npm start\` makes one.${sentence}`,
    );
  });

  test("one that means it says nothing of it", async () => {
    expect(await attune(["token", "--email", "ada@example.com"], { ATTUNE_DATA_DIR: served })).toMatchObject({
      code: 0,
      stderr: "",
    });
  });

  test("a second database is made aloud, and a command that starts one by itself says so", async () => {
    const environment = { ATTUNE_DATA_DIR: join(home, "second") };
    expect(await attune(["migrate"], environment)).toMatchObject({
      code: 0,
      stderr: `attune: Makes a new database in ${environment.ATTUNE_DATA_DIR}.${sentence}`,
    });
    expect(await attune(["token", "--email", "ada@example.com"], environment)).toMatchObject({
      code: 0,
      stderr: `attune: Starts the database in ${environment.ATTUNE_DATA_DIR} for this command, as no server uses it now.${sentence}`,
    });
    const third = await startServer({ ATTUNE_DATA_DIR: join(home, "third") });
    expect(third.output().stderr).toBe(`attune: Makes a new database in ${join(home, "third")}.${sentence}`);
    third.kill("SIGTERM");
    await third.finished;
  });

  test("a second server on its port is told whose it is", async () => {
    const { port } = new URL(server.address);
    expect(await attune(["start"], { ATTUNE_DATA_DIR: forgotten, PORT: port })).toMatchObject({
      code: 1,
      stderr: `attune: Port ${port} of 127.0.0.1 is taken by another Attune, on the database in ${served}: stop that one, or set PORT to another.\n`,
    });
    await expect(stat(forgotten)).rejects.toThrow("ENOENT");
  });
});

test("a server that was killed is not spoken of, nor a program that took its port", async () => {
  const database = await createTestDatabase();
  const server = await startServer({
    DATABASE_URL: database.ownerUrl,
    JWT_SECRET: database.jwt.secret,
  });
  const token = () => attune(["token", "--email", "ada@example.com"], { ATTUNE_DATA_DIR: forgotten });
  expect((await token()).stderr).toContain(
    `A server runs at ${server.address}, on the database ${database.name} at ${new URL(database.ownerUrl).host}: set DATABASE_URL to mean that one.`,
  );
  server.kill("SIGKILL");
  await server.finished;
  const other = createServer((socket) => socket.end());
  await new Promise<void>((listening) => other.listen(Number(new URL(server.address).port), "127.0.0.1", listening));
  expect((await token()).stderr).not.toContain("A server runs");
  other.close();
  await database.close();
});
