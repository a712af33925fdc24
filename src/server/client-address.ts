/** Where a request comes from: one clean address, whatever the proxies in front wrote. */
import type { IncomingMessage } from "node:http";
import { BlockList, isIP, SocketAddress } from "node:net";

declare module "fastify" {
  interface FastifyRequest {
    /** Where the request comes from, an address and nothing else; empty before the first hook. */
    clientAddress: string;
  }
}

/** Of whom nothing is known, as when the connection is gone: counted like any other address. */
const NOWHERE = "0.0.0.0";

/** Whether to believe what the machine at an address says of where a request came from; `hop` 0 is our peer. */
export type Trust = (address: string | undefined, hop: number) => boolean;

/** @param proxies how many there are, or their addresses and networks; false means none */
export function createTrust(proxies: number | string[] | false): Trust {
  if (proxies === false) return () => false;
  if (typeof proxies === "number") return (_address, hop) => hop < proxies;
  const trusted = new BlockList();
  for (const network of proxies) {
    const [address = "", prefix] = network.split("/");
    const family = familyOf(address);
    if (prefix === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(prefix), family);
  }
  return (address) => address !== undefined && trusted.check(address, familyOf(address));
}

/**
 * The address that the last trusted machine says the request came from, walking `X-Forwarded-For` from its end.
 * When it says what is no address, it is the address of our peer: nobody is left uncounted.
 */
export function addressOf({ headers, socket }: Pick<IncomingMessage, "headers" | "socket">, trusts: Trust): string {
  const peer = cleanAddress(socket.remoteAddress ?? "") ?? NOWHERE;
  const forwarded = String(headers["x-forwarded-for"] ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
  let address: string | undefined = peer;
  for (const [hop, entry] of forwarded.toReversed().entries()) {
    if (!trusts(address, hop)) break;
    address = cleanAddress(entry);
  }
  return address ?? peer;
}

/**
 * The address in what a proxy wrote, which may have quotes, a port, brackets and a zone around it. IPv6 comes out in
 * its short form, and IPv4 in IPv6's clothes as IPv4.
 * @returns undefined when there is none
 */
export function cleanAddress(written: string): string | undefined {
  const text = written.trim().replace(/^"(.*)"$/, "$1");
  const bare = /^\[([^\]]*)\](?::\d{1,5})?$/.exec(text)?.[1] ?? /^([\d.]+):\d{1,5}$/.exec(text)?.[1] ?? text;
  const address = bare.replace(/(?<=:[^%]*)%[\w.-]+$/, "");
  // Brackets are for IPv6 alone.
  if (isIP(address) === 0 || (text.startsWith("[") && isIP(address) !== 6)) return undefined;
  return new SocketAddress({ address, family: familyOf(address) }).address.replace(/^::ffff:(?=[\d.]+$)/, "");
}

/** What is counted as one client: an IPv4 address, or the 64 bits of an IPv6 address that a network is given. */
export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [left = [], right = []] = address.split("::").map((half) => (half === "" ? [] : half.split(":")));
  const zeros = address.includes("::") ? Array.from({ length: 8 - left.length - right.length }, () => "0") : [];
  return `${[...left, ...zeros, ...right].slice(0, 4).join(":")}::/64`;
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIP(address) === 6 ? "ipv6" : "ipv4";
}
