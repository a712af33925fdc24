/** urql's Graphcache over what documents ask: has it something to warn of, and is it right after a mutation? */
import { isDeepStrictEqual } from "node:util";
import { cacheExchange } from "@urql/exchange-graphcache";
import { Client as Urql, fetchExchange } from "@urql/core";
import {
  buildClientSchema,
  type DocumentNode,
  getIntrospectionQuery,
  getNamedType,
  type GraphQLSchema,
  type IntrospectionQuery,
  isObjectType,
  Kind,
  OperationTypeNode,
  parse,
  type SelectionSetNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from "graphql";
import { keys } from "../../examples/settings-page-urql/client.ts";
import { type Client, type Request, send } from "./documents.ts";

/** What takes rows out of a list of its page, and asks for no more than what it is about to show. */
const ASKS_FOR_LESS = /archiveNotifications|archiveAllNotifications/;

/** What every write adds to: who shows it asks for it again. */
const IS_LOG = /\bconfigurationAuditLogs\b/;

/** What somebody keeps: a cache, and what they asked. */
type Tab = {
  urql: Urql;
  /** The last answer, as it came. */
  raw: () => unknown;
  asked: { page: string; document: DocumentNode; variables: Record<string, unknown> }[];
};

/** What Graphcache said, and what it said of a page that the database says otherwise. */
export type Findings = { page: string; warnings: string[]; compared: number; wrong: unknown[] };

export function openTab(
  address: string,
  { token }: Request,
  schema: IntrospectionQuery | undefined,
  warn: (message: string) => void,
): Tab {
  let raw: unknown;
  const urql = new Urql({
    url: `${address}/graphql`,
    preferGetMethod: false,
    fetchOptions: token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } },
    fetch: async (...request) => {
      const response = await fetch(...request);
      raw = await response.clone().json();
      return response;
    },
    exchanges: [
      cacheExchange({
        keys,
        ...(schema && { schema }),
        logger: (severity, message) => warn(`${severity}: ${message}`),
      }),
      fetchExchange,
    ],
  });
  return { urql, raw: () => raw, asked: [] };
}

/** As clients ask that keep what they get: with the `id` of everything that has one. */
function withIds(document: DocumentNode, schema: GraphQLSchema): DocumentNode {
  const info = new TypeInfo(schema);
  return visit(
    document,
    visitWithTypeInfo(info, {
      SelectionSet: {
        leave(node) {
          const type = getNamedType(info.getParentType());
          const hasId = isObjectType(type) && type.getFields()["id"] !== undefined;
          const isAsked = node.selections.some(
            (each) => each.kind === Kind.FIELD && !each.alias && each.name.value === "id",
          );
          if (!hasId || isAsked) return undefined;
          const id = { kind: Kind.FIELD, name: { kind: Kind.NAME, value: "id" } } as const;
          return { ...node, selections: [...node.selections, id] };
        },
      },
    }),
  );
}

/** What a request itself asked for, of an answer that has more. */
function askedFor(value: unknown, selections: SelectionSetNode | undefined, document: DocumentNode): unknown {
  if (selections === undefined || value === null || typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((each) => askedFor(each, selections, document));
  return Object.assign(
    {},
    ...selections.selections.map((selection) => {
      if (selection.kind === Kind.INLINE_FRAGMENT) return askedFor(value, selection.selectionSet, document);
      const { name } = selection;
      if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = document.definitions.find(
          (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === name.value,
        );
        return askedFor(value, fragment && "selectionSet" in fragment ? fragment.selectionSet : undefined, document);
      }
      const key = selection.alias?.value ?? name.value;
      return {
        [key]: askedFor(Object.entries(value).find(([each]) => each === key)?.[1], selection.selectionSet, document),
      };
    }),
  );
}

/**
 * Asks as a document does, and as the browser of who asks: a query once more, with all that a cache wants, a mutation
 * only so, unless it is refused. After a mutation of a how-to page what is in the cache is compared with what there is.
 */
export function throughTabs(findings: Findings): Client {
  const tabs = new Map<string, Tab>();
  let known: { introspection: IntrospectionQuery; schema: GraphQLSchema } | undefined;
  const warn = (message: string): unknown => findings.warnings.push(`${findings.page}: ${message}`);

  return async (address, request) => {
    const { query, variables, who, isRefused } = request;
    if (isRefused) return send(address, request);
    if (known === undefined) {
      const introspection = await introspect(address);
      known = { introspection, schema: buildClientSchema(introspection) };
    }
    const tab = tabs.get(who) ?? openTab(address, request, known.introspection, warn);
    tabs.set(who, tab);
    const document = parse(query);
    const operation = document.definitions.find((each) => each.kind === Kind.OPERATION_DEFINITION);
    const asked = withIds(document, known.schema);
    if (operation?.operation !== OperationTypeNode.MUTATION) {
      const { error } = await tab.urql.query(asked, variables, { requestPolicy: "network-only" }).toPromise();
      if (!error && !IS_LOG.test(query)) tab.asked.push({ page: findings.page, document: asked, variables });
      return send(address, request);
    }
    const { error } = await tab.urql.mutation(asked, variables).toPromise();
    const answer = tab.raw();
    if (error) return answer;
    if (findings.page.startsWith("docs/how-to/") && !ASKS_FOR_LESS.test(query))
      await compare(findings, tab, () => openTab(address, request, undefined, warn), query);
    return { data: askedFor((answer as { data: unknown }).data, operation.selectionSet, document) };
  };
}

async function compare(findings: Findings, { urql, asked }: Tab, open: () => Tab, after: string): Promise<void> {
  for (const { page, document, variables } of asked) {
    if (page !== findings.page) continue;
    const cached = await urql.query(document, variables, { requestPolicy: "cache-only" }).toPromise();
    // What a mutation made unknown is asked for again.
    if (!cached.data || cached.stale) continue;
    const { data: stored } = await open()
      .urql.query(document, variables, { requestPolicy: "network-only" })
      .toPromise();
    findings.compared += 1;
    if (!isDeepStrictEqual(cached.data, stored)) findings.wrong.push({ page, after, cached: cached.data, stored });
  }
}

/** What a client is told of the schema. */
export async function introspect(address: string): Promise<IntrospectionQuery> {
  const response = await fetch(`${address}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query: getIntrospectionQuery() }),
  });
  return ((await response.json()) as { data: IntrospectionQuery }).data;
}
