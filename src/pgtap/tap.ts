/** Reads what pgTAP says. */
import { Parser, type Result } from "tap-parser";
import { plural } from "../words.ts";

/** One thing that is wrong with a file, and what there is to say about it. */
export type Failure = { title: string; details: string[] };
/** What a file's assertions came to. */
export type TapResult = { passed: number; failures: Failure[] };

/** Collects TAP, with pgTAP's diagnostics beside the assertion they belong to. */
export function readTap(): {
  write: (line: string) => void;
  end: (died?: Failure) => TapResult;
} {
  const failures: Failure[] = [];
  let details: string[] = [];
  let passed = 0;

  const listen = (parser: Parser): void => {
    parser.on("assert", (result: Result) => {
      details = [];
      if (result.ok || result.todo !== false || result.skip !== false) passed += 1;
      else failures.push({ title: `${result.id} - ${result.name}`, details });
    });
    parser.on("comment", (comment: string) => {
      const text = comment.replace(/^# ?/, "").trimEnd();
      if (!/^(Failed test |Looks like you |test count\()/.test(text)) details.push(text);
    });
    parser.on("child", listen);
  };
  const parser = new Parser();
  listen(parser);

  return {
    write: (line) => void parser.write(`${line}\n`),
    end: (died) => {
      parser.end();
      const { count: ran, plan } = parser.results ?? { count: 0, plan: undefined };
      const fail = (title: string): void => void failures.push({ title, details: [] });
      if (died !== undefined) failures.push(died);
      else if (ran === 0) fail("asserts nothing");
      else if (plan?.end == null) fail("has no plan: start with plan(n), or with no_plan() and end with finish()");
      else if (plan.end !== ran) fail(`planned ${plural(plan.end, "assertion")}, ran ${ran}`);
      return { passed, failures };
    },
  };
}
