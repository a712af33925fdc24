/** What passes through a browser and comes back as it was: encrypted, for one purpose and a short time. */
import { hkdfSync } from "node:crypto";
import { EncryptJWT, jwtDecrypt } from "jose";

/** Where a sealed value may be opened; a value sealed for one purpose is none for another. */
type Purpose = "sign-in" | "link-start" | "link-finish";

export type Seals = {
  seal: (purpose: Purpose, value: object, seconds: number) => Promise<string>;
  /** The value, or undefined when we did not seal it, or did for something else, or too long ago. */
  open: <Value>(purpose: Purpose, sealed: string | undefined) => Promise<Value | undefined>;
};

/** @param secret the one that signs our own tokens; the key is derived from it, and is another */
export function createSeals(secret: string): Seals {
  const key = new Uint8Array(hkdfSync("sha256", secret, "", "attune sealed values", 32));
  return {
    seal: (purpose, value, seconds) =>
      new EncryptJWT({ value })
        .setProtectedHeader({ alg: "dir", enc: "A256GCM" })
        .setAudience(purpose)
        .setExpirationTime(`${seconds}s`)
        .encrypt(key),

    async open<Value>(purpose: Purpose, sealed: string | undefined) {
      if (sealed === undefined) return undefined;
      try {
        const options = {
          audience: purpose,
          keyManagementAlgorithms: ["dir"],
          contentEncryptionAlgorithms: ["A256GCM"],
        };
        const { payload } = await jwtDecrypt(sealed, key, { ...options, requiredClaims: ["exp"] });
        return payload["value"] as Value;
      } catch {
        return undefined;
      }
    },
  };
}
