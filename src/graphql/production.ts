/** Tells Grafast that this is production, unless the environment says otherwise. Imported before Grafast is. */
import { readVariable } from "../options/read-variable.ts";

process.env["GRAPHILE_ENV"] = readVariable(process.env, "GRAPHILE_ENV");
