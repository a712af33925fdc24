/**
 * Until 1.0: writes the committed migrations anew from their sources, so that each holds its fixtures as they are now
 * and the chain of hashes is whole. Their names, messages and order stay.
 *
 *   npm run migrations:recommit              writes them, after they were applied to an empty PostgreSQL
 *   npm run migrations:recommit -- --check   changes nothing and fails when one is out of date
 */
import { messageOf, UserError } from "../src/user-error.ts";
import { compileCommitted, outdated, write } from "./committed.ts";

async function main(): Promise<void> {
  const texts = await compileCommitted();
  const others = await outdated(texts);
  const files = [...others.keys()].join(", ");
  if (others.size === 0) {
    console.log(`${texts.size} committed migrations are up to date.`);
    return;
  }
  if (process.argv.includes("--check"))
    throw new UserError(
      `These migrations are not what their fixtures say, run \`npm run migrations:recommit\`: ${files}.`,
    );
  await write(others);
  console.log(`Wrote ${files}.`);
}

try {
  await main();
} catch (error) {
  console.error(`attune: ${messageOf(error)}`);
  process.exitCode = 1;
}
