/** Has the workers of Vitest, which are not let come to their own end, write down what they ran, for `npm run coverage`. */
import { takeCoverage } from "node:v8";
import { afterAll } from "vitest";

if (process.env["NODE_V8_COVERAGE"] !== undefined) afterAll(() => takeCoverage());
