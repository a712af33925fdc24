/** JSON values of a shape: as GraphQL reads them, and as JSON has what a client sent. */
import { RequestError } from "../server/request-error.ts";
import { INT, isSchema, type Nullable, type Shape, type Value } from "./json-shapes.ts";

/**
 * A value as GraphQL has it. What is inside an object is read when it is asked for.
 * @throws RequestError when it is none of this shape
 */
export function readValue(value: Value, json: unknown): unknown {
  const read = ({ shape, mayBeNull }: Nullable, given: unknown): unknown => {
    const fits = given === null || given === undefined ? mayBeNull : isOfShape(shape, given);
    if (!fits) throw unexpectedValue(value.path);
    if (shape.kind === "scalar" && JSON.isRawJSON(given)) return read({ shape, mayBeNull }, Number(given.rawJSON));
    return shape.kind === "list" && Array.isArray(given) ? given.map((item) => read(shape.items, item)) : given;
  };
  return read(value, json);
}

function isOfShape(shape: Shape, given: unknown): boolean {
  if (shape.kind === "scalar") return isOfScalar(shape.type, JSON.isRawJSON(given) ? Number(given.rawJSON) : given);
  if (shape.kind === "enum") return typeof given === "string" && shape.words.some(({ word }) => word === given);
  if (shape.kind === "list") return Array.isArray(given);
  return shape.kind === "json" || (isSchema(given) && !JSON.isRawJSON(given));
}

function isOfScalar(type: (Shape & { kind: "scalar" })["type"], given: unknown): boolean {
  if (type === "String" || type === "Boolean") return typeof given === type.toLowerCase();
  if (typeof given !== "number" || !Number.isFinite(given)) return false;
  return type === "Float" || (Number.isInteger(given) && given >= -INT && given < INT);
}

function unexpectedValue(path: string): RequestError {
  return new RequestError(
    500,
    "unexpected_value",
    `${path} has a value that its type can't hold`,
    "Read it as JSON, with effectiveSetting. If the setting's schema was changed while the server runs, start the server anew.",
  );
}

/** What a client sent, with the names that JSON has. */
export function writeValue(shape: Shape, given: unknown): unknown {
  if (shape.kind === "list" && Array.isArray(given)) return given.map((item) => writeValue(shape.items.shape, item));
  if (shape.kind !== "object" || !isSchema(given)) return given;
  return Object.fromEntries(
    shape.members
      .filter(({ field }) => given[field] !== undefined)
      .map((member) => [member.name, writeValue(member.shape, given[member.field])]),
  );
}

/** A member of an object as JSON has it; undefined when it is not there. */
export function memberOf(object: unknown, name: string): unknown {
  return isSchema(object) && Object.hasOwn(object, name) ? object[name] : undefined;
}
