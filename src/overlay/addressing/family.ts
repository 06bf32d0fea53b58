// What differs between the two families of addresses: words of nftables, next hops, lengths. States
// and rules are made once per family from the same text, so that both promise the same.
import {
  UPLINK_HOST_ADDRESS,
  UPLINK_SANDBOX_ADDRESS,
  WAY_BACK_ADDRESS,
  isIpv4,
  isIpv6,
  tunnelAddress,
} from './addressing.ts';
import type { LocalAttachment, OverlayNetwork } from '../kernel/index.ts';

export interface Family {
  /** Family of the nftables table, and the word for the header in its rules. */
  readonly word: 'ip' | 'ip6';
  readonly type: 'ipv4_addr' | 'ipv6_addr';
  readonly icmp: 'icmp' | 'icmpv6';
  readonly everything: string;
  readonly loopback: string;
  /** Prefix length of a single address. */
  readonly bits: 32 | 128;
  /** Next hops that every uplink shares; the ends have permanent neighbours. */
  readonly uplinkHost: string;
  readonly uplinkSandbox: string;
  /** Next hop of replies to the clients of other hosts. */
  readonly wayBack: string;
  readonly is: (this: void, address: string) => boolean;
  /** Next hop to a host on every network. */
  tunnel(hostNumber: number): string;
}

export const IPV4: Family = {
  word: 'ip',
  type: 'ipv4_addr',
  icmp: 'icmp',
  everything: '0.0.0.0/0',
  loopback: '127.0.0.0/8',
  bits: 32,
  uplinkHost: UPLINK_HOST_ADDRESS,
  uplinkSandbox: UPLINK_SANDBOX_ADDRESS,
  wayBack: WAY_BACK_ADDRESS,
  is: isIpv4,
  tunnel: tunnelAddress,
};

/** Next hops are link-local: they mean something on their own link alone. */
export const IPV6: Family = {
  word: 'ip6',
  type: 'ipv6_addr',
  icmp: 'icmpv6',
  everything: '::/0',
  loopback: '::1/128',
  bits: 128,
  uplinkHost: 'fe80::fffe',
  uplinkSandbox: 'fe80::fffd',
  wayBack: 'fe80::63:fffe',
  is: isIpv6,
  tunnel: (hostNumber) => `fe80::63:${hostNumber.toString(16)}`,
};

/** The IPv6 gateway of every task, whatever its network. */
export const TASK_GATEWAY6 = 'fe80::1';
/**
 * The host's own address on uplinks: what it asks tasks from when it has no other. It is
 * deprecated from the start, so that nothing else is ever sent from it.
 */
export const UPLINK_HOST_ULA = 'fd73:7377:6172:6d00::fffe';

/** The subnet of a family; at most one is in use. */
export function subnetOf(
  network: OverlayNetwork,
  family: Family,
): OverlayNetwork['subnets'][number] | undefined {
  return network.subnets.find(({ subnet }) => family.is(subnet));
}

export function hasIpv6(network: OverlayNetwork): boolean {
  return subnetOf(network, IPV6) !== undefined;
}

/** IPv4 is always there: v6-only networks are refused by the managers. */
export function familiesOf(network: OverlayNetwork): readonly Family[] {
  return hasIpv6(network) ? [IPV4, IPV6] : [IPV4];
}

export interface OwnAddress {
  /** With prefix length. */
  readonly address: string;
  /** Of the subnet; not the next hop in IPv6. */
  readonly gateway: string;
}

/** The addresses of one interface in a family. */
export function ownAddress(attachment: LocalAttachment, family: Family): OwnAddress | undefined {
  if (family === IPV4) return { address: attachment.address, gateway: attachment.gateway };
  return attachment.ipv6;
}
