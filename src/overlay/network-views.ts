// Splits the whole state by network, keeping what did not change the same object, so that an update
// costs only the networks that it touches.
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../model/index.ts';
import { isIpv6 } from './addressing.ts';
import type { OverlayNetwork } from './namespace-state.ts';
import type { OverlayState } from './overlay.ts';
import { TUNNEL_OVERHEAD } from './tunnel-plan.ts';

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

export function networkViews(
  state: OverlayState,
  traits: HostTraits,
  previous: ReadonlyMap<string, NetworkView>,
): Map<string, NetworkView> {
  const endpoints = groupByNetwork(state.endpoints.values());
  const services = groupByNetwork(state.services.values());
  const views = new Map<string, NetworkView>();
  for (const network of overlayNetworks(state, traits)) {
    const old = previous.get(network.id);
    const view: NetworkView = {
      network: old && sameNetwork(old.network, network) ? old.network : network,
      endpoints: reuse(old?.endpoints ?? NONE, endpoints.get(network.id) ?? NONE),
      services: reuse(old?.services ?? NONE, services.get(network.id) ?? NONE),
    };
    views.set(network.id, old && sameView(old, view) ? old : view);
  }
  return views;
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

function groupByNetwork<T extends { readonly networkId: string }>(
  items: Iterable<T>,
): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(item.networkId);
    if (group) group.push(item);
    else groups.set(item.networkId, [item]);
  }
  return groups;
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
