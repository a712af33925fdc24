/** The layers as a naive model has them: who is drawn, which value hides what, and what they make together. */
import murmurhash from "murmurhash3js";
import { isObject, type Json, mergePatch, type Variant } from "./json.ts";

export type Merge = "deep" | "replace";
export type Seeding = "inherit" | "copy";

/** MurmurHash3 by the library that Unleash's own client uses: it hashes bytes, and takes characters for them. */
const hashOf = (text: string, seed: number): number =>
  murmurhash.x86.hash32(Buffer.from(text).toString("latin1"), seed);

/** Unleash's `normalizedStrategyValue`. */
export const bucketOf = (group: string, id: string): number => (hashOf(`${group}:${id}`, 0) % 100) + 1;

/** Unleash's `selectVariant`: the weights, one after the other, share out the numbers from 1 to their sum. */
export function variantOf(variants: Variant[], group: string, id: string): Variant | undefined {
  const total = variants.reduce((sum, { weight }) => sum + weight, 0);
  const target = (hashOf(`${group}:${id}`, 86028157) % total) + 1;
  let upTo = 0;
  return variants.find(({ weight }) => (upTo += weight) >= target);
}

/** What a global value holds for who is in a variant of it. */
export const withVariant = (merge: Merge, value: Json, variant: Variant | undefined): Json => {
  if (variant === undefined) return value;
  return merge === "replace" ? variant.value : mergePatch(value, variant.value);
};

/** Whether a layer's value hides all that is broader. */
export const hidesBroader = (merge: Merge, seeding: Seeding, layer: string, value: Json): boolean =>
  !isObject(value) || merge === "replace" || (seeding === "copy" && layer === "user");

/** What applies, of the default and of the layers that count, broad to narrow. */
export const mergeLayers = (
  merge: Merge,
  seeding: Seeding,
  defaultValue: Json,
  layers: { layer: string; value: Json }[],
): Json =>
  layers.reduce(
    (broader, { layer, value }) => (hidesBroader(merge, seeding, layer, value) ? value : mergePatch(broader, value)),
    defaultValue,
  );
