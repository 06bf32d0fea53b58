// What one network namespace must have. Three pure functions make such states: sandbox-state.ts,
// host-state.ts and task-state.ts; plan.ts compares them with what is there.
import { keyOf, type KernelObject, type Sysctl } from './kernel.ts';
import type { NftTable } from '../nft/index.ts';

export interface NamespaceState {
  readonly namespace: string;
  /** Written when the namespace is made; ours alone, so nobody else changes them. */
  readonly sysctls: readonly Sysctl[];
  /** By `keyOf`. */
  readonly objects: ReadonlyMap<string, KernelObject>;
  readonly tables: readonly NftTable[];
}

/** Objects by key; a later one with the same key wins. */
export function objectMap(objects: Iterable<KernelObject>): Map<string, KernelObject> {
  return new Map(Array.from(objects, (object) => [keyOf(object), object]));
}

/** A network as the data plane sees it; the predefined "bridge" has no VXLAN. */
export interface OverlayNetwork {
  readonly id: string;
  readonly name: string;
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[];
  readonly internal: boolean;
  readonly ingress: boolean;
  readonly mtu: number;
  /** Its packets go to other hosts through tunnels, or not at all. */
  readonly encrypted?: boolean;
  readonly vxlan?: {
    readonly vni: number;
    readonly port: number;
    /** Underlay address of this host; "" on encrypted networks: the route has it. */
    readonly local: string;
    /** Number of this host. */
    readonly host: number;
  };
}

/** One interface of a task that was attached on this host. */
export interface LocalAttachment {
  readonly taskId: string;
  /** Position among the task's interfaces: eth0, eth1 … */
  readonly index: number;
  readonly network: OverlayNetwork;
  /** With prefix length, IPv4. */
  readonly address: string;
  readonly gateway: string;
  /** On networks with IPv6. */
  readonly ipv6?: { readonly address: string; readonly gateway: string };
}

export const MAIN_TABLE = 254;

/** Where no network has IPv6 nothing of it may pass beside the IPv4 rules. */
export const NO_IPV6: readonly Sysctl[] = [{ name: 'ipv6/conf/default/disable_ipv6', value: '1' }];

/** Addresses are ours alone: none is made up by the kernel or told by a router. */
export const OWN_IPV6: readonly Sysctl[] = [
  { name: 'ipv6/conf/all/disable_ipv6', value: '0' },
  { name: 'ipv6/conf/default/disable_ipv6', value: '0' },
  { name: 'ipv6/conf/default/addr_gen_mode', value: '1' },
  { name: 'ipv6/conf/default/accept_ra', value: '0' },
  { name: 'ipv6/conf/default/accept_dad', value: '0' },
];
