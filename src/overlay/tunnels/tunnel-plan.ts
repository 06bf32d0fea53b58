// Names, addresses and configuration of the tunnels of encrypted networks. Every host has two
// WireGuard devices with a key each, so that a new key is known to all before it is used
// (docs/design/overlay.md). Pure.
import type { HostAssignment, HostEncryption } from '../../model/index.ts';
import { isIpv6 } from '../addressing/index.ts';

export type Slot = HostEncryption['current'];
export const SLOTS: readonly Slot[] = [0, 1];

/** Addresses of all tunnels: 198.18.x.y in slot 0 and 198.19.x.y in slot 1, for tests of networks alone. */
export const TUNNEL_RANGE = '198.18.0.0/15';

/** Outer IPv6 and UDP headers, and WireGuard's own: 40 + 8 + 32. */
export const TUNNEL_OVERHEAD = 80;

/** Seconds between signs of life on a device whose key is new: they make the hosts shake hands. */
const OFFER_KEEPALIVE_S = 1;

export function otherSlot(slot: Slot): Slot {
  return slot === 0 ? 1 : 0;
}

/** Not a name of ours that starts with the instance: those are uplinks. */
export function tunnelDevice(instance: string, slot: Slot): string {
  return `wg${instance}${slot}`;
}

/** For rules: all of them. */
export function tunnelPattern(instance: string): string {
  return `wg${instance}*`;
}

/** Underlay address of a host on encrypted networks. */
export function tunnelUnderlay(hostNumber: number, slot: Slot): string {
  return `198.${18 + slot}.${hostNumber >> 8}.${hostNumber & 255}`;
}

/** UDP ports just below that of the overlay. */
export function tunnelPort(dataPathPort: number, slot: Slot): number {
  return dataPathPort - 1 - slot;
}

export interface TunnelPeer {
  readonly publicKey: string;
  readonly endpoint: string;
  readonly address: string;
}

/** Both keys of every other host that has some. */
export function tunnelPeers(
  hosts: Iterable<HostAssignment>,
  selfNodeId: string,
  dataPathPort: number,
): TunnelPeer[] {
  return [...hosts].flatMap(({ nodeId, number, address, encryption }) => {
    if (nodeId === selfNodeId || encryption === undefined) return [];
    const host = isIpv6(address) ? `[${address}]` : address;
    return SLOTS.map((slot) => ({
      publicKey: encryption.keys[slot],
      endpoint: `${host}:${tunnelPort(dataPathPort, slot)}`,
      address: `${tunnelUnderlay(number, slot)}/32`,
    }));
  });
}

export interface TunnelConfig {
  readonly privateKey: string;
  readonly port: number;
  readonly peers: readonly TunnelPeer[];
  /** The key is new: hosts are to answer before it is used. */
  readonly offered: boolean;
}

/** What "wg syncconf" reads. */
export function tunnelConfig({ privateKey, port, peers, offered }: TunnelConfig): string {
  const keepalive = offered ? OFFER_KEEPALIVE_S : 0;
  return [
    '[Interface]',
    `PrivateKey = ${privateKey}`,
    `ListenPort = ${port}`,
    ...peers.flatMap(({ publicKey, endpoint, address }) => [
      '[Peer]',
      `PublicKey = ${publicKey}`,
      `Endpoint = ${endpoint}`,
      `AllowedIPs = ${address}`,
      `PersistentKeepalive = ${keepalive}`,
    ]),
    '',
  ].join('\n');
}

/** Public keys that answered after `since` (ms), from "wg show DEVICE latest-handshakes". */
export function answeredKeys(listing: string, since: number): Set<string> {
  const keys = new Set<string>();
  for (const line of listing.split('\n')) {
    const [key = '', time = '0'] = line.split('\t');
    if (Number(time) * 1_000 > since) keys.add(key);
  }
  return keys;
}

/** Hosts that did not answer on a device by any of their keys. */
export function silentHosts(
  hosts: Iterable<HostAssignment>,
  selfNodeId: string,
  answered: ReadonlySet<string>,
): HostAssignment[] {
  return [...hosts].filter(
    ({ nodeId, encryption }) =>
      nodeId !== selfNodeId &&
      encryption !== undefined &&
      !encryption.keys.some((key) => answered.has(key)),
  );
}
