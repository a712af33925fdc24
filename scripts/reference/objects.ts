/** Where each object of SQL is documented: which page, which group, which heading. */
import type { Catalogue, Routine, Table, Type } from "../catalogue.ts";
import { headingAnchor } from "./markdown.ts";
import type { Subject } from "./subjects.ts";

type Place = { name: string; subject: string; anchor: string };
export type SqlObject = Place &
  (
    { group: "Tables"; it: Table } | { group: "Functions" | "For policies"; it: Routine } | { group: "Types"; it: Type }
  );

/** In the order of a page. */
export const GROUPS = ["Tables", "Functions", "Types", "For policies"] as const;

/**
 * Every object with its place, in the order of the pages.
 * @param makers the subject of each object, see `readMakers`
 * @throws when no migration says that it creates an object
 */
export function placeObjects(catalogue: Catalogue, subjects: Subject[], makers: Map<string, string>): SqlObject[] {
  const place = (kind: string, { schema, name }: { schema: string; name: string }): Place => {
    const subject = makers.get(`${kind} ${schema}.${name}`);
    if (subject === undefined) throw new Error(`No committed migration creates the ${kind} ${schema}.${name}.`);
    return { name: `${schema}.${name}`, subject, anchor: "" };
  };
  const objects: SqlObject[] = [
    ...catalogue.tables.map((it) => ({ group: "Tables" as const, it, ...place("table", it) })),
    ...catalogue.routines.map((it) => ({
      group: it.schema === "attune_hidden" ? ("For policies" as const) : ("Functions" as const),
      it,
      ...place("function", it),
    })),
    ...catalogue.types.map((it) => ({ group: "Types" as const, it, ...place("type", it) })),
  ];
  return subjects.flatMap((subject) => {
    const seen = new Map<string, number>();
    return GROUPS.flatMap((group) =>
      objects.filter((object) => object.subject === subject.name && object.group === group),
    ).map((object) => ({ ...object, anchor: headingAnchor(object.name, seen) }));
  });
}

/**
 * A link to an object's heading.
 * @param folder where the pages of the schema are, as the page with the link sees it
 */
export function linkTo({ name, subject, anchor }: SqlObject, folder: string): string {
  return `[\`${name}\`](${folder}${subject}.md#${anchor})`;
}
