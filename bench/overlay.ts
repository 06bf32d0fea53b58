// npm run bench:overlay: what the overlay costs, as ratios within one run, on hosts out of namespaces.
//   stream   a TCP stream between tasks on two hosts, beside the same kernel path set up by hand
//   vip      new connections through a virtual address, beside the task's own address
//   hosts    packets and new connections through the mesh with 1,000 hosts more that have tasks
//            on the network, beside without them
//   mesh     new connections through a port published on one host to a service with a task there and
//            one on the other host, beside what people put there instead: nginx as a TCP proxy, a task
//            of the first host with a port of its own, to the same tasks over the same network: as it
//            is, so that the tasks see nginx's address, and with the client's in the PROXY protocol
//   far      the same with tasks on the other host alone
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { TaskAssignment } from '../src/model/index.ts';
import type { OverlayState } from '../src/overlay/index.ts';
import { OverlayLab } from '../test/integration/overlay-lab.ts';
import { median } from './engine.ts';
import { layByHand } from './overlay-by-hand.ts';

const execute = promisify(execFile);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const STREAM_SECONDS = 3;
const CONNECTIONS = 10_000;
const AT_ONCE = 32;
const WEB_PORT = 80;
const PUBLISHED = 8080;
const PUBLISHED_FAR = 8082;
const PROXY_PORT = 8081;
const PROXY_PORT_FAR = 8083;
/** Told the client's address. */
const PROXY_PORT_TOLD = 8084;
const TOLD_PORT = 81;
const STREAM_PORT = 5201;
const PROXY_PORTS = [PROXY_PORT, PROXY_PORT_FAR, PROXY_PORT_TOLD];
const NETWORK = 'front';
const INGRESS = 'ingress';
const VIP = '10.50.1.2';
const FIRST_VNI = 1 << 20;

interface Task {
  readonly id: string;
  readonly host: string;
  readonly address: string;
  readonly ingress?: string;
  readonly hostPorts?: readonly number[];
}

const HOSTS = ['h1', 'h2'];
const TASKS: readonly Task[] = [
  { id: 'client', host: 'h1', address: '10.50.1.11' },
  // Of its own: a client's port that goes to one server by two addresses within a minute meets the
  // other's remains there, and has to try again.
  { id: 'direct', host: 'h1', address: '10.50.1.13' },
  { id: 'proxy', host: 'h1', address: '10.50.1.14', hostPorts: PROXY_PORTS },
  { id: 'server', host: 'h2', address: '10.50.1.12', ingress: '10.50.0.12' },
  { id: 'near', host: 'h1', address: '10.50.1.15', ingress: '10.50.0.15' },
  { id: 'far', host: 'h2', address: '10.50.1.16', ingress: '10.50.0.16' },
];
/** The services of those tasks that have one. */
const SERVICES: Readonly<Record<string, string>> = { server: 'web', near: 'spread', far: 'spread' };
/** Addresses on the switch. */
const UNDERLAY = new Map([
  ['h1', '10.99.0.1'],
  ['h2', '10.99.0.2'],
  ['outside', '10.99.0.4'],
  ['g1', '10.99.0.5'],
  ['g2', '10.99.0.6'],
]);

const underlay = (machine: string): string => UNDERLAY.get(machine) ?? '';

/** Hosts that are not there, each with a task on the network. */
const MANY_HOSTS = 1_000;

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
class Bench {
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

  serve(name: string, program: string, ...args: string[]): void {
    const all = [`--net=${this.path(name)}`, program, ...args];
    this.#servers.push(spawn('nsenter', all, { stdio: 'ignore' }));
  }

  /** nginx as a TCP proxy. */
  async nginx(name: string, body: string): Promise<void> {
    const file = join(this.#directory, `${name}.conf`);
    const head = [
      'include /usr/share/nginx/modules-available/mod-stream.conf;',
      `daemon off; worker_processes auto; pid ${join(this.#directory, `${name}.pid`)};`,
      'error_log /dev/null; events { worker_connections 4096; }',
    ];
    await writeFile(file, `${head.join('\n')}\n${body}\n`);
    this.serve(name, 'nginx', '-c', file);
  }

  /** Bits per second. */
  async stream(from: string, to: string): Promise<number> {
    const where = ['-c', to, '-p', String(STREAM_PORT), '-t', String(STREAM_SECONDS)];
    const text = await this.lab.run(this.path(from), 'iperf3', '-J', ...where);
    const result = JSON.parse(text) as { end: { sum_received: { bits_per_second: number } } };
    return result.end.sum_received.bits_per_second;
  }

  /** New connections a second; a failed one is an error. */
  async connections(from: string, to: string, port: number): Promise<number> {
    const load = ['load', to, String(port), String(CONNECTIONS), String(AT_ONCE)];
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

type Measure = () => Promise<number>;

/** Both sides take turns; the ratio is that of the medians. */
async function compare(
  title: string,
  unit: (value: number) => string,
  [ours, ourName]: readonly [Measure, string],
  [theirs, theirName]: readonly [Measure, string],
): Promise<void> {
  const values: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    values[0].push(await ours());
    values[1].push(await theirs());
  }
  const [own, other] = [median(values[0]), median(values[1])];
  process.stdout.write(
    `${title}: ${ourName} ${unit(own)}, ${theirName} ${unit(other)}, ratio ${(own / other).toFixed(2)}\n`,
  );
}

async function main(): Promise<void> {
  const bench = await Bench.open();
  try {
    await layByHand(bench.lab, bench.paths, underlay);
    for (const name of Object.keys(SERVICES)) {
      bench.serve(name, bench.connector, 'serve', String(WEB_PORT));
      bench.serve(name, bench.connector, 'serve', String(TOLD_PORT), 'header');
    }
    const addressOf = (name: string): string => TASKS.find(({ id }) => id === name)?.address ?? '';
    const server = addressOf('server');
    const both = (port: number): string =>
      ['near', 'far'].map((name) => `server ${addressOf(name)}:${port};`).join(' ');
    const proxies = [
      `upstream spread { ${both(WEB_PORT)} }`,
      `upstream told { ${both(TOLD_PORT)} }`,
      `server { listen ${PROXY_PORT}; proxy_pass spread; }`,
      `server { listen ${PROXY_PORT_TOLD}; proxy_pass told; proxy_protocol on; }`,
      `server { listen ${PROXY_PORT_FAR}; proxy_pass ${server}:${WEB_PORT}; }`,
    ];
    await bench.nginx('proxy', `stream { ${proxies.join(' ')} }`);
    for (const name of ['server', 'k2'])
      bench.serve(name, 'iperf3', '-s', '-p', String(STREAM_PORT));
    await bench.reachable('client', server, STREAM_PORT);
    await bench.reachable('k1', '10.62.0.2', STREAM_PORT);
    await bench.reachable('client', VIP, WEB_PORT);
    for (const port of [PUBLISHED, PUBLISHED_FAR, ...PROXY_PORTS]) {
      await bench.reachable('outside', underlay('h1'), port);
    }
    const gigabits = (value: number): string => `${(value / 1e9).toFixed(2)} Gbit/s`;
    const perSecond = (value: number): string => `${value.toFixed(0)}/s`;
    await compare(
      'stream between tasks on two hosts',
      gigabits,
      [() => bench.stream('client', server), 'overlay'],
      [() => bench.stream('k1', '10.62.0.2'), 'by hand'],
    );
    await compare(
      'new connections',
      perSecond,
      [() => bench.connections('client', VIP, WEB_PORT), 'virtual address'],
      [() => bench.connections('direct', server, WEB_PORT), 'direct'],
    );
    const fromOutside = (port: number): Measure =>
      bench.connections.bind(bench, 'outside', underlay('h1'), port);
    await compare(
      'new connections from outside to tasks on both hosts',
      perSecond,
      [fromOutside(PUBLISHED), 'mesh'],
      [fromOutside(PROXY_PORT), 'nginx as TCP proxy'],
    );
    await compare(
      'the same, tasks know the client',
      perSecond,
      [fromOutside(PUBLISHED), 'mesh'],
      [fromOutside(PROXY_PORT_TOLD), 'nginx with the PROXY protocol'],
    );
    await compare(
      'new connections from outside to the other host',
      perSecond,
      [fromOutside(PUBLISHED_FAR), 'mesh'],
      [fromOutside(PROXY_PORT_FAR), 'nginx as TCP proxy'],
    );
    const among =
      (more: number, measure: Measure): Measure =>
      async () => {
        await bench.hosts(more);
        return measure();
      };
    const packets = (): Promise<number> => bench.packets('client', server);
    await compare(
      'packets between tasks on two hosts',
      perSecond,
      [among(MANY_HOSTS, packets), `${MANY_HOSTS} hosts more`],
      [among(0, packets), 'two hosts'],
    );
    const mesh = fromOutside(PUBLISHED_FAR);
    await compare(
      'new connections from outside to the other host',
      perSecond,
      [among(MANY_HOSTS, mesh), `${MANY_HOSTS} hosts more`],
      [among(0, mesh), 'two hosts'],
    );
  } finally {
    await bench.close();
  }
}

await main();
