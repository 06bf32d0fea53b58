// What the sandbox of one network on this host must have: a router between the tasks here, the
// VXLAN link to the other hosts and the uplink to the host's namespace (docs/design/overlay.md).
import type {
  HostAssignment,
  ServiceEndpointAssignment,
  TaskEndpointAssignment,
} from '../model/index.ts';
import {
  GATEWAY_MAC,
  UPLINK_HOST_ADDRESS,
  UPLINK_HOST_MAC,
  UPLINK_SANDBOX_ADDRESS,
  UPLINK_SANDBOX_MAC,
  UPLINK_ZONE,
  WAY_BACK_ADDRESS,
  WAY_BACK_FLAG,
  WAY_BACK_MAC,
  bareAddress,
  isIpv4,
  networkNamespace,
  taskLink,
  taskMac,
  taskNamespace,
  tunnelAddress,
  tunnelMac,
  uplinkName,
} from './addressing.ts';
import { HOST, keyOf, type KernelObject, type Sysctl } from './kernel.ts';
import {
  MAIN_TABLE,
  NO_IPV6,
  objectMap,
  type LocalAttachment,
  type NamespaceState,
  type OverlayNetwork,
} from './namespace-state.ts';
import { virtualAddresses, type VirtualAddresses } from './virtual-addresses.ts';
import { nftMap, nftSet, type NftChain, type NftSet, type NftTable } from './nft-ruleset.ts';

/** Name of our tables in namespaces that are ours alone. */
export const TABLE = 'tsswarm';

const WAY_BACK_TABLE = 77;
const WAY_BACK_PRIORITY = 100;

const SANDBOX_SYSCTLS: readonly Sysctl[] = [
  { name: 'ipv4/ip_forward', value: '1' },
  { name: 'ipv4/conf/all/rp_filter', value: '0' },
  { name: 'ipv4/conf/default/rp_filter', value: '0' },
  { name: 'ipv4/conf/all/send_redirects', value: '0' },
  { name: 'ipv4/conf/default/send_redirects', value: '0' },
  { name: 'ipv6/conf/all/disable_ipv6', value: '1' },
  ...NO_IPV6,
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
  #vips: VirtualAddresses = { targets: [], idle: [], chains: [] };

  state(input: SandboxInput): NamespaceState {
    const { network, services, endpoints } = input;
    const remotes = remoteEndpoints(input);
    const peers = peerHosts(input, remotes);
    if (this.#services !== services || this.#endpoints !== endpoints) {
      this.#vips = virtualAddresses(services, endpoints);
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
      for (const [key, route] of this.#routesOf(endpoint, host)) objects.set(key, route);
    }
    const tables = [mainTable(input, peers, this.#vips)];
    if (needsWayBack(network)) tables.push(egressTable(peers));
    const namespace = networkNamespace(network.id);
    return { namespace, sysctls: SANDBOX_SYSCTLS, objects, tables };
  }

  #routesOf(endpoint: TaskEndpointAssignment, host: HostAssignment): RemoteRoutes['entries'] {
    const known = this.#routes.get(endpoint);
    if (known?.host === host.number) return known.entries;
    const entries = remoteRoutes(endpoint, host).map((route): [string, KernelObject] => [
      keyOf(route),
      route,
    ]);
    this.#routes.set(endpoint, { host: host.number, entries });
    return entries;
  }
}

interface RemoteRoutes {
  readonly host: number;
  readonly entries: readonly [string, KernelObject][];
}

function unreachableRoutes({ subnets }: OverlayNetwork): KernelObject[] {
  return subnets
    .filter(({ subnet }) => isIpv4(subnet))
    .map(({ subnet }): KernelObject => ({ kind: 'route', destination: subnet, table: MAIN_TABLE }));
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

/** Published ports exist only on ingress, so only there replies must find another host. */
function needsWayBack(network: OverlayNetwork): boolean {
  return network.ingress && network.vxlan !== undefined;
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
  for (const { number, address } of peers) {
    const mac = tunnelMac(number);
    objects.push({ kind: 'neighbour', device, address: tunnelAddress(number), mac });
    objects.push({ kind: 'fdb', device, mac, destination: address });
  }
  if (needsWayBack(network)) {
    const via = WAY_BACK_ADDRESS;
    const mark = { value: WAY_BACK_FLAG, mask: WAY_BACK_FLAG };
    objects.push(
      { kind: 'neighbour', device, address: via, mac: WAY_BACK_MAC },
      { kind: 'route', destination: '0.0.0.0/0', table: WAY_BACK_TABLE, device, via },
      { kind: 'rule', priority: WAY_BACK_PRIORITY, table: WAY_BACK_TABLE, mark },
    );
  }
  return objects;
}

function uplinkObjects({ instance, network }: SandboxInput): KernelObject[] {
  if (network.internal) return [];
  const device = 'up0';
  const via = UPLINK_HOST_ADDRESS;
  const peer = { namespace: HOST, name: uplinkName(instance, network.id), mac: UPLINK_HOST_MAC };
  return [
    { kind: 'veth', name: device, mtu: network.mtu, mac: UPLINK_SANDBOX_MAC, peer },
    { kind: 'address', device, address: `${UPLINK_SANDBOX_ADDRESS}/32` },
    { kind: 'neighbour', device, address: via, mac: UPLINK_HOST_MAC },
    { kind: 'route', destination: '0.0.0.0/0', table: MAIN_TABLE, device, via },
  ];
}

function attachmentObjects(attachment: LocalAttachment): KernelObject[] {
  const { taskId, network, index } = attachment;
  const address = bareAddress(attachment.address);
  const name = taskLink(taskId);
  const peer = {
    namespace: taskNamespace(taskId),
    name: `eth${index}`,
    mac: taskMac(address),
  };
  return [
    { kind: 'veth', name, mtu: network.mtu, mac: GATEWAY_MAC, peer, leavesWithPeer: true },
    { kind: 'neighbour', device: name, address, mac: taskMac(address) },
    { kind: 'route', destination: `${address}/32`, table: MAIN_TABLE, device: name },
  ];
}

function remoteRoutes(endpoint: TaskEndpointAssignment, host: HostAssignment): KernelObject[] {
  return endpoint.addresses.filter(isIpv4).map((address): KernelObject => ({
    kind: 'route',
    destination: `${address}/32`,
    table: MAIN_TABLE,
    device: 'vx0',
    via: tunnelAddress(host.number),
  }));
}

function mainTable(
  input: SandboxInput,
  peers: readonly HostAssignment[],
  vips: VirtualAddresses,
): NftTable {
  const { network, attachments, removed } = input;
  const wayBack = needsWayBack(network);
  const sets = new Map<string, NftSet>([
    [
      'own',
      nftSet(
        'type ifname . ipv4_addr;',
        attachments.map(({ taskId, address }) => `"${taskLink(taskId)}" . ${bareAddress(address)}`),
      ),
    ],
    [
      'hairpin',
      nftMap(
        'type ipv4_addr . ipv4_addr : ipv4_addr;',
        attachments.map(({ address, gateway }): [string, string] => {
          const own = bareAddress(address);
          return [`${own} . ${own}`, gateway];
        }),
      ),
    ],
    ['vips', nftMap('type ipv4_addr : verdict;', vips.targets)],
    ['dead', nftSet('type ipv4_addr;', [...removed.filter(isIpv4), ...vips.idle])],
  ]);
  if (wayBack) {
    const zones = peers.map(({ number }): [string, string] => [tunnelMac(number), String(number)]);
    const marks = peers.map(({ number }): [string, string] => [tunnelMac(number), mark(number)]);
    sets.set('zone_of', nftMap('typeof ether saddr : ct zone;', zones));
    sets.set('mark_of', nftMap('type ether_addr : mark;', marks));
  }
  const chains = new Map<string, NftChain>([
    ...baseChains(wayBack ? network : undefined),
    ...vips.chains,
  ]);
  return { family: 'ip', name: TABLE, sets, chains };
}

function baseChains(wayBack: OverlayNetwork | undefined): [string, NftChain][] {
  const raw = ['iifname "t*" iifname . ip saddr != @own drop'];
  const mangle: string[] = [];
  if (wayBack !== undefined) {
    const subnets = wayBack.subnets.map(({ subnet }) => subnet).filter(isIpv4);
    raw.push(
      'iifname "vx0" ct original zone set ether saddr map @zone_of',
      `iifname "up0" ct original zone set ${UPLINK_ZONE}`,
    );
    mangle.push(
      `iifname "vx0" ct state new ip saddr != { ${subnets.join(', ')} } ` +
        'ct mark set ether saddr map @mark_of',
      `iifname != "vx0" ct mark & ${hex(WAY_BACK_FLAG)} == ${hex(WAY_BACK_FLAG)} ` +
        'ct direction reply meta mark set ct mark',
    );
  }
  return [
    ['raw', { hook: 'type filter hook prerouting priority raw;', rules: raw }],
    ['way_back', { hook: 'type filter hook prerouting priority mangle;', rules: mangle }],
    ['vip', { hook: 'type nat hook prerouting priority dstnat;', rules: ['ip daddr vmap @vips'] }],
    [
      'dead_end',
      {
        hook: 'type filter hook prerouting priority filter;',
        rules: [
          'ip daddr @dead meta l4proto tcp reject with tcp reset',
          'ip daddr @dead reject with icmp type port-unreachable',
        ],
      },
    ],
    [
      'forward',
      {
        hook: 'type filter hook forward priority filter;',
        rules: ['iifname "vx0" oifname "up0" ct state new drop'],
      },
    ],
    [
      'hairpin_out',
      {
        hook: 'type nat hook postrouting priority srcnat;',
        rules: ['ct status dnat snat to ip saddr . ip daddr map @hairpin'],
      },
    ],
  ];
}

function egressTable(peers: readonly HostAssignment[]): NftTable {
  const elements = peers.map(({ number }): [string, string] => [mark(number), tunnelMac(number)]);
  return {
    family: 'netdev',
    name: TABLE,
    sets: new Map([['mac_of', nftMap('type mark : ether_addr;', elements)]]),
    chains: new Map([
      [
        'out',
        {
          hook: 'type filter hook egress device "vx0" priority 0;',
          rules: [`ether daddr ${WAY_BACK_MAC} ether daddr set meta mark map @mac_of`],
        },
      ],
    ]),
  };
}

/** Mark of connections that came in through this host. */
function mark(hostNumber: number): string {
  return hex(WAY_BACK_FLAG | hostNumber);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
