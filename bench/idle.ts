// npm run bench:idle: what a cluster costs in which nothing happens. 3 managers and 2 workers without a
// service, and as many hosts of Docker Swarm (where dockerd is installed), measured over the same time.
// A host's figure is all of its processes: daemon, resolver, containerd. BENCH_SECONDS sets the time,
// BENCH_PEER=0 leaves Docker Swarm out.
import { existsSync } from 'node:fs';
import { callApi, down, socketOf, stopDaemon, until, up, type LabStore } from '../src/lab/index.ts';
import { costsOf, difference, endPrograms, NOTHING, sum, type Cost } from './cpu-time.ts';
import { DOCKERD, initSwarm, startDockerd } from './dockerd.ts';
import type { Engine } from './engine.ts';

const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 60);
const WITH_PEER = process.env['BENCH_PEER'] !== '0' && existsSync(DOCKERD);
/** After the last join: certificates, first snapshots and compilers are done. */
const SETTLE_SECONDS = Number(process.env['BENCH_SETTLE_SECONDS'] ?? 30);
const SIZE = { managers: 3, workers: 2, daemonArgs: [] };
const OURS = { ...SIZE, name: 'idle-tsswarm', bare: false };
const PEERS = { ...SIZE, name: 'idle-docker', bare: true };
/** What holds a host's namespaces is the lab's. */
const NOT_COUNTED = new Set(['bash', 'sleep', 'unshare']);

interface Node {
  readonly ID: string;
  readonly Status: { readonly State: string };
}

interface HostCosts {
  readonly role: 'manager' | 'worker';
  readonly leads: boolean;
  /** By program. */
  readonly costs: ReadonlyMap<string, Cost>;
}

async function allReady(socket: string): Promise<void> {
  const wanted = SIZE.managers + SIZE.workers;
  await until(
    'all nodes to be ready',
    async () => {
      const nodes = (await callApi(socket, 'GET', '/nodes')) as Node[];
      return nodes.length === wanted && nodes.every(({ Status }) => Status.State === 'ready');
    },
    60_000,
  );
}

async function upWithDocker(): Promise<{ store: LabStore; socket: string }> {
  const store = await up(PEERS, () => {});
  const engines = new Map<string, Engine>();
  for (const { name } of store.state.hosts) {
    await stopDaemon(store, name);
    await endPrograms(store.host(name).init?.pid ?? 0, ['containerd', 'resolver']);
    engines.set(name, await startDockerd(store, name));
  }
  const [first, ...others] = store.state.hosts;
  const engine = engines.get(first?.name ?? '');
  if (first === undefined || engine === undefined) throw new Error('the lab has no hosts');
  const tokens = await initSwarm(store, first.name, engine);
  for (const host of others) {
    await engines.get(host.name)?.call('POST', '/swarm/join', {
      ListenAddr: '0.0.0.0:2377',
      AdvertiseAddr: host.address,
      RemoteAddrs: [`${first.address}:2377`],
      JoinToken: host.role === 'manager' ? tokens.Manager : tokens.Worker,
    });
  }
  return { store, socket: engine.socket };
}

async function leaderOf(socket: string): Promise<string> {
  const nodes = (await callApi(socket, 'GET', '/nodes')) as {
    Description: { Hostname: string };
    ManagerStatus?: { Leader?: boolean };
  }[];
  return nodes.find((node) => node.ManagerStatus?.Leader === true)?.Description.Hostname ?? '';
}

type Sample = ReadonlyMap<string, ReadonlyMap<string, Cost>>;

async function sample(store: LabStore): Promise<Sample> {
  const found = new Map<string, ReadonlyMap<string, Cost>>();
  for (const { name, init } of store.state.hosts) found.set(name, await costsOf(init?.pid ?? 0));
  return found;
}

function between(store: LabStore, leader: string, before: Sample, after: Sample): HostCosts[] {
  return store.state.hosts.map(({ name, role }) => {
    const earlier = before.get(name);
    const costs = [...(after.get(name) ?? [])]
      .filter(([program]) => !NOT_COUNTED.has(program))
      .map(
        ([program, cost]) => [program, difference(cost, earlier?.get(program) ?? NOTHING)] as const,
      );
    return { role, leads: name === leader, costs: new Map(costs) };
  });
}

function report(system: string, hosts: readonly HostCosts[], seconds: number): void {
  const groups: readonly [string, (host: HostCosts) => boolean][] = [
    ['leader', ({ leads }) => leads],
    ['other manager', ({ role, leads }) => role === 'manager' && !leads],
    ['worker', ({ role }) => role === 'worker'],
  ];
  for (const [name, belongs] of groups) {
    const of = hosts.filter(belongs);
    const programs = new Set(of.flatMap(({ costs }) => [...costs.keys()]));
    const mean = (pick: (host: HostCosts) => Cost): string => {
      const all = of.map(pick).reduce(sum, NOTHING);
      const per = of.length * seconds;
      return `${((100 * all.cpuSeconds) / per).toFixed(2)} % ${(all.wakeUps / per).toFixed(0)}/s`;
    };
    const whole = mean(({ costs }) => [...costs.values()].reduce(sum, NOTHING));
    const parts = [...programs].map(
      (program) => `${program} ${mean(({ costs }) => costs.get(program) ?? NOTHING)}`,
    );
    process.stdout.write(
      `${system.padEnd(8)} ${name.padEnd(14)} ${whole}   (${parts.join(', ')})\n`,
    );
  }
}

const pause = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1000));

async function main(): Promise<void> {
  const names = [OURS.name, PEERS.name];
  for (const name of names) await down(name);
  try {
    const ours = await up(OURS, () => {});
    const systems = [{ system: 'tsswarm', store: ours, socket: socketOf(ours, 'm1') }];
    if (WITH_PEER) systems.push({ system: 'docker', ...(await upWithDocker()) });
    for (const { socket } of systems) await allReady(socket);
    await pause(SETTLE_SECONDS);
    const before = new Map<string, Sample>();
    for (const { system, store } of systems) before.set(system, await sample(store));
    const start = performance.now();
    await pause(SECONDS);
    const seconds = (performance.now() - start) / 1000;
    const after = new Map<string, Sample>();
    for (const { system, store } of systems) after.set(system, await sample(store));
    process.stdout.write(
      `over ${seconds.toFixed(0)} s: CPU time in % of a core, and wake-ups of threads a second\n`,
    );
    for (const { system, store, socket } of systems) {
      const leader = await leaderOf(socket);
      const [first = new Map(), last = new Map()] = [before.get(system), after.get(system)];
      report(system, between(store, leader, first, last), seconds);
    }
  } finally {
    for (const name of names) await down(name);
  }
}

await main();
