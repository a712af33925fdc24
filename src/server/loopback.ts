/** Which addresses are this machine's own, that no other can reach. */
import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/** @param host a name or an address, which in a URL may stand in brackets */
export function isLoopback(host: string): boolean {
  const address = host.replace(/^\[(.*)\]$/, "$1");
  const version = isIP(address);
  return version === 0
    ? address.toLowerCase() === "localhost"
    : LOOPBACK.check(address, version === 4 ? "ipv4" : "ipv6");
}
