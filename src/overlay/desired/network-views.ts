// Splits the whole state by network, keeping what did not change the same object, so that an update
// costs only the networks that it touches.
import { mapChanges, type MapChange } from '../../base/index.ts';
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../../model/index.ts';
import { isIpv6 } from '../addressing/index.ts';
import type { OverlayNetwork } from '../kernel/index.ts';
import type { OverlayState } from '../contract/index.ts';
import { TUNNEL_OVERHEAD } from '../tunnels/index.ts';

/** Room for the outer headers of VXLAN. */
const VXLAN_OVERHEAD = 50;
const VXLAN_OVERHEAD_IPV6 = 70;

export interface NetworkView {
  readonly network: OverlayNetwork;
  readonly endpoints: readonly TaskEndpointAssignment[];
  readonly services: readonly ServiceEndpointAssignment[];
}

const NONE: readonly never[] = [];

/** What this host brings along. */
export interface HostTraits {
  /** Of the device with this host's underlay address. */
  readonly mtu: number;
  /** False: the kernel has none, networks have IPv4 alone here. */
  readonly ipv6: boolean;
}

/** `seen` is the state that `previous` was made of: what did not change since is not looked at. */
export function networkViews(
  state: OverlayState,
  traits: HostTraits,
  previous: ReadonlyMap<string, NetworkView>,
  seen?: OverlayState,
): Map<string, NetworkView> {
  const endpoints = changesByNetwork(seen?.endpoints ?? EMPTY, state.endpoints);
  const services = changesByNetwork(seen?.services ?? EMPTY, state.services);
  const views = new Map<string, NetworkView>();
  for (const network of overlayNetworks(state, traits)) {
    const { id } = network;
    const old = previous.get(id);
    // Of a network that was not looked at the last time there is more than what changed.
    const fresh = seen !== undefined && (old === undefined || !seen.networks.has(id));
    const view: NetworkView = {
      network: old && sameNetwork(old.network, network) ? old.network : network,
      endpoints: fresh
        ? ofNetwork(state.endpoints, id)
        : patched(old?.endpoints ?? NONE, endpoints.get(id)),
      services: fresh
        ? ofNetwork(state.services, id)
        : patched(old?.services ?? NONE, services.get(id)),
    };
    views.set(id, old && sameView(old, view) ? old : view);
  }
  return views;
}

interface OfNetwork {
  readonly networkId: string;
}

const EMPTY: ReadonlyMap<string, never> = new Map<string, never>();

function ofNetwork<T extends OfNetwork>(items: ReadonlyMap<string, T>, id: string): T[] {
  return [...items.values()].filter(({ networkId }) => networkId === id);
}

function changesByNetwork<T extends OfNetwork>(
  before: ReadonlyMap<string, T>,
  after: ReadonlyMap<string, T>,
): Map<string, MapChange<T>[]> {
  const groups = new Map<string, MapChange<T>[]>();
  for (const change of mapChanges(before, after)) {
    const id = (change.after ?? change.before)?.networkId ?? '';
    const group = groups.get(id);
    if (group) group.push(change);
    else groups.set(id, [change]);
  }
  return groups;
}

/** The list with the changes, each in the place of what it replaces. */
function patched<T>(
  list: readonly T[],
  changes: readonly MapChange<T>[] | undefined,
): readonly T[] {
  if (changes === undefined) return list;
  const places = new Map<T, T | undefined>();
  const added = new Set<T>();
  for (const { before, after } of changes) {
    if (before !== undefined) places.set(before, after);
    if (after !== undefined) added.add(after);
  }
  if (places.size === 0) return [...list, ...added];
  // A loop by hand: this runs over ten thousand endpoints for a change of one.
  const result: T[] = [];
  for (const one of list) {
    if (!places.has(one)) {
      result.push(one);
      continue;
    }
    const after = places.get(one);
    if (after !== undefined && added.delete(after)) result.push(after);
  }
  for (const one of added) result.push(one);
  return result;
}

function overlayNetworks(state: OverlayState, traits: HostTraits): OverlayNetwork[] {
  const { self, dataPathPort } = state;
  if (self === undefined) return [];
  const plain = isIpv6(self.address) ? VXLAN_OVERHEAD_IPV6 : VXLAN_OVERHEAD;
  // The tunnels' own addresses are IPv4.
  const overheadOf = (encrypted: boolean): number =>
    encrypted ? VXLAN_OVERHEAD + TUNNEL_OVERHEAD : plain;
  return [...state.networks.values()].map((network): OverlayNetwork => {
    const { id, name, subnets, internal, ingress, vni, mtu, encrypted } = network;
    const local = encrypted ? '' : self.address;
    return {
      id,
      name,
      subnets: traits.ipv6 ? subnets : subnets.filter(({ subnet }) => !isIpv6(subnet)),
      internal,
      ingress,
      mtu: mtu ?? traits.mtu - overheadOf(encrypted),
      ...(encrypted ? { encrypted } : {}),
      vxlan: { vni, port: dataPathPort, local, host: self.number },
    };
  });
}

/** `before` when both hold the same objects. */
export function reuse<T>(before: readonly T[], after: readonly T[]): readonly T[] {
  const same = before.length === after.length && before.every((item, i) => item === after[i]);
  return same ? before : after;
}

function sameView(a: NetworkView, b: NetworkView): boolean {
  return a.network === b.network && a.endpoints === b.endpoints && a.services === b.services;
}

function sameNetwork(a: OverlayNetwork, b: OverlayNetwork): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
