// Arithmetic on subnets of both families in CIDR notation.
import { SwarmError } from '../../base/index.ts';
import { addressFamily, addressText, addressValue, type AddressFamily } from './ip-address.ts';

/** A range of addresses of one family: its first address as a number, and the length of its prefix in bits. */
export interface Subnet {
  readonly family: AddressFamily;
  /** First address as a number. */
  readonly base: bigint;
  readonly prefix: number;
  /** Number of addresses, network and broadcast included. */
  readonly size: bigint;
}

/** Loopback, link-local and multicast addresses; tunnels have 198.18.0.0/15. */
export const RESERVED_SUBNETS: readonly string[] = [
  '127.0.0.0/8',
  '169.254.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '::/96',
  'fe80::/10',
  'ff00::/8',
];

/** Raises `invalid` naming the text; host bits must be zero unless `anyHost` is set. */
export function parseSubnet(text: string, options: { anyHost?: boolean } = {}): Subnet {
  const [address = '', bits = '', ...rest] = text.split('/');
  const family = addressFamily(address);
  const value = addressValue(address);
  const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : NaN;
  const width = family === 6 ? 128 : 32;
  const good = rest.length === 0 && prefix >= 0 && prefix <= width;
  if (family === undefined || value === undefined || !good) {
    throw new SwarmError(
      'invalid',
      `${JSON.stringify(text)} is not a subnet such as 10.1.0.0/24 or fd00:1::/64`,
    );
  }
  const size = 1n << BigInt(width - prefix);
  const base = (value / size) * size;
  const subnet = { family, base, prefix, size };
  if (base !== value && options.anyHost !== true) {
    throw new SwarmError(
      'invalid',
      `subnet ${text} has host bits set, did you mean ${subnetText(subnet)}?`,
    );
  }
  return subnet;
}

/** The inverse of `parseSubnet`: "10.0.0.0/24". */
export function subnetText(subnet: Subnet): string {
  return `${addressText(subnet.family, subnet.base)}/${subnet.prefix}`;
}

/** Whether some address is in both; never for two families. */
export function subnetsOverlap(a: Subnet, b: Subnet): boolean {
  if (a.family !== b.family) return false;
  return a.base < b.base + b.size && b.base < a.base + a.size;
}

/** False for anything that is no address of the subnet's family. */
export function subnetContains(subnet: Subnet, address: string): boolean {
  const value = addressFamily(address) === subnet.family ? addressValue(address) : undefined;
  return value !== undefined && value >= subnet.base && value < subnet.base + subnet.size;
}
