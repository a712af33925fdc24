/** When a notification is sent, everywhere on earth: an oracle in TypeScript goes minute by minute, by ICU's clocks. */
import fc from "fast-check";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "./support/harness.ts";

type Window = { enabled: boolean; start: string; end: string };
type Schedule = {
  timezone: string | null;
  quietHours: Window;
  workingHours: { enabled: boolean } & { [day in Day]: Window };
};
/** The clocks of a time zone: from each moment on, minutes since 1970, how many minutes they are ahead of UTC. */
type Clocks = { from: number; offset: number }[];
type Zone = { name: string; clocks: Clocks };

const DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] as const;
type Day = (typeof DAYS)[number];

const MINUTE = 60_000;
const DAY = 24 * 60;
const FIRST = Date.UTC(2024, 0, 1) / MINUTE;
const LAST = Date.UTC(2031, 0, 1) / MINUTE;
/** So many zones are asked for at once. */
const BATCH = 50;
/** No schedule that ever opens stays shut for longer: a week, twice over where a change of the clocks swallows a window. */
const HORIZON = 15 * DAY;

let database: TestDatabase;
let client: pg.Client;
let zones: Zone[];
let users: string[];
/** The zones whose clocks ICU and Postgres do not agree on. */
let disputed: string[];

/** Minutes ahead of UTC at a moment, as ICU has it. */
function clockOf(zone: string): (minute: number) => number {
  const format = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" });
  return (minute) => {
    const name = format.formatToParts(minute * MINUTE).find(({ type }) => type === "timeZoneName")?.value ?? "";
    const [, sign, hours, minutes = 0] = /^GMT(?:([+-])(\d+):(\d+))?$/.exec(name) ?? [];
    return (sign === "-" ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes));
  };
}

/** All changes of a zone's clocks, found between samples five days apart. */
function clocksOf(zone: string): Clocks {
  const offsetAt = clockOf(zone);
  const step = 5 * DAY;
  let offset = offsetAt(FIRST - step);
  const clocks: Clocks = [{ from: Number.NEGATIVE_INFINITY, offset }];
  for (let at = FIRST; at <= LAST + HORIZON + step; at += step) {
    const next = offsetAt(at);
    if (next === offset) continue;
    let [before, from] = [at - step, at];
    while (from - before > 1) {
      const middle = Math.floor((before + from) / 2);
      if (offsetAt(middle) === offset) before = middle;
      else from = middle;
    }
    clocks.push({ from, offset: next });
    offset = next;
  }
  return clocks;
}

const offsetOf = (clocks: Clocks, minute: number): number => clocks.findLast(({ from }) => from <= minute)?.offset ?? 0;

const minutesOf = (clock: string): number => Number(clock.slice(0, 2)) * 60 + Number(clock.slice(3));

/** Whether a time of day is in a window: one that ends before it starts goes over midnight. */
const isWithin = (clock: number, start: number, end: number): boolean =>
  start <= end ? start <= clock && clock < end : clock >= start || clock < end;

/** Every minute of a week on a wall clock, from Monday: whether the schedule lets something through. */
function openMinutes({ quietHours, workingHours }: Schedule): boolean[] {
  const week = Array.from({ length: 7 * DAY }, () => !workingHours.enabled);
  for (const [n, day] of DAYS.entries()) {
    const { enabled, start, end } = workingHours[day];
    if (!workingHours.enabled || !enabled) continue;
    const [opens, closes] = [minutesOf(start), minutesOf(end)];
    // The same start and end are the whole of that day; otherwise over midnight, into the next.
    const minutes = opens === closes ? [0, DAY] : [opens, closes < opens ? closes + DAY : closes];
    for (let minute = minutes[0] ?? 0; minute < (minutes[1] ?? 0); minute++)
      week[(n * DAY + minute) % week.length] = true;
  }
  if (!quietHours.enabled) return week;
  const [starts, ends] = [minutesOf(quietHours.start), minutesOf(quietHours.end)];
  return week.map((isOpen, minute) => isOpen && !isWithin(minute % DAY, starts, ends));
}

/** The first moment, in milliseconds, at which something made at a moment may be sent: by looking at one minute after the other. */
function oracle(week: boolean[], clocks: Clocks, at: number): number | null {
  if (!week.includes(true)) return null;
  const made = Math.floor(at / MINUTE);
  let next = clocks.findIndex(({ from }) => from > made);
  let offset = offsetOf(clocks, made);
  for (let minute = made; minute < made + HORIZON; minute++) {
    const change = clocks[next];
    if (change?.from === minute) [offset, next] = [change.offset, next + 1];
    // 1970 began on a Thursday.
    if (week[(minute + offset + 3 * DAY) % week.length] === true) return Math.max(at, minute * MINUTE);
  }
  throw new Error("A schedule that opens did not open for weeks");
}

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client(database.ownerUrl);
  await client.connect();
  const names = await client.query<{ name: string }>(
    "select z.name from pg_catalog.pg_timezone_names as z where attune_private.timezone_name(z.name) = z.name and z.name <> 'Factory' order by z.name",
  );
  const known = names.rows.flatMap(({ name }) => {
    try {
      return [{ name, clocks: clocksOf(name) }];
    } catch {
      return [];
    }
  });

  // Two editions of the IANA database may differ: a zone is compared where both see the same changes of the clocks.
  const { rows: agreed } = await client.query<{ name: string }>(
    `select z.name
     from jsonb_to_recordset($1) as z (name text, clocks jsonb)
     cross join lateral (
       select
         array_agg((c ->> 'from')::bigint * 60 order by (c ->> 'from')::bigint) filter (where c ->> 'from' is not null) as froms,
         array_agg((c ->> 'offset')::integer * 60 order by c ->> 'from' is not null, (c ->> 'from')::bigint) as offsets
       from jsonb_array_elements(z.clocks) as c
     ) as icu
     where not exists (
       -- The moments at each change and the second before it, and every day in between.
       select
       from (
         select unnest(icu.froms) union all select unnest(icu.froms) - 1
         union all select * from generate_series($2::bigint * 60, $3::bigint * 60, 86400)
       ) as m (second)
       cross join lateral (select to_timestamp(m.second)) as t (moment)
       where extract(epoch from (t.moment at time zone z.name) - (t.moment at time zone 'UTC'))
         <> icu.offsets[1 + (select count(*) from unnest(icu.froms) as f (second) where f.second <= m.second)]
     )`,
    [JSON.stringify(known), FIRST, LAST + HORIZON],
  );
  const undisputed = new Set(agreed.map(({ name }) => name));
  zones = known.filter(({ name }) => undisputed.has(name));
  disputed = names.rows.map(({ name }) => name).filter((name) => !undisputed.has(name));

  const created = await client.query<{ id: string }>(
    "insert into attune.users (email) select 'zone' || n || '@example.com' from generate_series(1, $1::integer) as n returning id",
    [BATCH],
  );
  users = created.rows.map(({ id }) => id);
});

afterAll(async () => {
  await client.end();
  await database.close();
});

const clock: fc.Arbitrary<string> = fc
  .oneof(
    { weight: 3, arbitrary: fc.nat(DAY - 1) },
    // Where clocks are changed, and where days end.
    { weight: 2, arbitrary: fc.constantFrom(0, 60, 90, 120, 150, 180, 210, 1380, 1410, 1439) },
  )
  .map((minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`);

const span: fc.Arbitrary<Pick<Window, "start" | "end">> = fc.record({ start: clock, end: clock });

const workingHours: fc.Arbitrary<Schedule["workingHours"]> = fc
  .record({
    enabled: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
    open: fc.oneof(
      { weight: 3, arbitrary: fc.subarray([...DAYS]) },
      { weight: 4, arbitrary: fc.constantFrom(...DAYS).map((day): Day[] => [day]) },
      { weight: 1, arbitrary: fc.constant<Day[]>([]) },
    ),
    spans: fc.tuple(span, span, span, span, span, span, span),
  })
  .map(({ enabled, open, spans }) => {
    const dayOf = (n: number, day: Day): Window => ({
      start: "09:00",
      end: "17:00",
      ...spans[n],
      enabled: open.includes(day),
    });
    return {
      enabled,
      monday: dayOf(0, "monday"),
      tuesday: dayOf(1, "tuesday"),
      wednesday: dayOf(2, "wednesday"),
      thursday: dayOf(3, "thursday"),
      friday: dayOf(4, "friday"),
      saturday: dayOf(5, "saturday"),
      sunday: dayOf(6, "sunday"),
    };
  });

const quietHours: fc.Arbitrary<Window> = fc.record({ enabled: fc.boolean(), start: clock, end: clock });

/** Moments of the years 2024 to 2030, in milliseconds: most within a few hours or days of a change of the clocks. */
function momentsOf({ clocks }: Zone): fc.Arbitrary<number[]> {
  const changes = clocks.map(({ from }) => from).filter((from) => from >= FIRST && from < LAST);
  const anywhere = fc.integer({ min: FIRST, max: LAST - 1 });
  const around = (reach: number) =>
    fc.tuple(fc.constantFrom(...changes), fc.integer({ min: -reach, max: reach })).map(([change, by]) => change + by);
  const minute = changes.length === 0 ? anywhere : fc.oneof(anywhere, around(4 * 60), around(2 * DAY), around(8 * DAY));
  return fc.array(
    fc.tuple(minute, fc.constantFrom(0, 0, 1, 59_999)).map(([at, beyond]) => at * MINUTE + beyond),
    { minLength: 3, maxLength: 3 },
  );
}

type Case = { zone: string; schedule: Schedule; moments: number[] };

const caseOf = (zone: Zone): fc.Arbitrary<Case> =>
  fc.record({
    zone: fc.constant(zone.name),
    // The zone is the schedule's own, or else the user's.
    schedule: fc.record({ timezone: fc.constantFrom(zone.name, null), quietHours, workingHours }),
    moments: momentsOf(zone),
  });

/** When Postgres would send a notification that is made at each moment of each case. */
async function ask(cases: Case[]): Promise<(number | null)[][]> {
  const given = JSON.stringify(cases.map((each, place) => ({ ...each, place, user_id: users[place] })));
  await client.query(
    `with given as (
       select c.user_id, coalesce(nullif(c.zone, c.schedule ->> 'timezone'), 'UTC') as zone
       from jsonb_to_recordset($1) as c (user_id uuid, zone text, schedule jsonb)
     )
     update attune.users as u set timezone = g.zone from given as g where u.id = g.user_id and u.timezone is distinct from g.zone`,
    [given],
  );
  await client.query(
    `insert into attune.user_preferences (user_id, key, value)
     select c.user_id, 'notification_settings.notification_schedule', jsonb_strip_nulls(c.schedule)
     from jsonb_to_recordset($1) as c (user_id uuid, schedule jsonb)
     on conflict on constraint user_preferences_pkey do update set value = excluded.value`,
    [given],
  );
  const { rows } = await client.query<{ due: (string | null)[] }>(
    `select array(
       select round(extract(epoch from attune.next_delivery_at(c.user_id, 'push', 'lead_update', to_timestamp(m.at / 1000))) * 1000)
       from unnest(c.moments) with ordinality as m (at, place)
       order by m.place
     ) as due
     from jsonb_to_recordset($1) as c (user_id uuid, moments numeric[], place integer)
     order by c.place`,
    [given],
  );
  return rows.map(({ due }) => due.map((moment) => (moment === null ? null : Number(moment))));
}

test(
  "in every time zone a notification is due at the first allowed minute: not in quiet hours, not before it was made, not later",
  { timeout: 120_000 },
  async () => {
    expect(zones.length).toBeGreaterThan(500);
    expect(disputed.length).toBeLessThan(0.1 * zones.length);

    const seen = { atOnce: 0, later: 0, never: 0, acrossChanges: 0 };
    for (let first = 0; first < zones.length; first += BATCH) {
      const batch = zones.slice(first, first + BATCH);
      const clocks = new Map(batch.map((zone) => [zone.name, zone.clocks]));
      await fc.assert(
        fc.asyncProperty(fc.tuple(...batch.map(caseOf)), async (cases) => {
          const answers = await ask(cases);
          for (const [n, { zone, schedule, moments }] of cases.entries()) {
            const of = clocks.get(zone) ?? [];
            const week = openMinutes(schedule);
            const expected = moments.map((at) => oracle(week, of, at));
            expect({ zone, schedule, moments, due: answers[n] }).toEqual({ zone, schedule, moments, due: expected });
            for (const [index, at] of moments.entries()) {
              const due = expected[index] ?? null;
              if (due === null) seen.never++;
              else if (due === at) seen.atOnce++;
              else seen.later++;
              if (due !== null && offsetOf(of, at / MINUTE) !== offsetOf(of, due / MINUTE)) seen.acrossChanges++;
            }
          }
        }),
        // The case that differs is told by itself: shrinking fifty takes longer than reading one.
        { numRuns: 2, endOnFailure: true },
      );
    }
    // The control: there was something to get wrong.
    for (const cases of Object.values(seen)) expect(cases).toBeGreaterThan(100);
  },
);
