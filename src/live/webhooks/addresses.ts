import { BlockList, isIP } from 'node:net';

/**
 * Which addresses a webhook may be sent to. A customer chooses the URL, the service makes the connection: without this
 * guard the service could be made to speak with itself, with the cloud's metadata service or with its neighbours
 * (server-side request forgery, OWASP API7:2023). Refused is all that is not the public internet.
 *
 * @source IANA IPv4 and IPv6 Special-Purpose Address Registries, as the Svix server lists them; 2001::/23 (protocol
 *         assignments, Teredo among them), ::/96 (IPv4-compatible, RFC 4291 2.5.5.1) and fec0::/10 (site-local, RFC 3879)
 *         stand here as well. Addresses of version 6 that carry one of version 4 (::ffff:0:0/96, 64:ff9b::/96, 2002::/16)
 *         are refused whole: a receiver on the public internet has an address of its own.
 */
type Range = readonly [network: string, prefix: number, what: string];

const RANGES_V4: readonly Range[] = [
  ['0.0.0.0', 8, 'this network'],
  ['10.0.0.0', 8, 'a private network'],
  ['100.64.0.0', 10, 'shared by a carrier'],
  ['127.0.0.0', 8, 'loopback'],
  ['169.254.0.0', 16, 'link-local, where clouds keep their metadata'],
  ['172.16.0.0', 12, 'a private network'],
  ['192.0.0.0', 24, 'kept for protocols'],
  ['192.0.2.0', 24, 'for documentation'],
  ['192.88.99.0', 24, 'an old relay'],
  ['192.168.0.0', 16, 'a private network'],
  ['198.18.0.0', 15, 'for benchmarks'],
  ['198.51.100.0', 24, 'for documentation'],
  ['203.0.113.0', 24, 'for documentation'],
  ['224.0.0.0', 4, 'multicast'],
  ['240.0.0.0', 4, 'reserved'],
];

const RANGES_V6: readonly Range[] = [
  ['::1', 128, 'loopback'],
  ['::', 96, 'unspecified or an IPv4 address in an old form'],
  ['::ffff:0:0', 96, 'an IPv4 address in the form of IPv6'],
  ['64:ff9b::', 96, 'an IPv4 address behind a translator'],
  ['64:ff9b:1::', 48, 'an IPv4 address behind a translator'],
  ['100::', 64, 'discarded'],
  ['2001::', 23, 'kept for protocols'],
  ['2001:db8::', 32, 'for documentation'],
  ['2002::', 16, 'an IPv4 address behind a relay'],
  ['3fff::', 20, 'for documentation'],
  ['5f00::', 16, 'for segment routing'],
  ['fc00::', 7, 'a private network'],
  ['fe80::', 10, 'link-local'],
  ['fec0::', 10, 'site-local'],
  ['ff00::', 8, 'multicast'],
];

const listsOf = (ranges: readonly Range[], type: 'ipv4' | 'ipv6') =>
  ranges.map(([network, prefix, what]) => {
    const list = new BlockList();
    list.addSubnet(network, prefix, type);
    return { list, what };
  });
const LISTS = { 4: listsOf(RANGES_V4, 'ipv4'), 6: listsOf(RANGES_V6, 'ipv6') };

export interface AddressPolicy {
  /** Lets 127.0.0.0/8 and ::1 through, for receivers on the same machine in a test; nothing else. */
  readonly allowLoopback: boolean;
}

/**
 * @param address  as a resolver or a socket gives it: "192.0.2.1", "2001:db8::1"; without brackets
 * @returns        why nothing is sent there; null = it may be
 */
export function addressRefusal(address: string, { allowLoopback }: AddressPolicy): string | null {
  const version = isIP(address);
  if ((version !== 4 && version !== 6) || address.includes('%')) return `${address} is no plain address`;
  const found = LISTS[version].find(({ list }) => list.check(address, version === 4 ? 'ipv4' : 'ipv6'));
  if (found === undefined || (allowLoopback && found.what === 'loopback')) return null;
  return `${address} is ${found.what}`;
}
