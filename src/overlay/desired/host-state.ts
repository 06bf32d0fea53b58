// What the host's own namespace must have for the overlay: uplinks to the sandboxes with the way
// out, published ports, and the rules that keep networks apart. Only links and one table of ours
// are touched; everything else there belongs to others.
import type {
  HostAssignment,
  PortConfig,
  ServiceEndpointAssignment,
  TaskEndpointAssignment,
} from '../../model/index.ts';
import {
  IPV4,
  IPV6,
  UPLINK_HOST_MAC,
  UPLINK_HOST_ULA,
  UPLINK_SANDBOX_MAC,
  bareAddress,
  familiesOf,
  hasIpv6,
  isIpv6,
  ownAddress,
  subnetOf,
  uplinkName,
  type Family,
} from '../addressing/index.ts';
import { balanceRules } from './balance.ts';
import {
  HOST,
  MAIN_TABLE,
  objectMap,
  type KernelObject,
  type LocalAttachment,
  type NamespaceState,
  type OverlayNetwork,
  type Sysctl,
} from '../kernel/index.ts';
import { nftMap, nftSet, type NftChain, type NftSet, type NftTable } from '../nft/index.ts';
import { UNTRACKED_PROBES } from './sandbox-rules.ts';
import { tunnelRules, type TunnelRules } from '../tunnels/index.ts';
import { activeAddresses } from './virtual-addresses.ts';

/** Network identifiers from here on are ours: Docker's are lower. */
const FIRST_VNI = 1 << 20;

/** A port of this host and where its connections go. */
export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly targetPort: number;
  readonly sticky: boolean;
  readonly serviceId: string;
  /** The only address of this host at which it is open; absent: all. */
  readonly hostIp?: string;
  /** Backends of both families, at most those that get new connections. */
  readonly addresses: readonly string[];
}

export interface HostInput {
  readonly instance: string;
  readonly networks: readonly OverlayNetwork[];
  readonly hosts: ReadonlyMap<string, HostAssignment>;
  /** Underlay address of this host, once it is known. */
  readonly self: string | undefined;
  readonly dataPathPort: number;
  /** tsswarm's own ports: tasks can't reach them, nobody can publish them. */
  readonly ownPorts: readonly number[];
  /** Tasks here on the mesh's network. */
  readonly meshed: readonly LocalAttachment[];
  /** Only ports that this host has claimed. */
  readonly published: readonly PublishedPort[];
}

export function portKey({ protocol, port }: { protocol: string; port: number }): string {
  return `${protocol} . ${port}`;
}

/** The mesh's ports from what the ingress network's services publish. */
export function meshPorts(
  services: readonly ServiceEndpointAssignment[],
  endpoints: readonly TaskEndpointAssignment[],
): PublishedPort[] {
  const [backends, backends6] = [IPV4, IPV6].map((family) => activeAddresses(endpoints, family));
  return services.flatMap(({ serviceId, ports, sticky }) =>
    ports.flatMap((config) => {
      if (config.PublishMode !== 'ingress') return [];
      const addresses = [backends, backends6].flatMap((map) => map?.get(serviceId) ?? []);
      return publishedPort(config, serviceId, sticky, addresses);
    }),
  );
}

/** None for protocols and numbers that can't be published. */
export function publishedPort(
  config: PortConfig,
  serviceId: string,
  sticky: boolean,
  addresses: readonly string[],
): PublishedPort[] {
  const { Protocol: protocol, PublishedPort: port = 0, TargetPort: targetPort } = config;
  if (protocol === 'sctp' || port === 0) return [];
  const published = { protocol, port, targetPort, sticky, serviceId, addresses };
  const { HostIP: hostIp } = config;
  return [hostIp === undefined ? published : { ...published, hostIp }];
}

/** Needed once in the host's namespace: tasks reach the world through it. */
export const HOST_SYSCTLS: readonly Sysctl[] = [{ name: 'ipv4/ip_forward', value: '1' }];

/** Needed on every uplink: the host itself reaches published ports at 127.0.0.1. */
export function uplinkSysctls(device: string, ipv6: boolean): Sysctl[] {
  const own = `ipv6/conf/${device}`;
  return [
    { name: `ipv4/conf/${device}/rp_filter`, value: '0' },
    { name: `ipv4/conf/${device}/route_localnet`, value: '1' },
    { name: `ipv4/conf/${device}/send_redirects`, value: '0' },
    // Also takes away the address that the kernel made up.
    { name: `${own}/disable_ipv6`, value: '1' },
    ...(ipv6
      ? [
          { name: `${own}/addr_gen_mode`, value: '1' },
          { name: `${own}/accept_ra`, value: '0' },
          { name: `${own}/disable_ipv6`, value: '0' },
          { name: 'ipv6/conf/all/forwarding', value: '1' },
        ]
      : []),
  ];
}

export function hostState(input: HostInput): NamespaceState {
  const open = input.networks.filter(({ internal }) => !internal);
  return {
    namespace: HOST,
    sysctls: HOST_SYSCTLS,
    objects: objectMap(open.flatMap((network) => uplinkObjects(input.instance, network))),
    tables: hostFamilies(input).map((family) => hostTable(input, family)),
  };
}

/** A host whose underlay has IPv6 must keep forged packets out of it, too. */
function hostFamilies({ networks, hosts }: HostInput): readonly Family[] {
  const used = networks.some(hasIpv6) || [...hosts.values()].some(({ address }) => isIpv6(address));
  return used ? [IPV4, IPV6] : [IPV4];
}

/** The link itself is made together with its other end, by the sandbox. */
function uplinkObjects(instance: string, network: OverlayNetwork): KernelObject[] {
  const device = uplinkName(instance, network.id);
  const objects: KernelObject[] = [
    { kind: 'veth', name: device, mtu: network.mtu, mac: UPLINK_HOST_MAC },
    { kind: 'address', device, address: `${IPV4.uplinkHost}/32` },
  ];
  for (const family of familiesOf(network)) {
    const via = family.uplinkSandbox;
    const destination = subnetOf(network, family)?.subnet;
    objects.push({ kind: 'neighbour', device, address: via, mac: UPLINK_SANDBOX_MAC });
    if (destination === undefined) continue;
    objects.push({ kind: 'route', destination, table: MAIN_TABLE, device, via });
  }
  if (hasIpv6(network)) {
    const address = `${UPLINK_HOST_ULA}/128`;
    objects.push({ kind: 'address', device, address, deprecated: true });
  }
  return objects;
}

function hostTable(input: HostInput, family: Family): NftTable {
  const { instance, hosts, dataPathPort, ownPorts } = input;
  const published = input.published.map((port) => ({
    ...port,
    addresses: isOpenIn(port, family) ? port.addresses.filter(family.is) : [],
  }));
  // At its other addresses the port may be somebody else's.
  const everywhere = published.filter(({ hostIp }) => hostIp === undefined);
  const served = published.filter(({ addresses }) => addresses.length > 0);
  const meshed = input.meshed.flatMap((attachment) => ownAddress(attachment, family) ?? []);
  const underlay = [...hosts.values()].map(({ address }) => address).filter(family.is);
  const sets = new Map<string, NftSet>([
    ['cluster_hosts', nftSet(`type ${family.type};`, underlay)],
    [
      'meshed',
      nftSet(
        `type ${family.type};`,
        meshed.map(({ address }) => bareAddress(address)),
      ),
    ],
    ['own_ports', nftSet('type inet_service;', ownPorts.map(String))],
    ['claimed', nftSet('type inet_proto . inet_service;', everywhere.map(portKey))],
    [
      'published',
      nftMap(
        'type inet_proto . inet_service : verdict;',
        served.map((port): [string, string] => [portKey(port), `goto ${portChain(port)}`]),
      ),
    ],
  ]);
  const ours = `"${instance}-*"`;
  const encrypted = input.networks.flatMap(({ encrypted, vxlan }) =>
    encrypted === true && vxlan !== undefined ? [vxlan.vni] : [],
  );
  const secured = tunnelRules(instance, dataPathPort, encrypted, family);
  const chains = new Map<string, NftChain>([
    ...translationChains(ours, input, family),
    ...filterChains(ours, input, secured, family),
    ...served.map((port): [string, NftChain] => [
      portChain(port),
      { rules: [...elsewhere(port, family), ...translation(port, family)] },
    ]),
  ]);
  return { family: family.word, name: hostTableName(instance), sets, chains };
}

function isOpenIn({ hostIp }: PublishedPort, family: Family): boolean {
  return hostIp === undefined || family.is(hostIp);
}

/** Leaves alone what comes to another address of this host. */
function elsewhere({ hostIp }: PublishedPort, { word }: Family): string[] {
  return hostIp === undefined ? [] : [`${word} daddr != ${hostIp} return`];
}

function translation(port: PublishedPort, { word }: Family): string[] {
  const { addresses, sticky, protocol, targetPort } = port;
  return balanceRules({ addresses, sticky, word }, (condition, target) => {
    const expression = target.includes(' ');
    const host = word === 'ip6' && !expression ? `[${target}]` : target;
    return `meta l4proto ${protocol} ${condition}dnat to ${host}:${targetPort}`;
  });
}

/** Name of our table in the host's namespace. */
export function hostTableName(instance: string): string {
  return `tsswarm_${instance}`;
}

function portChain({ protocol, port }: PublishedPort): string {
  return `p_${protocol}_${port}`;
}

/** Packets to an address of this host. */
const LOCAL = 'fib daddr type local';

function translationChains(
  ours: string,
  { dataPathPort, self }: HostInput,
  { word, loopback, is }: Family,
): [string, NftChain][] {
  // Every connection inside has a source port of its own outside: tracked, each would be one there, too,
  // on both hosts and in both directions.
  const tunnel = `udp dport ${dataPathPort}`;
  const received = `${tunnel} ${word} saddr @cluster_hosts ${word} daddr ${self} notrack accept`;
  // The kernel lets nothing from ::1 leave the host: there a refusal is better than a hang, since
  // programs that ask for "localhost" then go on to 127.0.0.1.
  const reachable = word === 'ip6' ? `${LOCAL} ip6 daddr != ${loopback}` : LOCAL;
  const toPublished = `${reachable} meta l4proto . th dport vmap @published`;
  return [
    [
      'raw',
      {
        hook: 'type filter hook prerouting priority raw;',
        rules: [
          ...(self !== undefined && is(self) ? [received] : []),
          // route_localnet is on for uplinks: nobody may use it from outside (CVE-2020-8558).
          `iifname ${ours} ${word} daddr ${loopback} drop`,
        ],
      },
    ],
    [
      'raw_out',
      {
        hook: 'type filter hook output priority raw;',
        rules: [`${tunnel} ${word} daddr @cluster_hosts notrack accept`, UNTRACKED_PROBES],
      },
    ],
    ['prerouting', { hook: 'type nat hook prerouting priority dstnat;', rules: [toPublished] }],
    ['output', { hook: 'type nat hook output priority -100;', rules: [toPublished] }],
    [
      'postrouting',
      {
        hook: 'type nat hook postrouting priority srcnat;',
        rules: [
          // A task's own request to a published port, the host's own to 127.0.0.1, the way out.
          `iifname ${ours} oifname ${ours} masquerade`,
          `oifname ${ours} ${word} saddr ${loopback} masquerade`,
          `iifname ${ours} oifname != ${ours} masquerade`,
        ],
      },
    ],
  ];
}

function filterChains(
  ours: string,
  { instance, networks, dataPathPort }: HostInput,
  secured: TunnelRules,
  { word, icmp }: Family,
): [string, NftChain][] {
  // Sandboxes of the mesh's network let through what only passes: other hosts' tasks may answer whom this
  // host let in, their own way out is not here.
  const meshReplies = networks
    .filter(({ ingress, internal }) => ingress && !internal)
    .map(({ id }) => `iifname "${uplinkName(instance, id)}"`)
    .map((uplink) => `${uplink} ct state new,invalid ${word} saddr != @meshed drop`);
  return [
    [
      'forward',
      {
        hook: 'type filter hook forward priority filter;',
        rules: [
          ...secured.forward,
          // First what most packets are: requests to published ports, and answers.
          `iifname != ${ours} oifname ${ours} ct status dnat accept`,
          // Answers too: a task of another host could have asked from this port.
          `iifname ${ours} udp dport ${dataPathPort} drop`,
          // Those of its own host are refused in input.
          `iifname ${ours} ${word} daddr @cluster_hosts meta l4proto { tcp, udp } th dport @own_ports reject`,
          `iifname ${ours} oifname != ${ours} ct direction reply accept`,
          ...meshReplies,
          `oifname ${ours} ct status dnat accept`,
          // Said, not just dropped: it is one of our tasks that asks for another network.
          `iifname ${ours} oifname ${ours} reject with ${icmp} type admin-prohibited`,
          `oifname ${ours} ct state established,related accept`,
          `oifname ${ours} drop`,
        ],
      },
    ],
    [
      'input',
      {
        hook: 'type filter hook input priority filter;',
        rules: [
          ...secured.input,
          // First, since all that comes from other hosts comes this way.
          `udp dport ${dataPathPort} ${word} saddr @cluster_hosts accept`,
          `${secured.elsewhere}udp dport ${dataPathPort} ${vniMatch(networks)}drop`,
          ...meshReplies,
          `iifname ${ours} meta l4proto { tcp, udp } th dport @own_ports reject`,
          // What gets here has no backend; the socket that claims the port answers nobody.
          'meta l4proto tcp meta l4proto . th dport @claimed reject with tcp reset',
          'meta l4proto udp meta l4proto . th dport @claimed reject',
        ],
      },
    ],
    ...secured.chains,
  ];
}

/** Leaves the packets of other programs' networks on the same port alone. */
function vniMatch(networks: readonly OverlayNetwork[]): string {
  const low = networks.some(({ vxlan }) => vxlan !== undefined && vxlan.vni < FIRST_VNI);
  return low ? '' : `@th,96,24 >= ${FIRST_VNI} `;
}
