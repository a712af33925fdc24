/** Tokens put together by hand: as a provider signs them, and as an attacker would. */
import { constants, createHmac, type KeyObject, sign } from "node:crypto";

/** How the algorithms of asymmetric keys sign. */
const SIGN = {
  RS256: (content: string, key: KeyObject) => sign("sha256", Buffer.from(content), key),
  RS512: (content: string, key: KeyObject) => sign("sha512", Buffer.from(content), key),
  PS256: (content: string, key: KeyObject) =>
    sign("sha256", Buffer.from(content), { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }),
  ES256: (content: string, key: KeyObject) => sign("sha256", Buffer.from(content), { key, dsaEncoding: "ieee-p1363" }),
};

/** A part of a token: JSON, or text that is to stand there as it is. */
export function encode(part: unknown): string {
  return Buffer.from(typeof part === "string" ? part : (JSON.stringify(part) ?? "")).toString("base64url");
}

/** A token with whatever header and claims, and an HMAC of a secret; without one its signature is empty. */
export function forge(header: unknown, payload: unknown, secret?: string | Buffer, hash = "sha256"): string {
  const content = `${encode(header)}.${encode(payload)}`;
  return `${content}.${secret === undefined ? "" : createHmac(hash, secret).update(content).digest("base64url")}`;
}

/** A token as a provider signs it: by RS256 or ES256, as its key is, unless the header names another algorithm. */
export function signedBy(
  key: KeyObject,
  payload: unknown,
  header: { alg?: keyof typeof SIGN; kid?: unknown } = {},
): string {
  const { alg = key.asymmetricKeyType === "ec" ? "ES256" : "RS256" } = header;
  const content = `${encode({ alg, typ: "JWT", ...header })}.${encode(payload)}`;
  return `${content}.${SIGN[alg](content, key).toString("base64url")}`;
}

/** The claims with a lifetime from now, in seconds. */
export function lasting<Claims extends object>(claims: Claims, seconds = 60): Claims & { iat: number; exp: number } {
  const iat = Math.floor(Date.now() / 1000);
  return { iat, exp: iat + seconds, ...claims };
}
