// What the sandbox of one network on this host must have: a router between the tasks here, the
// VXLAN link to the other hosts and the uplink to the host's namespace (docs/design/overlay.md).
import type {
  HostAssignment,
  ServiceEndpointAssignment,
  TaskEndpointAssignment,
} from '../model/index.ts';
import {
  GATEWAY_MAC,
  UPLINK_HOST_MAC,
  UPLINK_SANDBOX_MAC,
  WAY_BACK_FLAG,
  WAY_BACK_MAC,
  bareAddress,
  networkNamespace,
  taskLink,
  taskMac,
  taskNamespace,
  tunnelAddress,
  tunnelMac,
  uplinkName,
} from './addressing.ts';
import { IPV4, IPV6, familiesOf, hasIpv6, ownAddress, subnetOf, type Family } from './family.ts';
import { HOST, keyOf, type KernelObject, type Sysctl } from './kernel.ts';
import {
  MAIN_TABLE,
  NO_IPV6,
  OWN_IPV6,
  objectMap,
  type LocalAttachment,
  type NamespaceState,
  type OverlayNetwork,
} from './namespace-state.ts';
import { egressTable, needsWayBack, sandboxTable } from './sandbox-rules.ts';
import { tunnelUnderlay } from './tunnel-plan.ts';
import { virtualAddresses, type VirtualAddresses } from './virtual-addresses.ts';

const WAY_BACK_TABLE = 77;
const WAY_BACK_PRIORITY = 100;

const SANDBOX_SYSCTLS: readonly Sysctl[] = [
  { name: 'ipv4/ip_forward', value: '1' },
  { name: 'ipv4/conf/all/rp_filter', value: '0' },
  { name: 'ipv4/conf/default/rp_filter', value: '0' },
  { name: 'ipv4/conf/all/send_redirects', value: '0' },
  { name: 'ipv4/conf/default/send_redirects', value: '0' },
];

const SANDBOX_NO_IPV6: readonly Sysctl[] = [
  { name: 'ipv6/conf/all/disable_ipv6', value: '1' },
  ...NO_IPV6,
];

const SANDBOX_IPV6: readonly Sysctl[] = [
  ...OWN_IPV6,
  { name: 'ipv6/conf/all/forwarding', value: '1' },
];

export interface SandboxInput {
  readonly instance: string;
  readonly network: OverlayNetwork;
  readonly selfNodeId: string | undefined;
  readonly hosts: ReadonlyMap<string, HostAssignment>;
  readonly endpoints: readonly TaskEndpointAssignment[];
  readonly services: readonly ServiceEndpointAssignment[];
  readonly attachments: readonly LocalAttachment[];
  /** Addresses of endpoints that went away a short while ago: answered with a reset. */
  readonly removed: readonly string[];
}

/** Wanted state of one sandbox; what did not change since the last call is not made anew. */
export class Sandbox {
  /** Routes by endpoint: with thousands of endpoints making them is what costs. */
  readonly #routes = new WeakMap<TaskEndpointAssignment, RemoteRoutes>();
  #services: readonly ServiceEndpointAssignment[] | undefined;
  #endpoints: readonly TaskEndpointAssignment[] | undefined;
  /** By family, as `familiesOf` has them. */
  #vips: readonly VirtualAddresses[] = [];

  state(input: SandboxInput): NamespaceState {
    const { network, services, endpoints } = input;
    const remotes = remoteEndpoints(input);
    const peers = peerHosts(input, remotes);
    const families = familiesOf(network);
    const sameEndpoints = this.#services === services && this.#endpoints === endpoints;
    if (!sameEndpoints || this.#vips.length !== families.length) {
      this.#vips = families.map((family) => virtualAddresses(services, endpoints, family));
      this.#services = services;
      this.#endpoints = endpoints;
    }
    const objects = objectMap([
      ...tunnelObjects(network, peers),
      ...uplinkObjects(input),
      ...input.attachments.flatMap((attachment) => attachmentObjects(attachment)),
      ...unreachableRoutes(network),
    ]);
    for (const { endpoint, host } of remotes) {
      for (const [key, route] of this.#routesOf(endpoint, host, families)) objects.set(key, route);
    }
    const tables = families.flatMap((family, index) => {
      const vips = this.#vips[index];
      return vips === undefined ? [] : [sandboxTable(input, peers, vips, family)];
    });
    if (needsWayBack(network)) tables.push(egressTable(peers));
    const namespace = networkNamespace(network.id);
    const sysctls = [
      ...SANDBOX_SYSCTLS,
      ...(families.includes(IPV6) ? SANDBOX_IPV6 : SANDBOX_NO_IPV6),
    ];
    return { namespace, sysctls, objects, tables };
  }

  #routesOf(
    endpoint: TaskEndpointAssignment,
    host: HostAssignment,
    families: readonly Family[],
  ): RemoteRoutes['entries'] {
    const known = this.#routes.get(endpoint);
    if (known?.host === host.number) return known.entries;
    const routes = families.flatMap((family) => remoteRoutes(endpoint, host, family));
    const entries = routes.map((route): [string, KernelObject] => [keyOf(route), route]);
    this.#routes.set(endpoint, { host: host.number, entries });
    return entries;
  }
}

interface RemoteRoutes {
  readonly host: number;
  readonly entries: readonly [string, KernelObject][];
}

function unreachableRoutes({ subnets }: OverlayNetwork): KernelObject[] {
  return subnets.map(({ subnet }): KernelObject => ({
    kind: 'route',
    destination: subnet,
    table: MAIN_TABLE,
  }));
}

interface RemoteEndpoint {
  readonly endpoint: TaskEndpointAssignment;
  readonly host: HostAssignment;
}

function remoteEndpoints(input: SandboxInput): RemoteEndpoint[] {
  if (input.network.vxlan === undefined) return [];
  const remotes: RemoteEndpoint[] = [];
  for (const endpoint of input.endpoints) {
    const host = input.hosts.get(endpoint.nodeId);
    if (host !== undefined && endpoint.nodeId !== input.selfNodeId)
      remotes.push({ endpoint, host });
  }
  return remotes;
}

/** Hosts with tasks on this network; on ingress all, since requests come in through any of them. */
function peerHosts(input: SandboxInput, remotes: readonly RemoteEndpoint[]): HostAssignment[] {
  const { network, hosts, selfNodeId } = input;
  if (network.vxlan === undefined) return [];
  const all = network.ingress ? [...hosts.values()] : remotes.map(({ host }) => host);
  const byId = new Map(all.map((host) => [host.nodeId, host]));
  return [...byId.values()]
    .filter(({ nodeId }) => nodeId !== selfNodeId)
    .sort((a, b) => a.number - b.number);
}

function tunnelObjects(network: OverlayNetwork, peers: readonly HostAssignment[]): KernelObject[] {
  const vxlan = network.vxlan;
  if (vxlan === undefined) return [];
  const device = 'vx0';
  const { vni, port, local } = vxlan;
  const objects: KernelObject[] = [
    {
      kind: 'vxlan',
      name: device,
      mtu: network.mtu,
      mac: tunnelMac(vxlan.host),
      vxlan: { vni, port, local },
    },
    { kind: 'address', device, address: `${tunnelAddress(vxlan.host)}/32` },
  ];
  const families = familiesOf(network);
  for (const peer of peers) {
    const { number } = peer;
    const mac = tunnelMac(number);
    for (const family of families) {
      objects.push({ kind: 'neighbour', device, address: family.tunnel(number), mac });
    }
    const destination = network.encrypted === true ? encryptedUnderlay(peer) : peer.address;
    // Without keys it gets nothing: never a packet in the clear.
    if (destination === undefined) continue;
    objects.push({ kind: 'fdb', device, mac, destination });
  }
  // The sandbox needs an address that its own errors (packet too big) can come from.
  const gateway6 = subnetOf(network, IPV6)?.gateway;
  if (gateway6 !== undefined) {
    objects.push({ kind: 'address', device, address: `${gateway6}/128` });
  }
  if (needsWayBack(network)) {
    objects.push(...families.flatMap((family) => wayBackObjects(device, family)));
  }
  return objects;
}

function encryptedUnderlay({ number, encryption }: HostAssignment): string | undefined {
  return encryption && tunnelUnderlay(number, encryption.current);
}

function wayBackObjects(device: string, family: Family): KernelObject[] {
  const via = family.wayBack;
  const mark = { value: WAY_BACK_FLAG, mask: WAY_BACK_FLAG };
  const rule = { kind: 'rule', priority: WAY_BACK_PRIORITY, table: WAY_BACK_TABLE, mark } as const;
  return [
    { kind: 'neighbour', device, address: via, mac: WAY_BACK_MAC },
    { kind: 'route', destination: family.everything, table: WAY_BACK_TABLE, device, via },
    family === IPV6 ? { ...rule, ipv6: true } : rule,
  ];
}

function uplinkObjects({ instance, network }: SandboxInput): KernelObject[] {
  if (network.internal) return [];
  const device = 'up0';
  const far = { namespace: HOST, name: uplinkName(instance, network.id), mac: UPLINK_HOST_MAC };
  const peer = hasIpv6(network) ? { ...far, ipv6: true } : far;
  return [
    { kind: 'veth', name: device, mtu: network.mtu, mac: UPLINK_SANDBOX_MAC, peer },
    { kind: 'address', device, address: `${IPV4.uplinkSandbox}/32` },
    ...familiesOf(network).flatMap(({ uplinkHost: via, everything }): KernelObject[] => [
      { kind: 'neighbour', device, address: via, mac: UPLINK_HOST_MAC },
      { kind: 'route', destination: everything, table: MAIN_TABLE, device, via },
    ]),
  ];
}

function attachmentObjects(attachment: LocalAttachment): KernelObject[] {
  const { taskId, network, index } = attachment;
  const mac = taskMac(bareAddress(attachment.address));
  const name = taskLink(taskId);
  const peer = { namespace: taskNamespace(taskId), name: `eth${index}`, mac };
  return [
    { kind: 'veth', name, mtu: network.mtu, mac: GATEWAY_MAC, peer, leavesWithPeer: true },
    ...familiesOf(network).flatMap((family): KernelObject[] => {
      const own = ownAddress(attachment, family);
      if (own === undefined) return [];
      const address = bareAddress(own.address);
      const destination = `${address}/${family.bits}`;
      return [
        { kind: 'neighbour', device: name, address, mac },
        { kind: 'route', destination, table: MAIN_TABLE, device: name },
      ];
    }),
  ];
}

function remoteRoutes(
  endpoint: TaskEndpointAssignment,
  host: HostAssignment,
  family: Family,
): KernelObject[] {
  return endpoint.addresses.filter(family.is).map((address): KernelObject => ({
    kind: 'route',
    destination: `${address}/${family.bits}`,
    table: MAIN_TABLE,
    device: 'vx0',
    via: family.tunnel(host.number),
  }));
}
