/** The header `Accept`, of which Grafserv takes only what is well formed. */
import type { FastifyRequest } from "fastify";
import { httpError } from "./request-error.ts";

const TOKEN = "[!#$%&'+.^_`|~0-9A-Za-z-]+";
const WEIGHT = /^(?:0(?:\.\d*)?|1(?:\.0*)?)$/;
const PARAMETER = `\\s*;\\s*${TOKEN}=(?:${TOKEN}|"(?:[^"\\\\]|\\\\.)*")`;
const RANGE = `(?:\\*/\\*|${TOKEN}/(?:\\*|${TOKEN}))(?:${PARAMETER})*`;
const RANGES = new RegExp(`^\\s*${RANGE}(?:\\s*,\\s*${RANGE})*\\s*$`);

/** @throws RequestError when the header is there and is no list of media ranges (RFC 9110, 12.5.1) */
export async function checkAccept({ headers: { accept } }: FastifyRequest): Promise<void> {
  if (accept === undefined) return;
  const weights = Array.from(accept.matchAll(/;\s*q=([^\s;,]*)/gi), ([, weight = ""]) => weight);
  if (!RANGES.test(accept) || !weights.every((weight) => WEIGHT.test(weight))) throw httpError(406);
}
