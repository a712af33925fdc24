/** `attune url`: the connection string, for psql and the like. */
import { Command } from "commander";
import { authenticatorUrlOf } from "../database/authenticator.ts";
import { clusterState } from "../embedded/cluster.ts";
import { readOptions } from "../options/options.ts";
import { UserError } from "../user-error.ts";
import { serversElsewhere } from "./servers.ts";

export function urlCommand(): Command {
  return new Command("url")
    .description("print the connection string of the database, as the server connects (the role authenticator)")
    .option("--owner", "as the owner, who may do everything")
    .addHelpText("after", '\nExample:\n  psql "$(npx attune url --owner)"')
    .action(async ({ owner }: { owner?: true }) => {
      const options = readOptions(process.env);
      if (options.databaseUrl !== undefined) {
        console.log(owner === true ? options.databaseUrl : authenticatorUrlOf(options, options.databaseUrl, undefined));
        return;
      }
      const cluster = await clusterState(options.dataDir);
      if (cluster.state !== "running") {
        throw new UserError(
          `The embedded PostgreSQL in ${options.dataDir} is not running: \`npm start\` starts it.${await serversElsewhere(options.dataDir)}`,
        );
      }
      console.log(owner === true ? cluster.ownerUrl : cluster.authenticatorUrl);
    });
}
