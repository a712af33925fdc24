/** `attune definitions apply|export`: an application's settings as a file in its repository. */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { Command, Option } from "commander";
import type pg from "pg";
import { inTransaction, withClient } from "../database/client.ts";
import { parseJson } from "../json.ts";
import { RequestError } from "../server/request-error.ts";
import { checkJson } from "../storable.ts";
import { codeOf, messageOf, UserError } from "../user-error.ts";
import { decodeUtf8 } from "../utf8.ts";
import { plural } from "../words.ts";
import { columns, readInput } from "./terminal.ts";
import { withDatabase } from "./with-database.ts";

type Change = {
  action: "added" | "changed" | "removed" | "unchanged" | "skipped";
  key: string;
  /** What differs, by column: { default_value: { from, to } } */
  detail: Record<string, { from: unknown; to: unknown }>;
  /** Values that people have set and that would no longer be allowed. */
  storedValues: number;
  /** Why it was left out; null when it was not, or is no setting. */
  problem: string | null;
  warnings: string[];
};

type ApplyOptions = { stored: string; skipInvalid: boolean };

export function definitionsCommand(): Command {
  return new Command("definitions")
    .description("bring the registry of settings in line with a file, or write such a file")
    .addCommand(applyCommand())
    .addCommand(exportCommand());
}

function applyCommand(): Command {
  return new Command("apply")
    .description(
      "add, change and remove the definitions of one source so that they are what the file says; prints each before it is done",
    )
    .argument(
      "<file>",
      "a JSON Schema object whose properties are the settings, or an editor extension's package.json; - reads the standard input",
    )
    .option("--dry-run", "only print what would be done")
    .option(
      "--source <name>",
      "what its settings are known by again; default its $id or title, else the name of the file",
    )
    .option("--skip-invalid", "leave out, and as they are, the settings that can't be applied, and do the rest")
    .addOption(
      new Option("--stored <action>", "what to do with values people have set that would no longer be allowed")
        .choices(["refuse", "discard"])
        .default("refuse"),
    )
    .action(async (file: string, { dryRun, source, stored, skipInvalid = false }: ApplyFlags) => {
      const document = settingsDocument(await readJson(file), file, source);
      const options = { stored, skipInvalid };
      await withDatabase({ migrate: "existing" }, ({ ownerUrl }) =>
        withClient(ownerUrl, (client) =>
          inTransaction(client, async () => {
            const changes = await apply(client, document, true, options);
            for (const line of describe(changes)) console.log(line);
            if (changes.every(({ action }) => action === "unchanged" || action === "skipped")) return;

            const broken = changes.filter(({ storedValues }) => storedValues > 0);
            if (broken.length > 0 && stored === "refuse") {
              const list = broken.map(({ key, storedValues }) => `${key} (${storedValues})`).join(", ");
              throw new UserError(
                `Nothing was done, because values that people have set would no longer be allowed: ${list}; have them changed, or say --stored discard to delete them.`,
              );
            }
            if (dryRun === true) console.log("Nothing was done: this was a dry run.");
            else await apply(client, document, false, options);
          }),
        ),
      );
    });
}

type ApplyFlags = { dryRun?: true; source?: string; stored: string; skipInvalid?: boolean };

function exportCommand(): Command {
  return new Command("export")
    .description("print the definitions of one source as the document that `apply` takes")
    .option(
      "--source <name>",
      "the $id (or title) of the document they came from; without it, those that were made by hand",
    )
    .action(({ source }: { source?: string }) =>
      withDatabase({ migrate: "existing" }, ({ ownerUrl }) =>
        withClient(ownerUrl, async (client) => {
          const {
            rows: [row],
          } = await client.query<{ document: object; empty: boolean; sources: string[] }>(
            `select d as document,
                    d -> 'properties' = '{}' as empty,
                    array(select distinct source from attune.setting_definitions where source is not null order by 1) as sources
             from attune.export_definitions($1) as d`,
            [source ?? null],
          );
          if (row === undefined || row.empty) {
            throw new UserError(
              `There are no definitions ${source === undefined ? "made by hand" : `of the source ${source}`}; the sources are ${row?.sources.join(", ")}.`,
            );
          }
          console.log(JSON.stringify(row.document, null, 2));
        }),
      ),
    );
}

async function apply(
  client: pg.Client,
  document: object,
  dryRun: boolean,
  { stored, skipInvalid }: ApplyOptions,
): Promise<Change[]> {
  const { rows } = await client.query<{
    action: Change["action"];
    key: string;
    detail: Change["detail"] | null;
    stored_values: string;
    problem: string | null;
    warnings: string[];
  }>(
    `select action, key, changes as detail, stored_values, problem, warnings
     from attune.apply_definitions($1::jsonb, $2, $3, $4)`,
    [JSON.stringify(document), dryRun, stored, skipInvalid],
  );
  return rows.map(({ detail, stored_values, ...change }) => ({
    ...change,
    detail: detail ?? {},
    storedValues: Number(stored_values),
  }));
}

function describe(changes: Change[]): string[] {
  const signs = { added: "+", changed: "~", removed: "-", skipped: "!" };
  const rows = changes.flatMap(({ action, key, detail, storedValues, problem }): [string, string][] => {
    if (action === "unchanged") return [];
    if (action === "skipped") return [[`${signs[action]} ${key}`, `skipped: ${problem ?? "no setting"}`]];
    const differences =
      action === "changed"
        ? Object.entries(detail).map(([name, { from, to }]) => `${name} ${short(from)} -> ${short(to)}`)
        : [];
    const lost = storedValues > 0 ? [`${plural(storedValues, "stored value")} no longer allowed`] : [];
    return [[`${signs[action]} ${key}`, [...differences, ...lost].join("; ")]];
  });
  const count = (action: Change["action"]): string =>
    `${changes.filter((change) => change.action === action).length} ${action}`;
  const skipped = changes.some(({ action }) => action === "skipped") ? `, ${count("skipped")}` : "";
  return [
    ...columns(rows),
    ...changes
      .filter(({ action }) => action !== "skipped")
      .flatMap(({ warnings }) => warnings.map((warning) => `warning: ${warning}`)),
    `${count("added")}, ${count("changed")}, ${count("removed")}, ${count("unchanged")}${skipped}.`,
  ];
}

function short(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

async function readJson(file: string): Promise<unknown> {
  let bytes: Buffer;
  try {
    bytes = file === "-" ? await readInput() : await readFile(file);
  } catch (error) {
    throw new UserError(
      codeOf(error) === "ENOENT"
        ? `There is no file ${file}.`
        : `${file} can't be read (${codeOf(error) ?? messageOf(error)}).`,
    );
  }
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new UserError(`${file} is not text in UTF-8.`);
  let content: unknown;
  try {
    content = parseJson(withoutNul(text.replace(/^\uFEFF/, "")));
  } catch (error) {
    throw new UserError(`${file} is not JSON: ${messageOf(error)}.`);
  }
  try {
    checkJson(content, { within: undefined, name: file });
  } catch (error) {
    throw error instanceof RequestError ? new UserError(`${error.message}.`) : error;
  }
  return content;
}

/** No database keeps U+0000 in a text; in a `pattern` its escape says the same. */
function withoutNul(json: string): string {
  return json.replaceAll(/"pattern"\s*:\s*"(?:[^"\\]|\\.)*"/g, (member) =>
    member.replaceAll(/\\(?:u0000|.)/g, (escape) => (escape === String.raw`\u0000` ? String.raw`\\u0000` : escape)),
  );
}

/**
 * Finds the settings in what was read: the document itself, or what an editor extension contributes by its
 * package.json, in one group or several. A document without a name gets that of its file.
 */
function settingsDocument(content: unknown, file: string, source?: string): object {
  if (isObject(content)) {
    const contributed = isObject(content["contributes"]) ? content["contributes"]["configuration"] : undefined;
    if (contributed === undefined) {
      if (source !== undefined) return { ...content, $id: source };
      const isNamed = ["$id", "id", "title"].some((name) => typeof content[name] === "string");
      return isNamed || file === "-" ? content : { $id: basename(file, ".json"), ...content };
    }
    const groups = (Array.isArray(contributed) ? contributed : [contributed]).filter(isObject);
    const id = [content["publisher"], content["name"]].filter((part) => typeof part === "string").join(".");
    return {
      $id: source ?? id,
      properties: Object.fromEntries(groups.flatMap(({ properties }) => Object.entries(properties ?? {}))),
    };
  }
  throw new UserError(`${file} must hold a JSON object whose properties are the settings.`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !JSON.isRawJSON(value);
}
