// Hosts, tasks, a machine outside and the loads for bench/overlay.ts, out of namespaces (the lab of the
// integration tests).
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TaskAssignment } from '../src/model/index.ts';
import type { OverlayState } from '../src/overlay/index.ts';
import { OverlayLab } from '../test/integration/overlay-lab.ts';

const execute = promisify(execFile);
const STREAM_SECONDS = 3;
const CONNECTIONS = 10_000;
const AT_ONCE = 32;
export const WEB_PORT = 80;
export const PUBLISHED = 8080;
export const PUBLISHED_FAR = 8082;
export const PROXY_PORT = 8081;
export const PROXY_PORT_FAR = 8083;
/** Told the client's address. */
export const PROXY_PORT_TOLD = 8084;
export const TOLD_PORT = 81;
export const STREAM_PORT = 5201;
export const PROXY_PORTS = [PROXY_PORT, PROXY_PORT_FAR, PROXY_PORT_TOLD];
const NETWORK = 'front';
const INGRESS = 'ingress';
export const VIP = '10.50.1.2';
const FIRST_VNI = 1 << 20;

interface Task {
  readonly id: string;
  readonly host: string;
  readonly address: string;
  readonly ingress?: string;
  readonly hostPorts?: readonly number[];
}

const HOSTS = ['h1', 'h2'];
export const TASKS: readonly Task[] = [
  { id: 'client', host: 'h1', address: '10.50.1.11' },
  // Of its own: a client's port that goes to one server by two addresses within a minute meets the
  // other's remains there, and has to try again.
  { id: 'direct', host: 'h1', address: '10.50.1.13' },
  { id: 'proxy', host: 'h1', address: '10.50.1.14', hostPorts: PROXY_PORTS },
  {
    id: 'server',
    host: 'h2',
    address: '10.50.1.12',
    ingress: '10.50.0.12',
    hostPorts: [WEB_PORT, TOLD_PORT],
  },
  { id: 'near', host: 'h1', address: '10.50.1.15', ingress: '10.50.0.15' },
  { id: 'far', host: 'h2', address: '10.50.1.16', ingress: '10.50.0.16' },
];
/** The services of those tasks that have one. */
export const SERVICES: Readonly<Record<string, string>> = {
  server: 'web',
  near: 'spread',
  far: 'spread',
};
/** Addresses on the switch. */
const UNDERLAY = new Map([
  ['h1', '10.99.0.1'],
  ['h2', '10.99.0.2'],
  ['outside', '10.99.0.4'],
  // A machine that only has a proxy: nothing of ours is there.
  ['bare', '10.99.0.7'],
  ['g1', '10.99.0.5'],
  ['g2', '10.99.0.6'],
]);

export const underlay = (machine: string): string => UNDERLAY.get(machine) ?? '';

/** Hosts that are not there, each with a task on the network. */
export const MANY_HOSTS = 1_000;

function stateOf(host: string, more = 0): OverlayState {
  const hosts = new Map(
    HOSTS.map((name, i) => [
      name,
      { nodeId: name, hostname: name, number: i + 1, address: underlay(name) },
    ]),
  );
  const network = (id: string, i: number, ingress: boolean): OverlayState['networks'] =>
    new Map([
      [
        id,
        {
          id,
          name: id,
          vni: FIRST_VNI + i,
          ingress,
          subnets: [{ subnet: `10.50.${i}.0/24`, gateway: `10.50.${i}.1` }],
          internal: false,
          encrypted: false,
        },
      ],
    ]);
  const service = (serviceId: string) =>
    ({ serviceId, name: serviceId, aliases: [], mode: 'vip', sticky: false }) as const;
  const port = (published: number) =>
    ({
      Protocol: 'tcp',
      PublishedPort: published,
      TargetPort: WEB_PORT,
      PublishMode: 'ingress',
    }) as const;
  const endpoints = TASKS.flatMap(({ id, host: nodeId, address, ingress }) => {
    const endpoint = {
      taskId: id,
      nodeId,
      aliases: [],
      active: true,
      name: `${id}.1.${id}`,
      serviceId: SERVICES[id] ?? id,
    };
    const on = (networkId: string, own: string) =>
      [`${networkId}/${id}`, { ...endpoint, networkId, addresses: [own] }] as const;
    return [on(NETWORK, address), ...(ingress === undefined ? [] : [on(INGRESS, ingress)])];
  });
  for (let n = 1; n <= more; n++) {
    const nodeId = `far${n}`;
    const address = `10.98.${n >> 8}.${n & 255}`;
    hosts.set(nodeId, { nodeId, hostname: nodeId, number: 100 + n, address });
    endpoints.push([
      `${NETWORK}/${nodeId}`,
      {
        taskId: nodeId,
        nodeId,
        aliases: [],
        active: true,
        name: `far.${n}.${nodeId}`,
        serviceId: 'far',
        networkId: NETWORK,
        addresses: [`10.51.${n >> 8}.${n & 255}`],
      },
    ]);
  }
  return {
    self: hosts.get(host),
    dataPathPort: 4789,
    hosts,
    networks: new Map([...network(INGRESS, 0, true), ...network(NETWORK, 1, false)]),
    services: new Map([
      [`${NETWORK}/web`, { ...service('web'), networkId: NETWORK, vip: VIP, ports: [] }],
      [`${INGRESS}/web`, { ...service('web'), networkId: INGRESS, ports: [port(PUBLISHED_FAR)] }],
      [`${INGRESS}/spread`, { ...service('spread'), networkId: INGRESS, ports: [port(PUBLISHED)] }],
    ]),
    endpoints: new Map(endpoints),
  };
}

function assignment({ id, host, address, ingress, hostPorts = [] }: Task): TaskAssignment {
  const on = (networkId: string, own: string) => ({
    networkId,
    addresses: [`${own}/24`],
    aliases: [],
  });
  return {
    id,
    serviceId: id,
    serviceName: id,
    slot: 1,
    nodeId: host,
    revisionId: 'r',
    desiredState: 'running',
    networks: [on(NETWORK, address), ...(ingress === undefined ? [] : [on(INGRESS, ingress)])],
    hostPorts: hostPorts.map((port) => ({
      Protocol: 'tcp',
      PublishedPort: port,
      TargetPort: port,
      PublishMode: 'host',
    })),
    publishesIngress: ingress !== undefined,
  };
}

/** Everything that runs, and how to measure on it. */
export class Bench {
  readonly lab: OverlayLab;
  readonly #directory: string;
  readonly #servers: ChildProcess[] = [];
  /** Paths of the namespaces of tasks and machines. */
  readonly paths = new Map<string, string>();

  /** The program of bench/connections.c. */
  get connector(): string {
    return join(this.#directory, 'connections');
  }

  private constructor(lab: OverlayLab, directory: string) {
    this.lab = lab;
    this.#directory = directory;
  }

  static async open(): Promise<Bench> {
    const lab = await OverlayLab.open();
    const bench = new Bench(lab, await mkdtemp(join(tmpdir(), 'tsswarm-bench-')));
    const source = join(import.meta.dirname, 'connections.c');
    await execute('gcc', ['-O2', '-Wall', '-o', bench.connector, source]);
    for (const [machine, address] of UNDERLAY) {
      await lab.machine(machine, address);
      bench.paths.set(machine, lab.path(machine));
    }
    for (const host of HOSTS) {
      await lab.startOverlay(host);
      await lab.update(host, stateOf(host));
    }
    for (const task of TASKS) {
      const { path } = await lab.attach(task.host, assignment(task));
      if (path === undefined) throw new Error(`task ${task.id} has no namespace`);
      bench.paths.set(task.id, path);
    }
    return bench;
  }

  path(name: string): string {
    const path = this.paths.get(name);
    if (path === undefined) throw new Error(`no namespace ${name}`);
    return path;
  }

  serve(name: string, program: string, ...args: string[]): ChildProcess {
    const all = [`--net=${this.path(name)}`, program, ...args];
    const server = spawn('nsenter', all, { stdio: 'ignore' });
    this.#servers.push(server);
    return server;
  }

  /** nginx as a TCP proxy. */
  async nginx(name: string, body: string, workers = 'auto'): Promise<ChildProcess> {
    const file = join(this.#directory, `${name}.conf`);
    const head = [
      'include /usr/share/nginx/modules-available/mod-stream.conf;',
      `daemon off; worker_processes ${workers}; pid ${join(this.#directory, `${name}.pid`)};`,
      'error_log /dev/null; events { worker_connections 4096; }',
    ];
    await writeFile(file, `${head.join('\n')}\nstream { ${body} }\n`);
    return this.serve(name, 'nginx', '-c', file);
  }

  /** Bits per second. */
  async stream(from: string, to: string): Promise<number> {
    const where = ['-c', to, '-p', String(STREAM_PORT), '-t', String(STREAM_SECONDS)];
    const text = await this.lab.run(this.path(from), 'iperf3', '-J', ...where);
    const result = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } };
    return result.end.sum_received.bits_per_second;
  }

  /** New connections a second; a failed one is an error. */
  async connections(from: string, to: string, port: number, each = CONNECTIONS): Promise<number> {
    const load = ['load', to, String(port), String(each), String(AT_ONCE)];
    return Number(await this.lab.run(this.path(from), this.connector, ...load));
  }

  /** Packets of 200 bytes a second that arrive. */
  async packets(from: string, to: string): Promise<number> {
    const where = ['-c', to, '-p', String(STREAM_PORT), '-t', String(STREAM_SECONDS)];
    const small = ['-u', '-l', '200', '-b', '0'];
    const text = await this.lab.run(this.path(from), 'iperf3', '-J', ...where, ...small);
    const { end } = JSON.parse(text) as {
      end: { sum: { packets: number; lost_packets: number; seconds: number } };
    };
    return (end.sum.packets - end.sum.lost_packets) / end.sum.seconds;
  }

  /** Tells both hosts of so many hosts more. */
  async hosts(more: number): Promise<void> {
    for (const host of HOSTS) await this.lab.update(host, stateOf(host, more));
  }

  async reachable(from: string, to: string, port: number): Promise<void> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      const script = `exec 3<>"/dev/tcp/${to}/${port}"`;
      const ok = await this.lab.run(this.path(from), 'timeout', '1', 'bash', '-c', script).then(
        () => true,
        () => false,
      );
      if (ok) return;
      if (Date.now() > deadline) throw new Error(`${from} does not reach ${to}:${port}`);
    }
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.kill('SIGTERM');
    await this.lab.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
