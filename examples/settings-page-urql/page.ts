/** What the page shows, and what its switches do. */
import type { Client } from "@urql/core";
import {
  ArrangeHereDocument,
  ChangeAppearanceDocument,
  ChooseEverywhereDocument,
  ChooseHereDocument,
  MarkAllReadDocument,
  SettingsPageDocument,
  type SettingsPageQuery,
} from "./requests.ts";

type Where = { project: string };

export async function readPage(client: Client, where: Where, from: "cache-only" | "network-only" | "cache-first") {
  const { data, error } = await client.query(SettingsPageDocument, where, { requestPolicy: from }).toPromise();
  if (data === undefined) throw error ?? new Error("The page is not in the cache");
  return data;
}

/** A part of the page may have been refused: then it is null, and the rest is there. */
export function drawPage({ appPreferences, togglesHere, notificationCounts }: SettingsPageQuery): string[] {
  const toggles = (togglesHere ?? []).map(
    ({ key, value, canEdit }) => `[${value === true ? "x" : " "}] ${key}${canEdit ? "" : " (locked)"}`,
  );
  return [
    `Bell: ${notificationCounts?.unread ?? "?"}`,
    `Theme: ${appPreferences?.interfaceSettings?.theme ?? "?"}`,
    `Rows: ${appPreferences?.interfaceSettings?.rowsPerPage.toFixed(0) ?? "?"}`,
    ...toggles,
  ];
}

export const useDarkTheme = (client: Client) =>
  client.mutation(ChangeAppearanceDocument, { patch: { interfaceSettings: { theme: "dark" } } }).toPromise();

export const toggleEverywhere = (client: Client, key: string, value: boolean, { project }: Where) =>
  client.mutation(ChooseEverywhereDocument, { key, value, project }).toPromise();

export const toggleHere = (client: Client, key: string, value: boolean, { project }: Where) =>
  client.mutation(ChooseHereDocument, { key, value, project }).toPromise();

export const hidePieChartsHere = (client: Client, { project }: Where) =>
  client.mutation(ArrangeHereDocument, { patch: { widgetVisibility: { pieCharts: false } }, project }).toPromise();

export const markAllRead = (client: Client) => client.mutation(MarkAllReadDocument, {}).toPromise();
