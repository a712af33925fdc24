/** Tells Grafast and its adaptor how they are run, before they are imported. */
import { readVariable } from "../options/read-variable.ts";

process.env["GRAPHILE_ENV"] = readVariable(process.env, "GRAPHILE_ENV");
// What stays on a connection is somebody else's behind a pooler, which gives each transaction another connection: no
// prepared statements that have a name, and no settings but those of a request's transaction.
process.env["DATAPLAN_PG_PREPARED_STATEMENT_CACHE_SIZE"] = "0";
process.env["DATAPLAN_PG_DONT_DISABLE_JIT"] = "1";
