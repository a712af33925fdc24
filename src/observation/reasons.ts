/** Why requests are refused, as metrics name it: the reasons that are documented, and one word for all others. */
import reasons from "../../schema.reasons.json" with { type: "json" };

const KNOWN: ReadonlySet<string> = new Set(Object.keys(reasons));

/** The reason itself, or `other`: functions that somebody adds to the schema have reasons of their own. */
export function boundedReason(reason: unknown): string {
  return typeof reason === "string" && KNOWN.has(reason) ? reason : "other";
}
