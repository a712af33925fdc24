/** One call for many, against a call for each: settings of a backend's users, notifications, an administrator's page. */
import { compare, type Comparison, type Effort } from "./compare.ts";
import type { Service } from "./service.ts";
import type { Session } from "./session.ts";

const USERS = 100;
const KEYS = ["TASKS_ENABLED", "bench.setting1", "bench.setting2"];
/** As many as a statement can write in its five seconds where the machine is busy. */
const RECIPIENTS = 200;
/** So many writes are a turn of their own. */
const ROUNDS_OF_WRITES = 5;

const EVALUATE = { name: "evaluate", text: "select * from attune.evaluate($1, $2)" };
const ONE_SETTING = { name: "one setting", text: "select * from attune.effective_setting_for($1, $2)" };
const ALL_SETTINGS = { name: "all settings", text: "select * from attune.effective_settings_for($1)" };
const NOTIFY_ALL = { name: "notify all", text: "select attune.create_notifications($1, 'lead_update', 'A benchmark')" };
const NOTIFY_ONE = {
  name: "notify one",
  text: "select attune.create_notification('lead_update', 'A benchmark', user_id => $1)",
};

/** What the administrators' page shows of each layer. */
const GLOBAL = "value isActive isEnforced rolloutPercentage";
const OF_PLAN = "plan value isActive isEnforced";
const OF_TEAM = "teamId value isActive isEnforced";
const DEFINITION = "key category description schema defaultValue layer";
const ONE_PAGE = `{ settingDefinitions(first: 40) { nodes {
  ${DEFINITION}
  globalSetting { ${GLOBAL} }
  planSettings(first: 10) { nodes { ${OF_PLAN} } }
  teamSettings(first: 10) { nodes { ${OF_TEAM} } }
} } }`;
const ITS_PARTS = [
  `{ settingDefinitions(first: 40) { nodes { ${DEFINITION} } } }`,
  `{ globalSettings(first: 40) { nodes { key ${GLOBAL} } } }`,
  `{ planSettings(first: 100) { nodes { key ${OF_PLAN} } } }`,
  `{ teamSettings(first: 100) { nodes { key ${OF_TEAM} } } }`,
];

/** @param admin a token of an administrator */
export async function* manyAtOnce(
  session: Session,
  service: Service,
  admin: string,
  effort: Effort,
): AsyncGenerator<Comparison> {
  const some = (count: number): string[] => Array.from({ length: count }, () => session.next());
  const evaluate = {
    name: "evaluate, once",
    run: () => {
      const users = some(USERS);
      return session.as("service_role", "", EVALUATE, [users, KEYS]);
    },
  };
  const eachSetting = {
    name: `effective_setting_for, ${USERS} users × ${KEYS.length} settings`,
    run: async () => {
      for (const user of some(USERS))
        for (const key of KEYS) await session.as("service_role", "", ONE_SETTING, [user, key]);
    },
  };
  const eachUser = {
    name: `effective_settings_for, each of ${USERS} users`,
    run: async () => {
      for (const user of some(USERS)) await session.as("service_role", "", ALL_SETTINGS, [user]);
    },
  };
  yield await compare(eachSetting, evaluate, effort);
  yield await compare(eachUser, evaluate, effort);

  const notifyEach = {
    name: `create_notification, each of ${RECIPIENTS} users`,
    run: async () => {
      for (const user of some(RECIPIENTS)) await session.as("service_role", "", NOTIFY_ONE, [user]);
    },
  };
  const notifyAll = {
    name: "create_notifications, once",
    run: () => session.as("service_role", "", NOTIFY_ALL, [some(RECIPIENTS)]),
  };
  yield await compare(notifyEach, notifyAll, { ...effort, rounds: Math.min(effort.rounds, ROUNDS_OF_WRITES) });

  const parts = {
    name: `an administrators' page in ${ITS_PARTS.length} requests`,
    run: async () => {
      for (const query of ITS_PARTS) await service.graphql(query, admin);
    },
  };
  yield await compare(parts, { name: "in one", run: () => service.graphql(ONE_PAGE, admin) }, effort);
}
