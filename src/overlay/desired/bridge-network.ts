// The predefined network "bridge": a subnet of this host alone, for tasks that name no network. Its
// addresses are chosen here, since no manager knows of it.
import { SwarmError } from '../../base/index.ts';
import { numberAddress, overlaps, subnetRange } from '../addressing/index.ts';
import { BRIDGE_NETWORK } from './attachment.ts';
import type { OverlayNetwork } from '../kernel/index.ts';

/** Tried in this order; the first that no route of the host touches is taken. */
export const DEFAULT_BRIDGE_POOL: readonly string[] = Array.from(
  { length: 14 },
  (_, index) => `172.${18 + index}.0.0/16`,
);

/** Fails with `exhausted` when all subnets of the pool are in use on this host. */
export function chooseBridgeSubnet(pool: readonly string[], taken: readonly string[]): string {
  const free = pool.find((subnet) => !taken.some((other) => overlaps(subnet, other)));
  if (free !== undefined) return free;
  throw new SwarmError(
    'exhausted',
    `no subnet for the network "bridge": ${pool.join(', ')} overlap this host's routes`,
  );
}

export function bridgeNetwork(subnet: string, mtu: number): OverlayNetwork {
  const range = subnetRange(subnet);
  const gateway = numberAddress((range?.first ?? 0) + 1);
  return {
    id: BRIDGE_NETWORK,
    name: BRIDGE_NETWORK,
    subnets: [{ subnet, gateway }],
    internal: false,
    ingress: false,
    mtu,
  };
}

/** A free address behind `previous` (so that one just freed is not taken again at once). */
export function chooseBridgeAddress(
  subnet: string,
  used: ReadonlySet<string>,
  previous: string | undefined,
): string {
  const range = subnetRange(subnet);
  if (range === undefined) throw new SwarmError('internal', `bad subnet ${subnet}`);
  // Without the network's, the gateway's and the broadcast address.
  const first = range.first + 2;
  const count = range.last - first;
  const prefix = subnet.split('/')[1] ?? '16';
  const start =
    previous === undefined ? 0 : (subnetRange(previous.split('/')[0] ?? '')?.first ?? 0);
  for (let step = 1; step <= count; step++) {
    const offset = start < first ? step - 1 : (start - first + step) % count;
    const address = `${numberAddress(first + offset)}/${prefix}`;
    if (!used.has(address)) return address;
  }
  throw new SwarmError('exhausted', `no free address on the network "bridge" (${subnet})`);
}
