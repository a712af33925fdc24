/** What a client learns of an error: the intended ones as they were raised, all others in general words. */
import { type GraphQLError, type GraphQLFormattedError, Kind } from "graphql";
import { isSafeError } from "postgraphile/grafast";
import { camelCase } from "postgraphile/graphile-build";
import pg from "pg";
import { variableWithoutValue, withoutValue } from "./without-values.ts";
import { httpError, overloaded, RequestError } from "../server/request-error.ts";

/** An error in the form of the contract, without its `debugId`. */
type PublicError = {
  message: string;
  code: string;
  reason: string;
  hint: string;
  /** After how many seconds to try again, where waiting helps. */
  retryAfter?: number;
  /** What is wrong with each value that was refused, as a list of `{key, pointer, keyword, message}`. */
  problems?: unknown;
  /** With what a change collides: which versions, or who is editing. */
  conflict?: Readonly<Record<string, unknown>>;
};

const INTERNAL: PublicError = {
  message: "Something went wrong on the server",
  code: "INTERNAL_SERVER_ERROR",
  reason: "internal_error",
  hint: "Report the debugId: the server's log has the details under it.",
};

const UNAVAILABLE: PublicError = {
  message: "The database can't be reached",
  code: "PT503",
  reason: "database_unavailable",
  hint: "Try again in a few seconds.",
  retryAfter: 2,
};

const SHUTDOWN: PublicError = {
  message: "The database is being stopped or started",
  code: "PT503",
  reason: "database_restarting",
  hint: "Try again in a few seconds.",
  retryAfter: 2,
};

const MALFORMED_QUERY = {
  code: "GRAPHQL_PARSE_FAILED",
  reason: "malformed_query",
  hint: "Check the query's syntax.",
};

const INVALID_QUERY = {
  code: "GRAPHQL_VALIDATION_FAILED",
  reason: "invalid_query",
  hint: "Check the query against the schema.",
};

const UNSTORABLE = { message: "A value is not one that can be stored", code: "PT422", reason: "unstorable_value" };

const REFERENCED: PublicError = {
  message: "Something that this refers to is missing, or something else still refers to it",
  code: "PT409",
  reason: "missing_or_referenced",
  hint: "Check the ids and keys that you sent.",
};

const MALFORMED_VALUE = {
  message: "A value is malformed",
  code: "PT400",
  reason: "malformed_value",
  hint: "Check the type, format and range of each value.",
};

/** Errors of PostgreSQL that nobody raised on purpose, by SQLSTATE or its class. Their own words name our tables. */
const SQLSTATES: Readonly<Record<string, PublicError>> = {
  "22": MALFORMED_VALUE,
  "23502": { ...UNSTORABLE, hint: "Check that no required value is missing." },
  // As `on delete restrict` is refused from PostgreSQL 18 on; before it was the next one.
  "23001": REFERENCED,
  "23503": REFERENCED,
  "23505": {
    message: "It exists already",
    code: "PT409",
    reason: "already_exists",
    hint: "Change the one that is there.",
  },
  "23": { ...UNSTORABLE, hint: "Check each value against the description of its field." },
  "25006": {
    message: "The database takes no changes: it is a copy, or set to read only",
    code: "PT503",
    reason: "read_only",
    hint: "Try again in a few seconds, or at the server that takes changes. Reading goes on.",
    retryAfter: 5,
  },
  "25P03": {
    message: "The server was too slow for the database, which gave up",
    code: "PT503",
    reason: "transaction_idle",
    hint: "Try again: nothing of this one was stored.",
    retryAfter: 1,
  },
  "25P04": {
    message: "The transaction took too long and was stopped",
    code: "PT408",
    reason: "transaction_timeout",
    hint: "Ask for less at a time.",
  },
  "40": {
    message: "Another change came in between",
    code: "PT409",
    reason: "conflict",
    hint: "Try again: nothing of this one was stored.",
    retryAfter: 1,
  },
  "40P01": {
    message: "Two changes waited for each other, and this one was given up",
    code: "PT409",
    reason: "deadlock",
    hint: "Try again: nothing of this one was stored.",
    retryAfter: 1,
  },
  "42501": {
    message: "You may not do this",
    code: "42501",
    reason: "permission_denied",
    hint: "Sign in as somebody who may, or ask an administrator.",
  },
  "44": { ...UNSTORABLE, hint: "Check each value against the description of its field." },
  // With more parts than PostgreSQL takes.
  "54": { ...UNSTORABLE, hint: "Make the value smaller." },
  "54001": {
    message: "A value is nested too deep",
    code: "PT422",
    reason: "value_too_deep",
    hint: "Make the value flatter.",
  },
  "57014": {
    message: "It took too long and was stopped",
    code: "PT408",
    reason: "statement_timeout",
    hint: "Ask for fewer rows at a time.",
  },
  "53": {
    message: "The database has too little of something that it needs",
    code: "PT503",
    reason: "database_exhausted",
    hint: "Try again in a few seconds.",
    retryAfter: 5,
  },
  "53100": {
    message: "The database's disk is full: it takes no changes",
    code: "PT503",
    reason: "storage_full",
    hint: "Try again when whoever runs the server has made room. Reading goes on.",
    retryAfter: 60,
  },
  "53300": {
    message: "The database has no connection left",
    code: "PT503",
    reason: "too_many_connections",
    hint: "Try again in a few seconds.",
    retryAfter: 2,
  },
  "55": {
    message: "Something that this needs is in use, or in no state for it",
    code: "PT409",
    reason: "in_use",
    hint: "Try again in a few seconds.",
    retryAfter: 2,
  },
  "55P03": {
    message: "Another change holds what this one needs",
    code: "PT409",
    reason: "lock_timeout",
    hint: "Try again: nothing of this one was stored.",
    retryAfter: 1,
  },
  "57": UNAVAILABLE,
  "57P01": SHUTDOWN,
  "57P02": SHUTDOWN,
  "57P03": SHUTDOWN,
  "58": {
    message: "The database can't read or write its files",
    code: "PT503",
    reason: "storage_failed",
    hint: "Try again when whoever runs the server has mended it.",
    retryAfter: 60,
  },
  "72": {
    message: "The query ran for longer than what it read is kept",
    code: "PT409",
    reason: "snapshot_too_old",
    hint: "Try again.",
    retryAfter: 1,
  },
  // The way there: it is down, its password was changed, it was dropped, or a pooler in between mixed up connections.
  "08": UNAVAILABLE,
  "26": UNAVAILABLE,
  "28": UNAVAILABLE,
  "3D": UNAVAILABLE,
  "42P05": UNAVAILABLE,
  HV: UNAVAILABLE,
};

/** What a client may know of anything that was thrown. */
function publicError(error: unknown): PublicError {
  if (error instanceof RequestError) {
    const { message, code, reason, hint, retryAfter } = error;
    return { message, code, reason, hint, ...(retryAfter !== undefined && { retryAfter }) };
  }
  if (error instanceof pg.DatabaseError) return ofDatabase(error);
  if (isLostConnection(error)) return UNAVAILABLE;
  // The pool says so when all its connections are in use for longer than it waits.
  if (error instanceof Error && error.message.startsWith("timeout exceeded")) return publicError(overloaded(1));
  if (error instanceof Error && isSafeError(error)) return badInput(error.message);
  return INTERNAL;
}

/** Functions of PostgreSQL that read the name of a table out of a value; of a statement it is read by others. */
const NAME_READERS = new Set([
  "regclassin",
  "RangeVarGetRelidExtended",
  "LookupExplicitNamespace",
  "get_namespace_oid",
  "makeRangeVarFromNameList",
  "stringToQualifiedNameList",
]);

function ofDatabase(error: pg.DatabaseError): PublicError {
  const { message, code = "", detail = "", constraint = "", routine = "" } = error;
  // Raised by us: the detail is the reason. PostgreSQL's own details are sentences.
  const isIntended = /^(42501|PT4\d\d)$/.test(code) && /^[a-z][a-z0-9_]*$/.test(detail);
  if (isIntended) {
    // Where `attune_private.refuse_for_now` puts it.
    const seconds = /^retry_after_(\d+)$/.exec(constraint)?.[1];
    return {
      message,
      code,
      reason: detail,
      ...readHint(error.hint ?? ""),
      ...(seconds !== undefined && { retryAfter: Number(seconds) }),
    };
  }
  return stateOf(code) ?? (NAME_READERS.has(routine) ? MALFORMED_VALUE : INTERNAL);
}

/** A hint, and what `attune_private.hint_with_problems` or `hint_with_conflict` puts into its second line. */
function readHint(text: string): Pick<PublicError, "hint" | "problems" | "conflict"> {
  const [, hint, json] = /^(.*)\n(\[\{"key" : .*\]|\{"entry_id" : .*\})$/.exec(text) ?? [];
  if (hint === undefined || json === undefined) return { hint: text };
  const said: unknown = JSON.parse(json);
  if (typeof said !== "object" || said === null || Array.isArray(said)) return { hint, problems: said };
  return { hint, conflict: Object.fromEntries(Object.entries(said).map(([name, value]) => [camelCase(name), value])) };
}

/** What a client learns of an error that nobody raised on purpose. @param code its SQLSTATE */
export function ofState(code: string): PublicError {
  return stateOf(code) ?? INTERNAL;
}

function stateOf(code: string): PublicError | undefined {
  return SQLSTATES[code] ?? SQLSTATES[code.slice(0, 2)];
}

/** `pg` has no type for these: sockets' errors have a `syscall`, its own are told by their words. */
function isLostConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return "syscall" in error || /^Connection terminated|connection error/.test(error.message);
}

function badInput(message: string): PublicError {
  return {
    message,
    code: "BAD_USER_INPUT",
    reason: "invalid_input",
    hint: "Check the arguments and variables of the query.",
  };
}

/** The errors behind those of a response, for the log. They are kept here because Grafserv copies what it is given. */
const causes = new WeakMap<object, unknown>();

/** What was thrown, for an error that `maskError` made; undefined when the client's query itself is at fault. */
export function causeOf(error: GraphQLFormattedError): unknown {
  return error.extensions && causes.get(error.extensions);
}

/** As `maskError`, for what was thrown outside of GraphQL. */
export function maskThrown(error: unknown): GraphQLFormattedError {
  const { message, ...extensions } = publicError(error);
  causes.set(extensions, error instanceof RequestError ? error.cause : error);
  return { message, extensions };
}

/** Grafserv's hook: turns an error of execution into what the client may see. */
export function maskError(error: GraphQLError): GraphQLFormattedError {
  const { originalError, path, locations } = error;
  const { message, ...extensions } = ofExecution(error);
  const isClients = extensions.code === "BAD_USER_INPUT" || extensions.code.startsWith("GRAPHQL_");
  const cause = originalError instanceof RequestError ? originalError.cause : undefined;
  if (!isClients) causes.set(extensions, cause ?? originalError ?? error);
  return { message, ...(locations && { locations }), ...(path && { path }), extensions };
}

function ofExecution(error: GraphQLError): PublicError {
  const { message, originalError, extensions, nodes, path } = error;
  // A variable's scalar may have thrown anything; what is said of it is the client's own value.
  if (nodes?.every(({ kind }) => kind === Kind.VARIABLE_DEFINITION))
    return badInput(variableWithoutValue(message, originalError?.message));
  if (originalError) return publicError(originalError);

  const { code, reason, hint } = extensions;
  if (typeof code === "string" && typeof reason === "string" && typeof hint === "string")
    return { message, code, reason, hint };

  const isAboutOperation = path === undefined && /^(Unknown operation|Must provide)/.test(message);
  return isAboutOperation ? badInput(message) : INTERNAL;
}

/** Completes an error that Grafserv made before execution, where `maskError` isn't asked: parsing, validation, HTTP. */
export function completeError(error: GraphQLFormattedError, status: number): GraphQLFormattedError {
  const { message, extensions = {}, ...where } = error;
  if (typeof extensions["code"] === "string") return error;

  // Grafserv puts the status into its own refusals, and answers what did not parse or validate with 200 or 400.
  const isOfQuery = status === 200 || (status === 400 && !("statusCode" in extensions));
  if (!isOfQuery) return maskThrown(status < 500 ? httpError(status) : error);

  const told = withoutValue(message);
  return { message: told, ...where, extensions: message.startsWith("Syntax Error") ? MALFORMED_QUERY : INVALID_QUERY };
}
