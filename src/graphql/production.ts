/** Tells Grafast and its adaptor how they are run, before they are imported. */
import { readVariable } from "../options/read-variable.ts";

/**
 * What stays on a connection is somebody else's behind a pooler, which gives each transaction another connection: no
 * prepared statement has a name, and no setting is the connection's. Those of a request's transaction are enough.
 */
const ADAPTOR = { DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE: "0", DATAPLAN_PG_DONT_DISABLE_JIT: "1" };

Object.assign(process.env, ADAPTOR, { GRAPHILE_ENV: readVariable(process.env, "GRAPHILE_ENV") });
