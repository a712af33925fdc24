/** Every error that PostgreSQL knows of: what clients or operations can cause is told as what it is, the rest is ours. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { findPrograms, LATEST_MAJOR } from "../src/embedded/programs.ts";
import { ofState } from "../src/graphql/mask-errors.ts";

/** Mistakes in our SQL or our server, which nobody else can make: by SQLSTATE, or by its class. */
const OURS: Readonly<Record<string, string>> = {
  "00": "no error",
  "01": "a warning",
  "02": "a warning",
  "03": "ECPG's",
  "09": "of triggers in other languages",
  "0A": "what PostgreSQL can't do stands in our SQL",
  "0B": "no statement of a request begins a transaction",
  "0F": "locators of large objects",
  "0L": "no request grants",
  "0P": "no request names roles",
  "0Z": "`get stacked diagnostics` without an error",
  "10": "no XML",
  "20": "`case` without a match",
  "21": "a subquery with more rows than one",
  "24": "cursors",
  "25": "transactions in a state in which our statement can't be",
  "27": "a trigger that changed what was to be changed",
  "2B": "no request drops roles",
  "2D": "no function of ours ends a transaction",
  "2F": "functions in SQL that do what their attributes deny",
  "34": "cursors",
  "38": "functions in other languages",
  "39": "functions in other languages",
  "3B": "savepoints",
  "3F": "a schema that is missing",
  "42": "SQL that is wrong",
  F0: "PostgreSQL's configuration, which no request reads",
  P0: "raised by PL/pgSQL without a reason",
  XX: "PostgreSQL's own mistakes, or data that is damaged",
};

/** What of these classes clients or operations can cause after all. */
const NOT_OURS = new Set(["25006", "25P03", "25P04", "42501", "42P05"]);

const { postgres } = await findPrograms(LATEST_MAJOR);

/** The SQLSTATEs of errors and warnings, as PostgreSQL itself lists them. */
const states = Array.from(
  readFileSync(join(dirname(postgres), "../share/postgresql/errcodes.txt"), "utf8").matchAll(
    /^([0-9A-Z]{5}) +[EWS] +ERRCODE_(\w+)/gm,
  ),
  ([, state = "", name = ""]): [string, string] => [state, name],
);

test("all are there", () => {
  expect(states.length).toBeGreaterThan(250);
  const classes = new Set(states.map(([state]) => state.slice(0, 2)));
  expect(Object.keys(OURS).filter((each) => !classes.has(each))).toEqual([]);
});

test.each(states)("%s %s is ours, or told as what it is", (state) => {
  const isOurs = state.slice(0, 2) in OURS && !NOT_OURS.has(state);
  const { code, reason, hint } = ofState(state);
  expect([code === "INTERNAL_SERVER_ERROR", reason === "internal_error"]).toEqual([isOurs, isOurs]);
  expect(hint).toMatch(/\.$/);
});

describe("what waiting helps against", () => {
  test.each([
    ["25006", "PT503", "read_only"],
    ["25P03", "PT503", "transaction_idle"],
    ["40001", "PT409", "conflict"],
    ["40P01", "PT409", "deadlock"],
    ["53100", "PT503", "storage_full"],
    ["53200", "PT503", "database_exhausted"],
    ["53300", "PT503", "too_many_connections"],
    ["55006", "PT409", "in_use"],
    ["55P03", "PT409", "lock_timeout"],
    ["57P01", "PT503", "database_restarting"],
    ["57P02", "PT503", "database_restarting"],
    ["57P03", "PT503", "database_restarting"],
    ["58030", "PT503", "storage_failed"],
    ["72000", "PT409", "snapshot_too_old"],
    ["08006", "PT503", "database_unavailable"],
    ["28P01", "PT503", "database_unavailable"],
    ["3D000", "PT503", "database_unavailable"],
  ])("%s is %s %s, with the time to wait", (state, code, reason) => {
    expect(ofState(state)).toMatchObject({ code, reason, retryAfter: expect.any(Number) });
  });

  test.each([
    ["25P04", "PT408", "transaction_timeout"],
    ["57014", "PT408", "statement_timeout"],
    ["53400", "PT503", "database_exhausted"],
  ])("%s is %s %s", (state, code, reason) => {
    expect(ofState(state)).toMatchObject({ code, reason });
  });
});
