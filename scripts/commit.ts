/**
 * Commits migrations/current.sql as the next migration, after all of them were applied to an empty PostgreSQL.
 *
 *   npm run migrations:commit -- "my subject"
 */
import { messageOf, UserError } from "../src/user-error.ts";
import { commitCurrent } from "./committed.ts";

try {
  const [message, ...others] = process.argv.slice(2);
  if (message === undefined || others.length > 0)
    throw new UserError('Say what the migration is for: npm run migrations:commit -- "my subject".');
  const file = await commitCurrent(message);
  console.log(
    `Wrote migrations/committed/${file}.\nIts way back goes into migrations/rollback/${file}, and then: npm run schema && npm run reference`,
  );
} catch (error) {
  console.error(`attune: ${messageOf(error)}`);
  process.exitCode = 1;
}
