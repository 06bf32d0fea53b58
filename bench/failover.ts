// npm run bench:failover: how long replicas of a dead worker are missing, and how long nobody takes a write
// after the leader's host died. Hosts die as machines do: the link first, so that nobody gets a word.
import { join } from 'node:path';
import { callApi } from '../src/lab/api.ts';
import { down, killHost, socketOf, startHost, up } from '../src/lab/lab.ts';
import { until } from '../src/lab/host.ts';
import type { LabStore } from '../src/lab/state.ts';
import { Engine, median } from './engine.ts';

const root = join(import.meta.dirname, '..');
const LAB = 'failover';
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 20);
const REPLICAS = 6;

interface Node {
  readonly ID: string;
  readonly Status: { readonly State: string };
  readonly Description: { readonly Hostname: string };
  readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string };
}

const nodes = async (store: LabStore, host: string): Promise<Node[]> =>
  (await callApi(socketOf(store, host), 'GET', '/nodes').catch(() => [])) as Node[];

async function settled(store: LabStore, via: string): Promise<void> {
  const good = (node: Node): boolean =>
    node.Status.State === 'ready' &&
    (node.ManagerStatus === undefined || node.ManagerStatus.Reachability === 'reachable');
  await until('all nodes to be ready', async () => {
    const all = await nodes(store, via);
    return (
      all.length === 5 && all.every(good) && all.some((node) => node.ManagerStatus?.Leader === true)
    );
  });
}

async function leaderOf(store: LabStore, via: string): Promise<string> {
  const leader = (await nodes(store, via)).find((node) => node.ManagerStatus?.Leader === true);
  return leader?.Description.Hostname ?? '';
}

async function killWorker(store: LabStore, engine: Engine, name: string): Promise<number> {
  const dead = (await nodes(store, 'm1')).find((node) => node.Description.Hostname === name)?.ID;
  const start = performance.now();
  await killHost(store, name);
  await engine.waitTasks('web', 'replicas elsewhere', (tasks) => {
    const alive = tasks.filter(
      (task) => task.Status.State === 'running' && task.DesiredState === 'running',
    );
    return alive.filter((task) => task.NodeID !== dead).length === REPLICAS;
  });
  const time = performance.now() - start;
  await startHost(store, name);
  return time / 1000;
}

async function killLeader(store: LabStore, round: number): Promise<number> {
  const leader = await leaderOf(store, 'm1').catch(() => '');
  const other = ['m1', 'm2', 'm3'].find((name) => name !== leader) ?? 'm1';
  const engine = new Engine(other, socketOf(store, other));
  const start = performance.now();
  await killHost(store, leader);
  await engine.scale('counter', (round % 2) + 1);
  const time = performance.now() - start;
  await startHost(store, leader);
  return time / 1000;
}

async function main(): Promise<void> {
  await down(LAB);
  const store = await up(
    { name: LAB, managers: 3, workers: 2, daemonArgs: [], bare: false },
    () => {},
  );
  const workers: number[] = [];
  const leaders: number[] = [];
  try {
    const load = (host: string): Promise<void> =>
      new Engine(host, socketOf(store, host)).load(join(root, 'build', 'demo.tar'));
    for (const { name } of store.state.hosts) await load(name);
    const engine = new Engine('tsswarm', socketOf(store, 'm1'));
    const service = { image: 'tsswarm-demo:1', args: ['load'], network: 'none' };
    await engine.createService({ ...service, name: 'counter', replicas: 1 });
    for (let round = 1; round <= ROUNDS; round++) {
      await settled(store, 'm1');
      // Made anew each time, so that the worker that dies has its share.
      await engine.createService({ ...service, name: 'web', replicas: REPLICAS });
      workers.push(await killWorker(store, engine, round % 2 === 0 ? 'w1' : 'w2'));
      await settled(store, 'm1');
      await engine.removeService('web');
      leaders.push(await killLeader(store, round));
      await settled(store, 'm1');
      process.stdout.write(
        `${round}: worker ${workers.at(-1)?.toFixed(2)} s, leader ${leaders.at(-1)?.toFixed(2)} s\n`,
      );
    }
  } finally {
    await down(LAB);
  }
  for (const [what, values] of [
    ['worker killed → replicas run elsewhere', workers],
    ['leader killed → next scale accepted', leaders],
  ] as const) {
    process.stdout.write(
      `${what}: median ${median(values).toFixed(2)} s, worst ${Math.max(...values).toFixed(2)} s (${values.length} times)\n`,
    );
  }
}

await main();
