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

/** Finds the address that a request comes from. */
export type AddressOf = (request: Pick<IncomingMessage, "headers" | "socket">) => string;

/**
 * Makes the function that finds where a request comes from: it is what the last trusted proxy wrote into
 * `X-Forwarded-For`, from whose end is counted. Where that is no address, it is our peer's: nobody is left uncounted.
 * @param proxies how many there are, or their addresses and networks; false means none
 */
export function createAddressOf(proxies: number | string[] | false): AddressOf {
  const find = typeof proxies === "number" ? byNumber(proxies) : byAddress(proxies === false ? [] : proxies);
  return ({ headers, socket }) => {
    const peer = cleanAddress(socket.remoteAddress ?? "") ?? NOWHERE;
    return find(peer, String(headers["x-forwarded-for"] ?? "").split(",")) ?? peer;
  };
}

type Find = (peer: string, entries: string[]) => string | undefined;

function byNumber(proxies: number): Find {
  return (_peer, entries) => cleanAddress(entries.at(-proxies) ?? "");
}

/** Goes from machine to machine, as long as they are proxies. */
function byAddress(proxies: string[]): Find {
  const trusted = new BlockList();
  for (const network of proxies) {
    const [address = "", prefix] = network.split("/");
    const family = familyOf(address);
    if (prefix === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(prefix), family);
  }
  return (peer, entries) => {
    let address: string | undefined = peer;
    for (const entry of entries.toReversed()) {
      if (address === undefined || !trusted.check(address, familyOf(address))) break;
      address = cleanAddress(entry);
    }
    return address;
  };
}

/**
 * The address in what a proxy wrote, which may have quotes, a port, brackets and a zone around it. IPv6 comes out in
 * its short form, and IPv4 in IPv6's clothes as IPv4.
 * @returns undefined when there is none
 */
export function cleanAddress(written: string): string | undefined {
  const text = written.trim().replace(/^"(.*)"$/, "$1");
  const bare = /^\[([^\]]*)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  const address = bare.replace(/(?<=:[^%]*)%[^%/]+$/, "");
  if (isIP(address) === 0) return undefined;
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
