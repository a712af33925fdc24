/**
 * What the check for secrets costs a write, and what it finds in the JSON documents of a folder.
 *
 *   node bench/secrets.ts                            a write without the check, with it by form, and by name, too
 *   node bench/secrets.ts --documents ../settings    counts what would be refused in each *.json below it, and shows where
 */
import { glob, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { withClient } from "../src/database/client.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { compare, type Effort, type Variant } from "./compare.ts";
import { seed } from "./seed.ts";
import { openSession, type Session, type Statement } from "./session.ts";

const SECRET = "a secret of the benchmark, and of nothing else";
const USERS = 100;
const EFFORT: Effort = { rounds: 15, turn: 300 };

const WRITE: Statement = { name: "write", text: "select from attune.set_preference($1, $2)" };

const SCHEMAS = {
  "without the check": { "x-no-secrets": false },
  "by form": {},
  "by form and name": { "x-no-secrets": true },
};

/** What users store: a switch, the settings of a page, and a list of a hundred things with their ids. */
const VALUES: Record<string, (turn: number) => unknown> = {
  "a boolean": (turn) => turn % 2 === 0,
  "an object of ten members": (turn) => ({
    theme: "dark",
    density: "comfortable",
    rowsPerPage: 25 + (turn % 2),
    landingPage: "/dashboards/overview-of-projects",
    timezone: "America/Argentina/Buenos_Aires",
    columns: ["name", "updated_at", "owner"],
    notifications: { email: true, push: false },
    showPassword: "never",
    apiKeyHint: "ends with 4f1c",
    locale: "de-AT",
  }),
  "a list of a hundred objects": (turn) =>
    Array.from({ length: 100 }, (_, place) => ({
      id: `6f1d2b34-5a6b-4c7d-8e9f-${String(place).padStart(12, "0")}`,
      title: `The widget number ${place + (turn % 2)}`,
      source: "https://example.com/api/v1/widgets",
    })),
};

function write(name: string, key: string, value: (turn: number) => unknown, session: Session): Variant {
  // Each write of a user changes what is there.
  const written = new Map<string, number>();
  return {
    name,
    run: () => {
      const user = session.next();
      const turn = (written.get(user) ?? 0) + 1;
      written.set(user, turn);
      return session.as("authenticated", user, WRITE, [key, JSON.stringify(value(turn))]);
    },
  };
}

async function measureWrites(ownerUrl: string, session: Session): Promise<void> {
  const keys = Object.entries(SCHEMAS).map(([name, schema], place) => ({
    name,
    schema,
    key: `bench.secrets_${place}`,
  }));
  await withClient(ownerUrl, async (client) => {
    for (const { key, schema } of keys) {
      await client.query(
        `insert into attune.setting_definitions (key, category, layer, schema, default_value, merge)
         values ($1, 'bench', 'user', $2, 'null', 'replace')`,
        [key, JSON.stringify(schema)],
      );
    }
  });

  for (const [what, value] of Object.entries(VALUES)) {
    const [without, ...others] = keys.map(({ name, key }) => write(name, key, value, session));
    if (without === undefined) continue;
    for (const other of others) {
      const { ratio } = await compare(without, other, EFFORT);
      const quartiles = `${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}`;
      console.log(`${what.padEnd(30)}${other.name.padEnd(20)}${ratio.median.toFixed(2)}  (${quartiles})`);
    }
  }
}

async function countIn(folder: string, ownerUrl: string): Promise<void> {
  const total = { documents: 0, unreadable: 0, refused: 0, places: 0 };
  await withClient(ownerUrl, async (client) => {
    for await (const file of glob("**/*.json", { cwd: folder })) {
      total.documents += 1;
      const rows = await client
        .query<{ path: string }>("select path from attune_hidden.secret_paths($1, '', true) as s (path)", [
          await readFile(join(folder, file), "utf8"),
        ])
        .then((result) => result.rows)
        .catch(() => undefined);
      if (rows === undefined) total.unreadable += 1;
      for (const { path } of rows ?? []) console.log(`${file}\t${path}`);
      total.places += rows?.length ?? 0;
      total.refused += (rows?.length ?? 0) > 0 ? 1 : 0;
    }
  });
  console.log(
    `${total.documents} documents, ${total.unreadable} of them no JSON; ${total.refused} with ${total.places} secrets.`,
  );
}

const { values: flags } = parseArgs({ options: { documents: { type: "string" } } });
const cluster = await startThrowawayCluster({ settings: { synchronous_commit: "off" } });
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune"), JWT_SECRET: SECRET });
  const { ownerUrl, authenticatorUrl } = await openDatabase(options, { migrate: true });
  if (flags.documents === undefined) {
    await seed(cluster.superuserUrl("attune"), USERS);
    const session = await openSession(authenticatorUrl);
    await measureWrites(ownerUrl, session);
    await session.client.end();
  } else {
    await countIn(flags.documents, ownerUrl);
  }
} finally {
  await cluster.stop();
}
