/** How the value of a variable is read: each refuses a wrong one in one sentence that names the variable. */
import { createPublicKey } from "node:crypto";
import { isIP } from "node:net";
import { isLoopback } from "../server/loopback.ts";
import { UserError } from "../user-error.ts";

/** Reads a value that is there, without blanks around it, or throws a UserError that says what it must be. */
export type Parser<Value> = (value: string, name: string) => Value;

export const text: Parser<string> = (value) => value;

export function integer(min: number, max: number): Parser<number> {
  return (value, name) => {
    const number = /^\d{1,9}$/.test(value) ? Number(value) : NaN;
    if (!(number >= min && number <= max)) {
      throw new UserError(`${name} must be a whole number from ${min} to ${max}, not "${value}".`);
    }
    return number;
  };
}

export function oneOf(allowed: readonly string[]): Parser<string> {
  return (value, name) => {
    if (!allowed.includes(value)) throw new UserError(`${name} must be one of ${allowed.join(", ")}, not "${value}".`);
    return value;
  };
}

export const flag: Parser<boolean> = (value, name) => oneOf(["true", "false"])(value, name) === "true";

export function majorVersion(majors: readonly number[]): Parser<number> {
  return (value, name) => {
    const major = Number(value);
    if (!majors.includes(major)) {
      throw new UserError(`${name} must be ${majors.slice(0, -1).join(", ")} or ${majors.at(-1)}, not "${value}".`);
    }
    return major;
  };
}

/** The value itself is not repeated in the message: it usually holds a password. */
export const postgresUrl: Parser<string> = (value, name) => {
  const url = parseUrl(value);
  if (url === undefined || !/^postgres(ql)?:$/.test(url.protocol) || url.pathname.length < 2) {
    throw new UserError(`${name} must look like postgres://user:password@host:5432/database.`);
  }
  return value;
};

export const secret: Parser<string> = (value, name) => {
  if (Buffer.byteLength(value) < 32) {
    throw new UserError(`${name} must have at least 32 bytes; \`openssl rand -base64 48\` makes one.`);
  }
  return value;
};

/** As `attune_private.offered_key` reads it. */
export function isMasterKey(value: unknown): value is string {
  return typeof value === "string" && /^(?:[0-9A-Fa-f]{64}|[A-Za-z0-9+/_-]{43}=?)$/.test(value);
}

export const masterKey: Parser<string> = (value, name) => {
  if (!isMasterKey(value)) {
    throw new UserError(
      `${name} must be 32 bytes, in base64 or as 64 hexadecimal digits; \`openssl rand -base64 32\` makes one.`,
    );
  }
  return value;
};

export const origins: Parser<string[]> = (value, name) =>
  list(value).map((origin) => {
    if (origin !== "*" && !(/^https?:/.test(origin) && parseUrl(origin)?.origin === origin)) {
      throw new UserError(
        `${name} must be a comma-separated list of origins like https://app.example.com, not "${origin}".`,
      );
    }
    return origin;
  });

export const proxies: Parser<number | string[]> = (value, name) => {
  if (/^[1-9]\d?$/.test(value)) return Number(value);
  const addresses = list(value);
  if (!addresses.every(isNetwork)) {
    throw new UserError(
      `${name} must be the number of proxies in front of the server, or their addresses like 10.0.0.0/8, not "${value}".`,
    );
  }
  return addresses;
};

export const webUrl: Parser<string> = (value, name) => {
  if (!/^https?:$/.test(parseUrl(value)?.protocol ?? "")) {
    throw new UserError(`${name} must be an http or https address, like https://id.example.com/.well-known/jwks.json.`);
  }
  return value;
};

export const redirectUrl: Parser<string> = (value, name) => {
  if (!isSafeUrl(value) || value.includes("#")) {
    throw new UserError(
      `${name} must be an https address of your application without #, like https://app.example.com/signed-in.`,
    );
  }
  return value;
};

export const publicUrl: Parser<string> = (value, name) => {
  if (!isSafeUrl(value) || /[?#]/.test(value)) {
    throw new UserError(
      `${name} must be the https address under which browsers reach this server, like https://settings.example.com.`,
    );
  }
  return value.replace(/\/+$/, "");
};

export const issuerUrl: Parser<string> = (value, name) => {
  if (!isSafeUrl(value)) {
    throw new UserError(`${name} must be an https address like https://id.example.com, not "${value}".`);
  }
  return value;
};

export const scopes: Parser<string> = (value, name) => {
  if (!value.split(/\s+/).includes("openid")) {
    throw new UserError(`${name} must have openid among them, like "openid email profile".`);
  }
  return value;
};

export const publicKey: Parser<string> = (value, name) => {
  const pem = value.replaceAll("\\n", "\n");
  if (pem.includes("PRIVATE KEY")) throw new UserError(`${name} holds a private key; give only the public one.`);
  let type: string | undefined;
  let bits: number | undefined;
  try {
    const key = createPublicKey(pem);
    type = key.asymmetricKeyType;
    bits = key.asymmetricKeyDetails?.modulusLength;
  } catch {
    throw new UserError(`${name} must be a public key in PEM form (-----BEGIN PUBLIC KEY-----).`);
  }
  if (type !== "ec" && !(type === "rsa" && (bits ?? 0) >= 2048)) {
    throw new UserError(`${name} must be an RSA key of 2048 bits or more, or an EC key.`);
  }
  return pem;
};

function list(value: string): string[] {
  return value
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
}

function parseUrl(value: string): URL | undefined {
  return URL.canParse(value) ? new URL(value) : undefined;
}

/** Tokens travel over https, or stay on this machine. */
function isSafeUrl(value: string): boolean {
  const url = parseUrl(value);
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
}

function isNetwork(value: string): boolean {
  const [address = "", prefix] = value.split("/");
  const version = isIP(address);
  if (version === 0 || prefix === undefined) return version !== 0;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
}
