/** What Attune is run by: the image, the compose file and the unit of systemd fit the program that they run. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { VARIABLES } from "../src/options/variables.ts";

const ROOT = join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
/** Of others than Attune. */
const FOREIGN = new Set(["NODE_ENV", "POSTGRES_DB", "POSTGRES_PASSWORD", "OWNER_PASSWORD", "PGBOUNCER_PASSWORD"]);
const known = (name: string): boolean => name in VARIABLES || FOREIGN.has(name);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "attune-packaging-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

type Service = {
  image?: string;
  build?: string;
  environment: Record<string, string>;
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  read_only?: boolean;
  ports?: string[];
  stop_grace_period?: string;
};
const compose = parse(read("compose.yaml")) as {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean } | null>;
};
const services = Object.entries(compose.services);

/** Seconds that a server needs to stop at most: for requests, then for the database and the last traces. */
const STOPPING = VARIABLES.DRAIN_TIMEOUT.fallback + 5;

describe("the image", () => {
  const dockerfile = read("Dockerfile");
  const lines = dockerfile.split("\n");

  test("has all that the server needs, and nothing but what is named", () => {
    const copied = lines.flatMap((line) => (/^COPY (?!--from)(.+)$/.exec(line)?.[1]?.split(" ") ?? []).slice(0, -1));
    const allowed = read(".dockerignore")
      .split("\n")
      .flatMap((line) => (line.startsWith("!") ? [line.slice(1)] : []));
    expect(allowed.toSorted()).toEqual([...new Set(copied)].toSorted());
    const image = join(folder, "image");
    for (const name of copied) cpSync(join(ROOT, name), join(image, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(image, "node_modules"));
    const script =
      'await import("./src/server/server.ts"); await import("./src/commands/start.ts"); await import("./src/observation/tracing.ts");';
    const loaded = spawnSync(process.execPath, ["--input-type=module", "-e", script], { cwd: image, encoding: "utf8" });
    expect([loaded.status, loaded.stderr]).toEqual([0, ""]);
    const sql = spawnSync(process.execPath, ["src/cli.ts", "sql"], {
      cwd: image,
      encoding: "utf8",
      stdio: ["ignore", "ignore", "pipe"],
    });
    expect([sql.status, sql.stderr]).toEqual([0, ""]);
  });

  test("runs as nobody special, is asked for its health, and is told to stop", () => {
    expect(lines).toContain("USER node");
    expect(dockerfile).toContain("/api/health");
    // A shell in between would keep signals to itself.
    expect(dockerfile).toMatch(/^ENTRYPOINT \["node", "src\/cli\.ts"\]$/m);
    expect(dockerfile).toMatch(/^FROM node:24-/m);
    const names = lines
      .flatMap((line) => (line.startsWith("ENV ") ? line.slice(4).split(" ") : []))
      .map((pair) => pair.split("=")[0] ?? "");
    expect(names.filter((name) => !known(name))).toEqual([]);
  });
});

describe("the compose file", () => {
  test("names variables that there are, and has no secret of its own", () => {
    for (const [, { environment }] of services) {
      expect(Object.keys(environment).filter((name) => !known(name))).toEqual([]);
      for (const [name, value] of Object.entries(environment)) {
        if (!/PASSWORD|SECRET|KEY|URL/.test(name) || value.endsWith(":-}")) continue;
        expect(`${name}: ${value}`).toMatch(/\$\{\w+:\?run deploy\/make-secrets\.sh\}/);
      }
    }
    const required = [...read("compose.yaml").matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name);
    const secrets = join(folder, "secrets");
    cpSync(join(ROOT, "deploy"), join(secrets, "deploy"), { recursive: true });
    const make = (): number | null => spawnSync("sh", ["deploy/make-secrets.sh"], { cwd: secrets }).status;
    expect(make()).toBe(0);
    const made = readFileSync(join(secrets, ".env"), "utf8");
    const environment = Object.fromEntries(
      made
        .trim()
        .split("\n")
        .map((line) => line.split("=")),
    );
    expect(Object.keys(environment)).toEqual(expect.arrayContaining([...new Set(required)]));
    for (const name of ["JWT_SECRET", "ATTUNE_MASTER_KEY", "METRICS_TOKEN"] as const)
      expect(() => VARIABLES[name].parse(environment[name], name)).not.toThrow();
    // What is there stays.
    expect(make()).toBe(1);
    expect(readFileSync(join(secrets, ".env"), "utf8")).toBe(made);
  });

  test("starts each when what it needs is well, and shows the server to this machine alone", () => {
    for (const [name, { image, build, healthcheck, depends_on: needs = {} }] of services) {
      const isChecked =
        healthcheck !== undefined || (build !== undefined && read(join(build, "Dockerfile")).includes("HEALTHCHECK"));
      expect([name, image === undefined ? isChecked : healthcheck !== undefined]).toEqual([name, true]);
      for (const [other, { condition }] of Object.entries(needs)) {
        expect(compose.services).toHaveProperty(other);
        expect(condition).toBe("service_healthy");
      }
    }
    expect(services.flatMap(([, { ports = [] }]) => ports)).toEqual(["127.0.0.1:5678:5678"]);
    expect(compose.networks["inside"]).toEqual({ internal: true });
    expect(parseInt(compose.services["server"]?.stop_grace_period ?? "", 10)).toBeGreaterThanOrEqual(STOPPING);
  });
});

describe("the unit", () => {
  const unit = read("deploy/attune.service");
  const option = (name: string): string | undefined => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1];

  test("waits as long as the server may need to stop, and gives it no right that it does not need", () => {
    expect(Number(option("TimeoutStopSec"))).toBeGreaterThanOrEqual(STOPPING);
    expect(option("ExecStart")).toBe("/opt/attune/node_modules/node/bin/node src/cli.ts start");
    expect(["DynamicUser", "NoNewPrivileges", "ProtectSystem", "CapabilityBoundingSet"].map(option)).toEqual([
      "yes",
      "yes",
      "strict",
      "",
    ]);
  });

  test.runIf(spawnSync("systemd-analyze", ["--version"]).status === 0)("is one that systemd takes", () => {
    const file = join(folder, "attune.service");
    writeFileSync(file, unit.replace("/opt/attune/node_modules/node/bin/node", process.execPath));
    const { status, stdout, stderr } = spawnSync("systemd-analyze", ["verify", file], { encoding: "utf8" });
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  });
});
