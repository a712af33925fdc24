/** The server as it is deployed, in a process of its own, asked over HTTP on one connection that stays open. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { resolve } from "node:path";

const CLI = resolve(import.meta.dirname, "../src/cli.ts");

export type Service = {
  /** Where GraphQL is asked. */
  address: string;
  /** Sends one query and waits for the whole answer. Any error in it is thrown. */
  graphql: (query: string, token: string) => Promise<unknown>;
  stop: () => Promise<void>;
};

export async function startService(databaseUrl: string, jwtSecret: string): Promise<Service> {
  const child = spawn(process.execPath, [CLI, "start"], {
    env: {
      ...process.env,
      DATABASE_URL: databaseUrl,
      JWT_SECRET: jwtSecret,
      HOST: "127.0.0.1",
      PORT: "0",
      RATE_LIMIT: "0",
      LOG_LEVEL: "silent",
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const address = await announcedAddress(child);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });

  const graphql: Service["graphql"] = async (query, token) => {
    const body = await post(address, agent, token, JSON.stringify({ query }));
    const answer: unknown = JSON.parse(body);
    if (typeof answer !== "object" || answer === null || "errors" in answer)
      throw new Error(`The server answered ${body}`);
    return answer;
  };

  const stop = async (): Promise<void> => {
    agent.destroy();
    child.kill("SIGTERM");
    await once(child, "exit");
  };

  return { address, graphql, stop };
}

async function announcedAddress(child: ChildProcess): Promise<string> {
  let output = "";
  for await (const chunk of child.stdout ?? []) {
    output += String(chunk);
    const address = /http:\S+\/graphql/.exec(output)?.[0];
    if (address !== undefined) {
      child.stdout?.resume();
      return address;
    }
  }
  throw new Error(`The server did not start. ${output}`);
}

function post(address: string, agent: Agent, token: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    };
    const sent = request(address, { agent, method: "POST", headers }, (response) => {
      response.toArray().then((chunks) => resolve(Buffer.concat(chunks).toString()), reject);
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
