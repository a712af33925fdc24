/** What a mutation tells is enough to make a cache right: what it changed with its `id`, also when it is gone. */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createTestDatabase,
  createTestServer,
  type TestDatabase,
  type TestServer,
  type TestUser,
} from "./support/harness.ts";

let database: TestDatabase;
let server: TestServer;
let ada: TestUser;
let bob: TestUser;
let team: string;
let project: string;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.query(`
    create type attune.told_twice as (team attune.teams, members attune.team_members[], note text, nothing text);
    comment on type attune.told_twice is E'@payload\\nWhat is told.';
    comment on column attune.told_twice.nothing is E'@nullable\\nNothing.';
    create function attune.tell_twice(team_id uuid) returns attune.told_twice
    language sql volatile security invoker
    as $$
      select t, array(select m from attune.team_members as m where m.team_id = t.id order by m.user_id), t.name, null
      from attune.teams as t where t.id = tell_twice.team_id
    $$;
    create function attune.tell_nothing() returns attune.teams language sql volatile security invoker
    as 'select null::attune.teams';
    comment on function attune.tell_nothing() is E'@nullable\\nTells nothing.';
    grant execute on function attune.tell_twice(uuid), attune.tell_nothing() to authenticated`);
  server = await createTestServer(database);
  ada = await database.createUser("ada@example.com");
  bob = await database.createUser("bob@example.com");
  [team = "", project = ""] = await database.as(ada, async (client) => {
    const { rows } = await client.query<{ id: string }>(
      "select id from attune.create_team('Ours') union all select id from attune.create_project('Ours')",
    );
    return rows.map(({ id }) => id);
  });
  await join();
});

afterAll(async () => {
  await server.close();
  await database.close();
});

/** Makes bob a member of both. */
const join = () =>
  database.query(
    `with joined as (insert into attune.team_members (user_id, team_id, role) values ($1, $2, 'member'))
     insert into attune.project_members (user_id, project_id, role) values ($1, $3, 'viewer')`,
    [bob.id, team, project],
  );

const ask = async (who: TestUser, query: string): Promise<unknown> => {
  const { body } = await server.graphql(query, {}, who.token);
  expect(body.errors).toBeUndefined();
  return body.data;
};
const idOf = (...key: string[]): string => JSON.stringify(key);

test("a row without a column `id` has one made of its key", async () => {
  expect(
    await ask(ada, `{ project(id: "${project}") { id } notificationCategory(name: "system") { id name } }`),
  ).toEqual({ project: { id: project }, notificationCategory: { id: "system", name: "system" } });
  expect(await ask(bob, `{ teamMember(teamId: "${team}", userId: "${bob.id}") { id } }`)).toEqual({
    teamMember: { id: idOf(bob.id, team) },
  });
});

test("a membership that ends is told, whoever ends it", async () => {
  const teamMember = { id: idOf(bob.id, team), role: "member" };
  const projectMember = { id: idOf(bob.id, project), role: "viewer" };
  const rest = `query { viewer { id } }`;
  const leaver = { query: { viewer: { id: bob.id } } };
  const owner = { query: { viewer: { id: ada.id } } };

  expect(
    await ask(
      bob,
      `mutation {
        leaveTeam(input: { teamId: "${team}" }) { teamMember { id role } ${rest} }
        leaveProject(input: { projectId: "${project}" }) { projectMember { id role } ${rest} }
      }`,
    ),
  ).toEqual({ leaveTeam: { teamMember, ...leaver }, leaveProject: { projectMember, ...leaver } });
  await join();
  expect(
    await ask(
      ada,
      `mutation {
        removeTeamMember(input: { teamId: "${team}", userId: "${bob.id}" }) { teamMember { id role } ${rest} }
        removeProjectMember(input: { projectId: "${project}", userId: "${bob.id}" }) { projectMember { id role } ${rest} }
      }`,
    ),
  ).toEqual({ removeTeamMember: { teamMember, ...owner }, removeProjectMember: { projectMember, ...owner } });
});

test("of a type that is tagged `@payload` the attributes are the fields, rows with their relations among them", async () => {
  expect(
    await ask(
      ada,
      `mutation {
        tellTwice(input: { clientMutationId: "x", teamId: "${team}" }) {
          clientMutationId note nothing team { id name } members { id role team { name } } query { viewer { id } }
        }
      }`,
    ),
  ).toEqual({
    tellTwice: {
      clientMutationId: "x",
      note: "Ours",
      nothing: null,
      team: { id: team, name: "Ours" },
      members: [{ id: idOf(ada.id, team), role: "owner", team: { name: "Ours" } }],
      query: { viewer: { id: ada.id } },
    },
  });
});

test("what is tagged `@nullable` may tell nothing", async () => {
  expect(await ask(ada, "mutation { tellNothing(input: {}) { team { id } } }")).toEqual({
    tellNothing: { team: null },
  });
});

test("a deleted row and a deleted account are told by their ids", async () => {
  expect(await ask(ada, `mutation { deleteProject(input: { id: "${project}" }) { project { id name } } }`)).toEqual({
    deleteProject: { project: { id: project, name: "Ours" } },
  });
  expect(await ask(bob, "mutation { deleteAccount(input: {}) { userId query { viewer { id } } } }")).toEqual({
    deleteAccount: { userId: bob.id, query: { viewer: null } },
  });
});
