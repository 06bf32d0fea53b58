// Unique local IPv6 subnets (RFC 4193) for networks that name none: the same for the same cluster and
// network on every manager, and another for nearly every other cluster, so that two clusters can be
// joined by routes.
import type { Subnet } from '../../model/index.ts';

/** Tried one after another when the first is taken. */
const MAX_CANDIDATES = 65_536;

/** /64 subnets below the cluster's /48, the network's own first. */
export function* uniqueLocalSubnets(clusterId: string, networkId: string): Generator<Subnet> {
  const cluster = (0xfdn << 40n) | (hash(clusterId) & 0xff_ffff_ffffn);
  const first = hash(networkId) & 0xffffn;
  for (let step = 0; step < MAX_CANDIDATES; step++) {
    const base = ((cluster << 16n) | ((first + BigInt(step)) & 0xffffn)) << 64n;
    yield { family: 6, base, prefix: 64, size: 1n << 64n };
  }
}

/** FNV-1a with 64 bits, folded: spreading is needed, not secrecy. */
function hash(text: string): bigint {
  let value = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    value = ((value ^ BigInt(byte)) * 0x100000001b3n) & 0xffff_ffff_ffff_ffffn;
  }
  return value ^ (value >> 32n);
}
