// Arithmetic on IPv4 subnets in CIDR notation.
import { SwarmError } from '../base/index.ts';
import { ipv4Number, ipv4Text } from './constraint.ts';

export interface Subnet {
  /** First address as a number. */
  readonly base: number;
  readonly prefix: number;
  /** Number of addresses, network and broadcast included. */
  readonly size: number;
}

/** Raises `invalid` naming the text; host bits must be zero unless `anyHost` is set. */
export function parseSubnet(text: string, options: { anyHost?: boolean } = {}): Subnet {
  const [address = '', bits = ''] = text.split('/');
  const base = ipv4Number(address);
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : NaN;
  if (base === undefined || !(prefix >= 0 && prefix <= 32)) {
    throw new SwarmError(
      'invalid',
      `${JSON.stringify(text)} is not an IPv4 subnet such as 10.1.0.0/24`,
    );
  }
  const size = 2 ** (32 - prefix);
  const start = Math.floor(base / size) * size;
  if (start !== base && options.anyHost !== true) {
    throw new SwarmError(
      'invalid',
      `subnet ${text} has host bits set, did you mean ${ipv4Text(start)}/${prefix}?`,
    );
  }
  return { base: start, prefix, size };
}

export function subnetText(subnet: Subnet): string {
  return `${ipv4Text(subnet.base)}/${subnet.prefix}`;
}

export function subnetsOverlap(a: Subnet, b: Subnet): boolean {
  return a.base < b.base + b.size && b.base < a.base + a.size;
}
