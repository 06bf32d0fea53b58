// What the sandbox of one network on this host must have: a router between the tasks here, the
// VXLAN link to the other hosts and the uplink to the host's namespace (docs/design/overlay.md).
import { LayeredMap, mapChanges } from '../../base/index.ts';
import type {
  HostAssignment,
  ServiceEndpointAssignment,
  TaskEndpointAssignment,
} from '../../model/index.ts';
import {
  GATEWAY_MAC,
  IPV4,
  IPV6,
  UPLINK_HOST_MAC,
  UPLINK_SANDBOX_MAC,
  WAY_BACK_FLAG,
  WAY_BACK_MAC,
  bareAddress,
  familiesOf,
  hasIpv6,
  networkNamespace,
  ownAddress,
  subnetOf,
  taskLink,
  taskMac,
  taskNamespace,
  tunnelAddress,
  tunnelMac,
  uplinkName,
  type Family,
} from '../addressing/index.ts';
import {
  HOST,
  MAIN_TABLE,
  NO_IPV6,
  OWN_IPV6,
  keyOf,
  objectMap,
  textOf,
  type KernelObject,
  type LocalAttachment,
  type NamespaceState,
  type OverlayNetwork,
  type Sysctl,
} from '../kernel/index.ts';
import { listChanges } from './list-changes.ts';
import { reuse } from './network-views.ts';
import { OwnAddressIndex } from './own-addresses.ts';
import { egressTable, needsWayBack, sandboxTable } from './sandbox-rules.ts';
import { tunnelUnderlay } from '../tunnels/index.ts';
import { VirtualAddressIndex } from './virtual-addresses.ts';

const WAY_BACK_TABLE = 77;
const WAY_BACK_PRIORITY = 100;

const SANDBOX_SYSCTLS: readonly Sysctl[] = [
  { name: 'ipv4/ip_forward', value: '1' },
  { name: 'ipv4/conf/all/rp_filter', value: '0' },
  { name: 'ipv4/conf/default/rp_filter', value: '0' },
  { name: 'ipv4/conf/all/send_redirects', value: '0' },
  { name: 'ipv4/conf/default/send_redirects', value: '0' },
  // Nobody in a sandbox has a socket: the kernel would look for one for every packet before it routes
  // it, of both families. A fiftieth of what a host pays for a connection that it passes on.
  { name: 'ipv4/ip_early_demux', value: '0' },
];

/** The way back is a rule, and with rules the kernel would look up a way for each source as well. */
const WAY_BACK_SYSCTLS: readonly Sysctl[] = [{ name: 'ipv4/conf/all/accept_local', value: '1' }];

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

/** What routes to endpoints elsewhere, and what else there is, is made of. */
type Ground = Pick<SandboxInput, 'network' | 'selfNodeId' | 'hosts'>;

type ObjectsByTask = Map<string, Map<string, KernelObject>>;

/** Wanted state of one sandbox; a change costs what it touches, not what there is. */
export class Sandbox {
  #ground: Ground | undefined;
  #endpoints: readonly TaskEndpointAssignment[] = [];
  /** Endpoints elsewhere, by their node. */
  #counts = new Map<string, number>();
  #peers: readonly HostAssignment[] = [];
  #vips: readonly VirtualAddressIndex[] = [];
  #ownAddresses: readonly OwnAddressIndex[] = [];
  /** What is there without any task, and the peers that it was made of. */
  #common: ReadonlyMap<string, KernelObject> = new Map();
  #commonPeers: readonly HostAssignment[] | undefined;
  #attachments: readonly LocalAttachment[] = [];
  /** Objects of tasks here and routes to those elsewhere: an address may be two tasks' for a moment. */
  #local: ObjectsByTask = new Map();
  #remote: ObjectsByTask = new Map();
  #objects = LayeredMap.of(new Map<string, KernelObject>());

  state(input: SandboxInput): NamespaceState {
    const { network, services, endpoints } = input;
    const families = familiesOf(network);
    if (!this.#isSameGround(input)) {
      const { selfNodeId, hosts } = input;
      this.#ground = { network, selfNodeId, hosts };
      this.#endpoints = [];
      this.#counts = new Map();
      this.#common = new Map();
      this.#commonPeers = undefined;
      this.#attachments = [];
      this.#local = new Map();
      this.#remote = new Map();
      this.#ownAddresses = families.map((family) => new OwnAddressIndex(family));
      this.#objects = LayeredMap.of(new Map());
      this.#vips = families.map((family) => new VirtualAddressIndex(family));
      this.#peers = peerHosts(input, this.#counts);
    }
    this.#takeEndpoints(input, families);
    this.#takeOwn(input);
    const peers = this.#peers;
    const tables = families.flatMap((family, index) => {
      const vips = this.#vips[index]?.update(services, endpoints);
      const own = this.#ownAddresses[index]?.update(input.attachments);
      return vips && own ? [sandboxTable(input, peers, own, vips, family)] : [];
    });
    if (needsWayBack(network)) tables.push(egressTable(peers));
    const namespace = networkNamespace(network.id);
    const sysctls = [
      ...SANDBOX_SYSCTLS,
      ...(needsWayBack(network) ? WAY_BACK_SYSCTLS : []),
      ...(families.includes(IPV6) ? SANDBOX_IPV6 : SANDBOX_NO_IPV6),
    ];
    return { namespace, sysctls, objects: this.#objects, tables };
  }

  #isSameGround({ network, selfNodeId, hosts }: SandboxInput): boolean {
    const old = this.#ground;
    return old?.network === network && old.selfNodeId === selfNodeId && old.hosts === hosts;
  }

  #takeEndpoints(input: SandboxInput, families: readonly Family[]): void {
    const { gone, come } = listChanges(this.#endpoints, input.endpoints);
    this.#endpoints = input.endpoints;
    const touched = new Set<string>();
    for (const endpoint of gone) {
      for (const [key] of this.#routes(input, endpoint, families, -1)) {
        touched.add(key);
        takeFrom(this.#remote, key, endpoint.taskId);
      }
    }
    for (const endpoint of come) {
      for (const [key, route] of this.#routes(input, endpoint, families, 1)) {
        touched.add(key);
        putInto(this.#remote, key, endpoint.taskId, route);
      }
    }
    this.#put(touched);
    const peers = peerHosts(input, this.#counts);
    this.#peers = reuse(this.#peers, peers);
  }

  /** Routes to an endpoint elsewhere; counts it as well. */
  #routes(
    { network, hosts, selfNodeId }: SandboxInput,
    endpoint: TaskEndpointAssignment,
    families: readonly Family[],
    count: 1 | -1,
  ): [string, KernelObject][] {
    const { nodeId } = endpoint;
    const host = hosts.get(nodeId);
    if (network.vxlan === undefined || host === undefined || nodeId === selfNodeId) return [];
    const left = (this.#counts.get(nodeId) ?? 0) + count;
    if (left > 0) this.#counts.set(nodeId, left);
    else this.#counts.delete(nodeId);
    return families
      .flatMap((family) => remoteRoutes(endpoint, host, family))
      .map((route): [string, KernelObject] => [keyOf(route), route]);
  }

  #takeOwn(input: SandboxInput): void {
    const { network, attachments } = input;
    const touched = new Set<string>();
    if (this.#commonPeers !== this.#peers) {
      const tunnel = tunnelObjects(network, this.#peers);
      const objects = [...tunnel, ...uplinkObjects(input), ...unreachableRoutes(network)];
      const common = objectMap(objects);
      for (const { key } of mapChanges(this.#common, common)) touched.add(key);
      this.#common = common;
      this.#commonPeers = this.#peers;
    }
    const { gone, come } = listChanges(this.#attachments, attachments);
    this.#attachments = attachments;
    for (const attachment of gone) {
      for (const object of attachmentObjects(attachment)) {
        touched.add(keyOf(object));
        takeFrom(this.#local, keyOf(object), attachment.taskId);
      }
    }
    for (const attachment of come) {
      for (const object of attachmentObjects(attachment)) {
        touched.add(keyOf(object));
        putInto(this.#local, keyOf(object), attachment.taskId, object);
      }
    }
    this.#put(touched);
  }

  /** A route to an endpoint elsewhere comes before one of our own, the newest first. */
  #put(keys: Iterable<string>): void {
    const set: [string, KernelObject][] = [];
    const removed: string[] = [];
    for (const key of keys) {
      const wanted = newest(this.#remote, key) ?? newest(this.#local, key) ?? this.#common.get(key);
      if (wanted === undefined) removed.push(key);
      else if (!isSame(this.#objects.get(key), wanted)) set.push([key, wanted]);
    }
    this.#objects = this.#objects.with(set, removed);
  }
}

function putInto(objects: ObjectsByTask, key: string, taskId: string, object: KernelObject): void {
  const known = objects.get(key);
  if (known === undefined) objects.set(key, new Map([[taskId, object]]));
  else known.set(taskId, object);
}

function takeFrom(objects: ObjectsByTask, key: string, taskId: string): void {
  const known = objects.get(key);
  known?.delete(taskId);
  if (known?.size === 0) objects.delete(key);
}

function newest(objects: ObjectsByTask, key: string): KernelObject | undefined {
  return [...(objects.get(key)?.values() ?? [])].at(-1);
}

function isSame(a: KernelObject | undefined, b: KernelObject): boolean {
  return a !== undefined && textOf(a) === textOf(b);
}

function unreachableRoutes({ subnets }: OverlayNetwork): KernelObject[] {
  return subnets.map(({ subnet }): KernelObject => ({
    kind: 'route',
    destination: subnet,
    table: MAIN_TABLE,
  }));
}

/** Hosts with tasks on this network; on ingress all, since requests come in through any of them. */
function peerHosts(
  { network, hosts, selfNodeId }: Ground,
  counts: ReadonlyMap<string, number>,
): HostAssignment[] {
  if (network.vxlan === undefined) return [];
  const ids = network.ingress ? hosts.keys() : counts.keys();
  return [...ids]
    .filter((id) => id !== selfNodeId)
    .flatMap((id) => hosts.get(id) ?? [])
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
