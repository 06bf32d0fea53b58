// What overlay.test.ts plays on: three hosts, a client, networks and tasks, and short ways to have
// them do something. `openScene` builds it, `closeScene` takes it down.
import { expect } from 'vitest';
import type {
  HostAssignment,
  NetworkAssignment,
  PortConfig,
  ServiceEndpointAssignment,
  TaskAssignment,
  TaskEndpointAssignment,
} from '../../src/model/index.ts';
import type { OverlayState } from '../../src/overlay/index.ts';
import { OverlayLab, type Peer } from './overlay-lab.ts';

export const HOSTS = ['h1', 'h2', 'h3'] as const;
export const CLIENT = '10.99.0.4';
export const CLIENT6 = 'fd99::4';
export const WEB_PORT = 80;
export const PUBLISHED = 8080;

export interface TaskPlan {
  readonly id: string;
  readonly service: string;
  readonly host: string;
  /** Network id → address. */
  readonly networks: Readonly<Record<string, string>>;
}

export const NETWORKS: readonly NetworkAssignment[] = [
  network('ingress', 1 << 20, '10.0.0', { ingress: true }),
  network('front', (1 << 20) + 1, '10.0.1', {}),
  network('back', (1 << 20) + 2, '10.0.2', { internal: true }),
  network('other', (1 << 20) + 3, '10.0.3', {}),
];

export const TASKS: readonly TaskPlan[] = [
  plan('web1', 'web', 'h1', { ingress: '10.0.0.11', front: '10.0.1.11' }),
  plan('web2', 'web', 'h2', { ingress: '10.0.0.12', front: '10.0.1.12', back: '10.0.2.12' }),
  plan('cli1', 'cli', 'h1', { front: '10.0.1.21' }),
  plan('db1', 'db', 'h1', { back: '10.0.2.31' }),
  plan('db2', 'db', 'h2', { back: '10.0.2.32' }),
  plan('alien1', 'alien', 'h1', { other: '10.0.3.41' }),
  plan('alien2', 'alien', 'h2', { other: '10.0.3.42' }),
];

export let lab: OverlayLab;
export const peers = new Map<string, Peer>();
export const services = new Map<string, ServiceEndpointAssignment>();
export const endpoints = new Map<string, TaskEndpointAssignment>();

export async function openScene(): Promise<void> {
  lab = await OverlayLab.open();
  for (const [index, name] of [...HOSTS, 'client'].entries()) {
    await lab.machine(name, `10.99.0.${index + 1}`, `fd99::${index + 1}`);
  }
  // Many distributions check source addresses strictly.
  await lab.run(lab.path('h2'), 'sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1');
  for (const host of HOSTS) await lab.startOverlay(host);
  service('front', 'web', { vip: '10.0.1.2', vip6: six('10.0.1.2'), aliases: ['www'] });
  service('front', 'cli', { vip: '10.0.1.3', vip6: six('10.0.1.3') });
  service('back', 'db', { mode: 'dnsrr' });
  service('other', 'alien', { vip: '10.0.3.2', sticky: true });
  service('ingress', 'web', {
    ports: [port('tcp', PUBLISHED, WEB_PORT), port('udp', PUBLISHED, WEB_PORT)],
  });
  for (const task of TASKS) {
    for (const [networkId, address] of Object.entries(task.networks)) {
      endpoint(task, networkId, address);
    }
  }
  await updateAll();
  for (const task of TASKS) await attach(task);
  peers.set('client', await lab.peer(lab.path('client')));
  for (const host of HOSTS) peers.set(host, await lab.peer(lab.path(host)));
}

export async function closeScene(): Promise<void> {
  await lab?.close();
}

export function network(
  id: string,
  vni: number,
  prefix: string,
  flags: { ingress?: boolean; internal?: boolean },
): NetworkAssignment {
  const { ingress = false, internal = false } = flags;
  const subnets = [{ subnet: `${prefix}.0/24`, gateway: `${prefix}.1` }];
  if (hasIpv6(id)) subnets.push({ subnet: `${six(prefix)}/64`, gateway: six(`${prefix}.1`) });
  return { id, name: id, vni, subnets, ingress, internal, encrypted: false };
}

/** The IPv6 address beside an IPv4 one: 10.0.1.11 → fd00:0:0:1::11, 10.0.1 → fd00:0:0:1::. */
export function six(address: string): string {
  const [, , network = '0', host = ''] = address.split('.');
  return network === '0' ? `fd00::${host}` : `fd00:0:0:${network}::${host}`;
}

function hasIpv6(networkId: string): boolean {
  return networkId !== 'other';
}

export function plan(
  id: string,
  name: string,
  host: string,
  networks: Readonly<Record<string, string>>,
): TaskPlan {
  return { id, service: name, host, networks };
}

export function hostOf(host: string): HostAssignment {
  const number = HOSTS.findIndex((name) => name === host) + 1;
  return { nodeId: host, hostname: host, number, address: `10.99.0.${number}` };
}

export function port(protocol: 'tcp' | 'udp', published: number, target: number): PortConfig {
  return {
    Protocol: protocol,
    PublishedPort: published,
    TargetPort: target,
    PublishMode: 'ingress',
  };
}

export function service(
  networkId: string,
  name: string,
  values: Partial<ServiceEndpointAssignment>,
): void {
  services.set(`${networkId}/${name}`, {
    networkId,
    serviceId: name,
    name,
    aliases: [],
    mode: 'vip',
    ports: [],
    sticky: false,
    ...values,
  });
}

export function endpoint(task: TaskPlan, networkId: string, address: string): void {
  endpoints.set(`${networkId}/${task.id}`, {
    networkId,
    serviceId: task.service,
    taskId: task.id,
    name: `${task.service}.1.${task.id}`,
    nodeId: task.host,
    addresses: hasIpv6(networkId) ? [address, six(address)] : [address],
    aliases: [],
    active: true,
  });
}

export function endpointActive(taskId: string, networkId: string, active: boolean): void {
  const key = `${networkId}/${taskId}`;
  const old = endpoints.get(key);
  if (old) endpoints.set(key, { ...old, active });
}

export function assignment(task: TaskPlan): TaskAssignment {
  return {
    id: task.id,
    serviceId: task.service,
    serviceName: task.service,
    slot: 1,
    nodeId: task.host,
    revisionId: 'r1',
    desiredState: 'running',
    networks: Object.entries(task.networks).map(([networkId, address]) => ({
      networkId,
      addresses:
        address === ''
          ? []
          : hasIpv6(networkId)
            ? [`${address}/24`, `${six(address)}/64`]
            : [`${address}/24`],
      aliases: [],
    })),
    hostPorts: [],
    publishesIngress: 'ingress' in task.networks,
  };
}

export async function updateAll(): Promise<void> {
  const state: Omit<OverlayState, 'self'> = {
    dataPathPort: 4789,
    networks: new Map(NETWORKS.map((entry) => [entry.id, entry])),
    hosts: new Map(HOSTS.map((host) => [host, hostOf(host)])),
    services: new Map(services),
    endpoints: new Map(endpoints),
  };
  await Promise.all(HOSTS.map((host) => lab.update(host, { ...state, self: hostOf(host) })));
}

/** Attaches a task and starts its server; returns the path of its namespace. */
export async function attach(task: TaskPlan): Promise<string> {
  const { path = '' } = await lab.attach(task.host, assignment(task));
  const started = await lab.peer(path);
  await started.program.call('serve', { port: WEB_PORT, name: task.id });
  peers.set(task.id, started);
  return path;
}

export function peer(name: string): Peer['program'] {
  const found = peers.get(name);
  if (found === undefined) throw new Error(`no peer ${name}`);
  return found.program;
}

export function ask(from: string, address: string, toPort: number): Promise<string> {
  return peer(from).call('ask', { address, port: toPort });
}

export async function askOften(
  from: string,
  address: string,
  toPort: number,
  times: number,
): Promise<string[]> {
  const answers: string[] = [];
  for (let i = 0; i < times; i++) answers.push(await ask(from, address, toPort));
  return answers;
}

export async function names(from: string, name: string, type = 'A'): Promise<string[]> {
  const found = await peer(from).call<string[]>('lookUp', { name, type });
  return found.sort();
}

export function say(from: string, packet: Record<string, unknown>, text: string): Promise<unknown> {
  return peer(from).call('send', { ...packet, data: Buffer.from(text).toString('base64') });
}

export async function heard(by: string, text: string): Promise<void> {
  await expect.poll(() => peer(by).call<string[]>('heard'), { timeout: 3_000 }).toContain(text);
}

/** Links, routes, neighbours and rules of all namespaces, for comparison. */
export async function kernelText(): Promise<string[]> {
  const texts: string[] = [];
  const paths = HOSTS.flatMap((host) => [
    lab.path(host),
    ...['ingress', 'front', 'back', 'other'].map((id) => `${lab.directory(host)}/netns/n-${id}`),
  ]);
  paths.push(...TASKS.map((task) => `${lab.directory(task.host)}/netns/t-${task.id}`));
  for (const path of paths) {
    for (const what of ['link', 'address', 'route', 'rule']) {
      texts.push(await lab.run(path, 'ip', '-o', what));
    }
    // Handles show what was made anew, even where it is the same.
    texts.push(await lab.run(path, 'nft', '-a', 'list', 'ruleset'));
    texts.push(await lab.run(path, 'ip', '-6', '-o', 'route', 'show', 'proto', '99'));
    texts.push(await lab.run(path, 'ip', '-6', '-o', 'rule'));
    texts.push(await lab.run(path, 'ip', 'neigh', 'show', 'nud', 'permanent'));
  }
  return texts;
}

/** VXLAN header, Ethernet, IPv4, UDP without checksum, text; base64. */
export function vxlanPacket(
  vni: number,
  from: string,
  to: string,
  toPort: number,
  text: string,
): string {
  const payload = Buffer.from(text);
  const udp = Buffer.alloc(8);
  udp.writeUInt16BE(4000, 0);
  udp.writeUInt16BE(toPort, 2);
  udp.writeUInt16BE(8 + payload.length, 4);
  const ip = Buffer.alloc(20);
  ip.writeUInt8(0x45, 0);
  ip.writeUInt16BE(28 + payload.length, 2);
  ip.writeUInt8(64, 8);
  ip.writeUInt8(17, 9);
  Buffer.from(from.split('.').map(Number)).copy(ip, 12);
  Buffer.from(to.split('.').map(Number)).copy(ip, 16);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += ip.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  ip.writeUInt16BE(~sum & 0xffff, 10);
  const ethernet = Buffer.from('02420a63000202420a6300010800', 'hex');
  const header = Buffer.alloc(8);
  header.writeUInt8(0x08, 0);
  header.writeUInt32BE(vni * 256, 4);
  return Buffer.concat([header, ethernet, ip, udp, payload]).toString('base64');
}
