/**
 * Installs what package-lock.json names, where it is missing: run before `npm start` and `npm test`, so that a fresh
 * clone needs only Node 20 and npm. Without dependencies itself, and quiet when there is nothing to do.
 * With --dev the packages for tests count too.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const root = new URL("..", import.meta.url);
const dev = process.argv.includes("--dev");

function fail(sentence) {
  console.error(`attune: ${sentence}`);
  process.exit(1);
}

/** The packages of a lock file; none when there is no such file. npm writes its own one last, when all is installed. */
function packages(file) {
  try {
    return JSON.parse(readFileSync(new URL(file, root), "utf8")).packages;
  } catch {
    return {};
  }
}

function isComplete() {
  const installed = packages("node_modules/.package-lock.json");
  return Object.entries(packages("package-lock.json")).every(
    ([path, { version, optional, dev: forTests, devOptional }]) =>
      path === "" || optional || devOptional || (forTests && !dev) || installed[path]?.version === version,
  );
}

if (Number(process.versions.node.split(".")[0]) < 20)
  fail(`Node ${process.versions.node} is too old to install with: use Node 20 or newer.`);

if (!isComplete()) {
  console.error("attune: installing what package-lock.json names (npm ci), which takes a minute…");
  const npm = process.env.npm_execpath;
  const [command, args] = npm === undefined ? ["npm", []] : [process.execPath, [npm]];
  const flags = ["ci", "--loglevel=error", "--no-fund", "--no-audit", ...(dev ? ["--include=dev"] : [])];
  const { status } = spawnSync(command, [...args, ...flags], { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) fail("npm ci failed, for the reason above: mend that and try again.");
}

const node = spawnSync(new URL("node_modules/node/bin/node", root).pathname, ["--version"]);
if (node.status !== 0)
  fail(
    "node_modules has no Node of its own, because npm did not run install scripts: run `npm ci --ignore-scripts=false`.",
  );
