/** What a client learns of an error: the intended ones as they were raised, all others in general words. */
import { type GraphQLError, type GraphQLFormattedError, Kind } from "graphql";
import { isSafeError } from "postgraphile/grafast";
import pg from "pg";
import { httpError, RequestError } from "../server/request-error.ts";

/** An error in the form of the contract, without its `debugId`. */
type PublicError = {
  message: string;
  code: string;
  reason: string;
  hint: string;
  /** After how many seconds to try again, where waiting helps. */
  retryAfter?: number;
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
  "23503": {
    message: "Something that this refers to is missing, or something else still refers to it",
    code: "PT409",
    reason: "missing_or_referenced",
    hint: "Check the ids and keys that you sent.",
  },
  "23505": {
    message: "It exists already",
    code: "PT409",
    reason: "already_exists",
    hint: "Change the one that is there.",
  },
  "23": { ...UNSTORABLE, hint: "Check each value against the description of its field." },
  "40": {
    message: "Another change came in between",
    code: "PT409",
    reason: "conflict",
    hint: "Try again: nothing of this one was stored.",
  },
  "42501": {
    message: "You may not do this",
    code: "42501",
    reason: "permission_denied",
    hint: "Sign in as somebody who may, or ask an administrator.",
  },
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
  "08": UNAVAILABLE,
  "53": UNAVAILABLE,
  "57": UNAVAILABLE,
};

/** What a client may know of anything that was thrown. */
function publicError(error: unknown): PublicError {
  if (error instanceof RequestError) {
    const { message, code, reason, hint, retryAfter } = error;
    return { message, code, reason, hint, ...(retryAfter !== undefined && { retryAfter }) };
  }
  if (error instanceof pg.DatabaseError) return ofDatabase(error);
  if (isLostConnection(error)) return UNAVAILABLE;
  if (error instanceof Error && isSafeError(error)) return badInput(error.message);
  return INTERNAL;
}

/** Functions of PostgreSQL that read the name of a table out of a value; of a statement it is read by others. */
const NAME_READERS = [
  "regclassin",
  "RangeVarGetRelidExtended",
  "LookupExplicitNamespace",
  "get_namespace_oid",
  "makeRangeVarFromNameList",
  "stringToQualifiedNameList",
];

function ofDatabase({ message, code = "", detail = "", hint = "", routine = "" }: pg.DatabaseError): PublicError {
  // Raised by us: the detail is the reason. PostgreSQL's own details are sentences.
  const isIntended = /^(42501|PT4\d\d)$/.test(code) && /^[a-z][a-z0-9_]*$/.test(detail);
  if (isIntended) return { message, code, reason: detail, hint };
  const known = SQLSTATES[code] ?? SQLSTATES[code.slice(0, 2)];
  return known ?? (NAME_READERS.includes(routine) ? MALFORMED_VALUE : INTERNAL);
}

/** `pg` has no type for these: sockets' errors have a `syscall`, its own are told by their words. */
function isLostConnection(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    "syscall" in error ||
    /^Connection terminated|^timeout exceeded when trying to connect|connection error/.test(error.message)
  );
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
  if (!isClients) causes.set(extensions, originalError ?? error);
  return { message, ...(locations && { locations }), ...(path && { path }), extensions };
}

function ofExecution(error: GraphQLError): PublicError {
  const { message, originalError, extensions, nodes, path } = error;
  // A variable's scalar may have thrown anything; what is said of it is the client's own value.
  if (nodes?.every(({ kind }) => kind === Kind.VARIABLE_DEFINITION)) return badInput(message);
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

  return { message, ...where, extensions: message.startsWith("Syntax Error") ? MALFORMED_QUERY : INVALID_QUERY };
}
