// What the network namespace of one task must have: an interface in each of its networks, routes
// that lead every packet back where it belongs, and the redirect to the resolver.
import {
  GATEWAY_MAC,
  IPV4,
  IPV6,
  TASK_GATEWAY6,
  bareAddress,
  familiesOf,
  ownAddress,
  shortName,
  subnetOf,
  taskMac,
  taskNamespace,
  type Family,
} from '../addressing/index.ts';
import {
  MAIN_TABLE,
  NO_IPV6,
  OWN_IPV6,
  objectMap,
  type KernelObject,
  type LocalAttachment,
  type NamespaceState,
  type Sysctl,
} from '../kernel/index.ts';
import type { NftTable } from '../nft/index.ts';

/** Where tasks find their resolver, as in Docker. */
export const RESOLVER_ADDRESS = '127.0.0.11';

/** Docker's defaults for containers with a network of their own. */
const TASK_SYSCTLS: readonly Sysctl[] = [
  { name: 'ipv4/ip_unprivileged_port_start', value: '0' },
  { name: 'ipv4/ping_group_range', value: '0 2147483647' },
  { name: 'ipv4/conf/all/rp_filter', value: '0' },
  { name: 'ipv4/conf/default/rp_filter', value: '0' },
];

/** Those of a task's namespace; IPv6 stays off unless one of its networks has it. */
export function taskSysctls(ipv6: boolean): readonly Sysctl[] {
  return [...TASK_SYSCTLS, ...(ipv6 ? OWN_IPV6 : NO_IPV6)];
}

const SOURCE_TABLE = 100;
const SOURCE_PRIORITY = 100;
/** Above the ports that the kernel hands out. Few different ones: adoption is quicker then. */
const FIRST_RESOLVER_PORT = 61_000;
const RESOLVER_PORTS = 16;

export interface TaskInput {
  readonly taskId: string;
  readonly attachments: readonly LocalAttachment[];
  readonly publishesIngress: boolean;
}

/** The port behind 127.0.0.11:53 in a task's namespace: the same after every restart. */
export function resolverPort(taskId: string): number {
  return FIRST_RESOLVER_PORT + (Number.parseInt(shortName(taskId).slice(-6), 36) % RESOLVER_PORTS);
}

export function taskState(input: TaskInput): NamespaceState {
  const { taskId, attachments } = input;
  const objects = attachments.flatMap(interfaceObjects);
  for (const family of [IPV4, IPV6]) {
    const leading = defaultAttachment(input, family);
    if (leading !== undefined) objects.push(defaultRoute(leading, MAIN_TABLE, family));
  }
  if (attachments.length > 1) {
    objects.push(
      ...attachments.flatMap((attachment) =>
        familiesOf(attachment.network).flatMap((family) => sourceRouting(attachment, family)),
      ),
    );
  }
  const sysctls = taskSysctls(attachments.some(({ ipv6 }) => ipv6 !== undefined));
  return {
    namespace: taskNamespace(taskId),
    sysctls,
    objects: objectMap(objects),
    tables: attachments.length === 0 ? [] : [resolverTable(resolverPort(taskId))],
  };
}

/**
 * The network of the default route: ingress for tasks published through the mesh, since an unbound
 * UDP socket answers with the address of its default route; else the first with a way out.
 */
function defaultAttachment(input: TaskInput, family: Family): LocalAttachment | undefined {
  const ways = input.attachments.filter(
    (attachment) => !attachment.network.internal && ownAddress(attachment, family) !== undefined,
  );
  const ingress = input.publishesIngress
    ? ways.find(({ network }) => network.ingress)
    : ways.find(({ network }) => !network.ingress);
  return ingress ?? ways[0];
}

function interfaceObjects(attachment: LocalAttachment): KernelObject[] {
  const { index, network } = attachment;
  const device = `eth${index}`;
  const mac = taskMac(bareAddress(attachment.address));
  return [
    { kind: 'veth', name: device, mtu: network.mtu, mac },
    ...familiesOf(network).flatMap((family): KernelObject[] => {
      const own = ownAddress(attachment, family);
      if (own === undefined) return [];
      const next = nextHop(attachment, family);
      return [
        { kind: 'address', device, address: own.address },
        { kind: 'neighbour', device, address: next, mac: GATEWAY_MAC },
        ...subnetRoutes(attachment, MAIN_TABLE, family),
      ];
    }),
  ];
}

function nextHop({ gateway }: LocalAttachment, family: Family): string {
  return family === IPV4 ? gateway : TASK_GATEWAY6;
}

function subnetRoutes(attachment: LocalAttachment, table: number, family: Family): KernelObject[] {
  const subnet = subnetOf(attachment.network, family)?.subnet;
  if (subnet === undefined || ownAddress(attachment, family) === undefined) return [];
  const device = `eth${attachment.index}`;
  const via = nextHop(attachment, family);
  return [{ kind: 'route', destination: subnet, table, device, via }];
}

function defaultRoute(attachment: LocalAttachment, table: number, family: Family): KernelObject {
  const device = `eth${attachment.index}`;
  const via = nextHop(attachment, family);
  return { kind: 'route', destination: family.everything, table, device, via };
}

/** Packets from an interface's address leave through it, whatever the main table says. */
function sourceRouting(attachment: LocalAttachment, family: Family): KernelObject[] {
  const own = ownAddress(attachment, family);
  if (own === undefined) return [];
  const table = SOURCE_TABLE + attachment.index;
  const way: KernelObject = attachment.network.internal
    ? { kind: 'route', destination: family.everything, table }
    : defaultRoute(attachment, table, family);
  const priority = SOURCE_PRIORITY + attachment.index;
  return [
    ...subnetRoutes(attachment, table, family),
    way,
    { kind: 'rule', priority, table, from: bareAddress(own.address) },
  ];
}

/**
 * Moves queries from port 53 to where the resolver listens, and its answers back, packet by packet: a
 * translation would have the kernel track every connection of the task.
 */
function resolverTable(port: number): NftTable {
  const [queries, answers] = [`ip daddr ${RESOLVER_ADDRESS}`, `ip saddr ${RESOLVER_ADDRESS}`];
  const rules = ['udp', 'tcp'].flatMap((protocol) => [
    `${queries} ${protocol} dport 53 ${protocol} dport set ${port}`,
    `${answers} ${protocol} sport ${port} ${protocol} sport set 53`,
  ]);
  return {
    family: 'ip',
    name: 'tsswarm_names',
    sets: new Map(),
    chains: new Map([['out', { hook: 'type filter hook output priority mangle;', rules }]]),
  };
}
