/** Runs what a document shows: its blocks of GraphQL, SQL and commands, against a server of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { attune, type Finished, startServer } from "./cli.ts";
import { copyMade } from "./made.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** Where the documents say that the server is. */
const ADDRESS = "http://127.0.0.1:5678";

export type Block = { line: number; language: string; info: string; text: string };

/** Something to do, and what the document says comes of it. Files only have to be there. */
export type Step = { title: string; block: Block; variables?: Block | undefined; expected: Block | undefined };

export type Session = {
  address: string;
  /** Does one step; what came of it and what was expected, in the same form. */
  run: (step: Step) => Promise<{ actual: unknown; expected: unknown }>;
  close: () => Promise<void>;
};

/** The fenced blocks of a document, those of lists included. */
export function readBlocks(document: string): Block[] {
  const text = readFileSync(resolve(ROOT, document), "utf8");
  return Array.from(
    text.matchAll(/^```(\w+)(?: ([^\n]+))?\n([^]*?)^```$/gm),
    ({ index, 1: language = "", 2: info = "", 3: body = "" }) => ({
      line: text.slice(0, index).split("\n").length,
      language,
      info,
      text: body,
    }),
  );
}

/**
 * What can be run. `graphql` (its first line says who asks) is followed by its variables, as `json variables`, where it
 * has some, and by its answer as `json`; `sql` by what psql prints as `text`; `console` holds commands after `$` with
 * their output; a block with a file's name makes that file. Whatever says `plain` is only shown.
 */
export function readSteps(document: string): Step[] {
  const blocks = readBlocks(document);
  return blocks.flatMap((block, index): Step[] => {
    const title = `${block.language} in line ${block.line}`;
    const next = blocks[index + 1];
    if (block.language === "graphql") {
      const variables = next?.info === "variables" ? next : undefined;
      const answer = variables === undefined ? next : blocks[index + 2];
      return [
        { title, block, variables, expected: answer?.language === "json" && answer.info === "" ? answer : undefined },
      ];
    }
    if (block.language === "sql" && block.info === "")
      return [{ title, block, expected: next?.language === "text" ? next : undefined }];
    return block.language === "console" || /\.\w+$/.test(block.info) ? [{ title, block, expected: undefined }] : [];
  });
}

export type Request = {
  who: string;
  token: string | undefined;
  query: string;
  variables: Record<string, unknown>;
  /** Whether the document shows errors. */
  isRefused: boolean;
};
/** Sends a request of a document to the server there, and gives its answer. */
export type Client = (address: string, request: Request) => Promise<unknown>;

/** As it is shown. */
export async function send(address: string, { token, query, variables }: Request): Promise<unknown> {
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token !== undefined && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  return response.json();
}

/** Starts a server on a new embedded PostgreSQL, as the documents' reader does; the answers are what `client` makes of them. */
export async function openSession(client: Client = send): Promise<Session> {
  const home = await mkdtemp(join(tmpdir(), "attune-document-"));
  // PostgreSQL runs as another user where this is root.
  await chmod(home, 0o755);
  await copyMade(join(home, ".attune"));
  const server = await startServer({ ATTUNE_DATA_DIR: join(home, ".attune"), MAINTENANCE: "true" });
  const tokens = new Map<string, string>();
  /** The ids and times that this server gave, by those that the document shows in their place. */
  const ids = new Map<string, string>();
  const real = (text: string): string => text.replaceAll(SHOWN, (id) => ids.get(id) ?? id);

  const finish = (args: string[], dataDir = ".attune"): Promise<Finished> =>
    attune(args, { ATTUNE_DATA_DIR: join(home, dataDir) });

  const command = async (args: string[], dataDir?: string): Promise<string> => {
    const { code, stdout, stderr } = await finish(args, dataDir);
    return code === 0 ? stdout : `${stdout}${stderr}`;
  };

  const tokenOf = async (who: string): Promise<string | undefined> => {
    if (who.includes("without a token")) return undefined;
    const email = /\S+@\S+\.\w+/.exec(who)?.[0];
    const agent = /the agent (\S+)/.exec(who)?.[1];
    const args = [
      ...(email === undefined ? [] : ["--email", email]),
      ...(who.includes("administrator") ? ["--admin"] : []),
      ...(who.includes("service_role") ? ["--role", "service_role"] : []),
      ...(agent === undefined ? [] : ["--agent", agent]),
    ];
    const token = tokens.get(who) ?? (await command(["token", ...args])).trim();
    tokens.set(who, token);
    return token;
  };

  const graphql = async ({ block, variables, expected }: Step): Promise<unknown> => {
    const who = /^# (.*)$/m.exec(block.text)?.[1] ?? "";
    const token = await tokenOf(who);
    const query = real(block.text);
    const isRefused = expected !== undefined && "errors" in JSON.parse(expected.text);
    return client(server.address, {
      who,
      token,
      query,
      variables: JSON.parse(real(variables?.text ?? "{}")),
      isRefused,
    });
  };

  const shell = async (line: string): Promise<string> => {
    if (line === "npm start") return server.output().stdout;
    const [, dataDir, attuneArgs] = /^(?:ATTUNE_DATA_DIR=(\S+) )?npx attune (.+)$/.exec(line) ?? [];
    if (attuneArgs !== undefined) {
      const args = attuneArgs.split(" ");
      return command(
        args.map((arg) => (/\.(json|dump)$/.test(arg) ? join(home, arg) : arg)),
        dataDir,
      );
    }
    const [, token, script] = /^(?:TOKEN=\$\(npx attune (.+)\) )?node (\S+)$/.exec(line) ?? [];
    if (script !== undefined)
      return execute(process.execPath, [script], home, {
        ...(token !== undefined && { TOKEN: (await command(token.split(" "))).trim() }),
      });
    throw new Error(`Nobody knows how to run: ${line}`);
  };

  const plain = (text: string): string =>
    text.replaceAll(server.address, ADDRESS).replaceAll(join(home, ".attune"), ".attune").trim();

  const run: Session["run"] = async (step) => {
    const { block, expected } = step;
    if (block.language === "graphql") {
      const actual = await graphql(step);
      const wanted: unknown = expected === undefined ? withoutErrors(actual) : JSON.parse(expected.text);
      const given = idsOf(actual);
      idsOf(wanted).forEach((id, index) => ids.set(id, given[index] ?? id));
      return { actual: normalize(actual), expected: normalize(wanted) };
    }
    if (block.language === "sql") {
      const args = ["query", real(block.text)];
      // What is not shown must at least be there.
      if (expected === undefined) return { actual: (await finish(args)).code, expected: 0 };
      return { actual: trimmed(await command(args)), expected: trimmed(expected.text) };
    }
    if (block.language === "console") {
      const transcript = block.text.split(/^\$ /m).slice(1);
      const outputs: string[] = [];
      for (const part of transcript) outputs.push(plain(await shell(part.split("\n")[0] ?? "")));
      const wanted = transcript.map((part) => part.split("\n").slice(1).join("\n").trim());
      return { actual: outputs.map((output, index) => filled(output, wanted[index] ?? "")), expected: wanted };
    }
    await writeFile(join(home, block.info), block.text.replaceAll(ADDRESS, server.address));
    return { actual: undefined, expected: undefined };
  };

  return {
    address: server.address,
    run,
    close: async () => {
      server.kill("SIGTERM");
      await server.finished;
      await rm(home, { recursive: true, force: true });
    },
  };
}

async function execute(program: string, args: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  const output = (await child.stdout.setEncoding("utf8").toArray()).join("");
  await closed;
  return output;
}

/** No line ends with spaces in a document, as the aligned rows of a table do. */
function trimmed(text: string): string {
  return text.replaceAll(/ +$/gm, "").trim();
}

/** `…` in the expected output stands for whatever is there; then the output is put in the expected words. */
function filled(output: string, wanted: string): string {
  const pattern = wanted
    .split("…")
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
    .join("[^]*?");
  return new RegExp(`^${pattern}$`).test(output) ? wanted : output;
}

const UUID = String.raw`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`;
const TIME = String.raw`\d{4}-\d\d-\d\dT[\d:]+\.(?!000000)\d+(?:\+00:00|Z)`;
/** In an answer: what is another each time. A number is one where it is of a row of the audit log. */
const GIVEN = new RegExp(String.raw`${UUID}|${TIME}|(?<="(?:id|lastChangeId)":"|\bchange )\d+`, "g");
/** In what is asked: what an answer may have shown; the numbers of a document are large. */
const SHOWN = new RegExp(String.raw`${UUID}|${TIME}|\b\d{6}\b`, "g");

/** In the order in which they come. */
function idsOf(value: unknown): string[] {
  return JSON.stringify(value).match(GIVEN) ?? [];
}

/**
 * Ids and times are others each time: they are told by the order in which they come, so that equal ids stay equal. A
 * time of whole seconds is nobody's clock's, and stays.
 */
function normalize(value: unknown): unknown {
  const names = new Map<string, string>();
  const text = JSON.stringify(value)
    .replaceAll(GIVEN, (id) => {
      if (id.includes("T")) return "a time";
      if (!names.has(id)) names.set(id, `id ${names.size + 1}`);
      return names.get(id) ?? "";
    })
    .replaceAll(/("debugId":)"[0-9a-f]+"/g, '$1"an id"');
  return JSON.parse(text);
}

/** A query whose answer is not shown must at least have one. */
function withoutErrors(answer: unknown): unknown {
  return typeof answer === "object" && answer !== null && "errors" in answer ? "an answer without errors" : answer;
}
