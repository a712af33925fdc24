/**
 * How fast knowledge is found: by words, with a typing mistake, and the plain way, `ILIKE` without rank or excerpts.
 *
 *   node bench/knowledge.ts                      20,000 entries of a hundred words
 *   node bench/knowledge.ts --entries 2000       quick and rough
 */
import { parseArgs } from "node:util";
import { withClient } from "../src/database/client.ts";
import { openDatabase } from "../src/database/open.ts";
import { startThrowawayCluster } from "../src/embedded/testing/throwaway.ts";
import { readOptions } from "../src/options/options.ts";
import { compare, type Effort, type Variant } from "./compare.ts";
import { openSession, type Session } from "./session.ts";

const SECRET = "a secret of the benchmark, and of nothing else";
const EFFORT: Effort = { rounds: 9, turn: 500 };

const SEARCH = { name: "search", text: "select (attune.search_knowledge($1)).matches" };
const ILIKE = {
  name: "ilike",
  text: `select id, title from attune.knowledge_entries
         where title ilike '%' || $1 || '%' or body ilike '%' || $1 || '%' order by updated_at desc, id limit 20`,
};

/** What is looked for, and in what share of the entries it is. */
const WORDS = [
  { word: "quokka", share: "in ten entries" },
  { word: "invoice", share: "in one of a hundred" },
  { word: "meeting", share: "in every second entry" },
];

/** Words of three syllables, of which a few are everywhere and most are rare, as in texts. */
const SEED = `
  insert into attune.knowledge_entries (kind, title, body)
  select
    'entry',
    'Entry number ' || n,
    concat_ws(
      ' ',
      (
        select string_agg(s.a[1 + (w.r * w.r * 20)::int] || s.a[1 + (w.q * 20)::int] || s.a[1 + (w.r * w.q * 20)::int], ' ')
        from generate_series(1, 100) as i
        cross join lateral (select random() + n * 0 + i * 0 as r, random() as q) as w
        cross join (
          select string_to_array('ba be bi bo bu da de di do du ka ke ki ko ku la le li lo lu ma', ' ') as a
        ) as s
      ),
      case when n <= 10 then 'quokka' end,
      case when n % 100 = 0 then 'invoice' end,
      case when n % 2 = 0 then 'meeting' end
    )
  from generate_series($1::int, $2::int) as n
`;
const BATCH = 2000;

function lookFor(session: Session, statement: typeof SEARCH, word: string, name: string): Variant {
  return { name, run: () => session.as("authenticated", session.next(), statement, [word]) };
}

const { values: flags } = parseArgs({ options: { entries: { type: "string", default: "20000" } } });
const entries = Number(flags.entries);
const cluster = await startThrowawayCluster();
try {
  const options = readOptions({ DATABASE_URL: await cluster.createDatabase("attune"), JWT_SECRET: SECRET });
  const { ownerUrl, authenticatorUrl } = await openDatabase(options, { migrate: true });
  await withClient(ownerUrl, async (client) => {
    await client.query("select attune_private.ensure_user('bench@example.com')");
    for (let first = 1; first <= entries; first += BATCH)
      await client.query(SEED, [first, Math.min(first + BATCH - 1, entries)]);
    await client.query("vacuum analyze");
  });

  const session = await openSession(authenticatorUrl);
  for (const { word, share } of WORDS) {
    const plain = lookFor(session, ILIKE, word, `ILIKE, a word ${share}`);
    const { baseline, subject, ratio } = await compare(
      plain,
      lookFor(session, SEARCH, word, "search_knowledge"),
      EFFORT,
    );
    console.log(
      `${baseline.name}: ${baseline.perSecond.toFixed(1)}/s; ${subject.name}: ${subject.perSecond.toFixed(1)}/s, ` +
        `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`,
    );
  }
  const right = lookFor(session, SEARCH, "quokka", "search_knowledge, a word in ten entries");
  const { subject, ratio } = await compare(right, lookFor(session, SEARCH, "quoka", "with a typing mistake"), EFFORT);
  console.log(
    `${right.name}: 1.00; ${subject.name}: ${subject.perSecond.toFixed(1)}/s, ` +
      `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`,
  );
  await session.client.end();
} finally {
  await cluster.stop();
}
