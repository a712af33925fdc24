/** Has the workers of Vitest use the compiled code of the last time, as the command line does. */
import { enableCompileCache, flushCompileCache } from "node:module";
import { join } from "node:path";
import { afterAll } from "vitest";

enableCompileCache(join(import.meta.dirname, "../../node_modules/.cache/attune"));
// They are not let come to their own end, where Node would write down what is new.
afterAll(() => flushCompileCache());
