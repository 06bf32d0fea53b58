// npm run bench:failover [-- MODE…]: what a failure costs.
//   worker   a worker's host dies: how long its replicas are missing
//   host     the leader's host dies under load: how long nobody's write is acknowledged
//   process  the leader's daemon is killed under load
//   stop     the leader's daemon is stopped in good order under load
// Hosts die as machines do: the link first, so that nobody gets a word. After every round each
// acknowledged write must be there, once.
import { join } from 'node:path';
import {
  callApi,
  down,
  killDaemon,
  killHost,
  socketOf,
  startHost,
  stopDaemon,
  until,
  up,
  type LabStore,
} from '../src/lab/index.ts';
import { Engine, median } from './engine.ts';
import { WriteLoad } from './write-load.ts';

const root = join(import.meta.dirname, '..');
const LAB = 'failover';
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 20);
const REPLICAS = 6;
const MANAGERS = ['m1', 'm2', 'm3'];
/** Clients of each manager that stays. */
const CLIENTS = 2;
/** Writes before and after the failure. */
const WRITES_AROUND = 40;
const MODES = ['worker', 'host', 'process', 'stop'] as const;
type Mode = (typeof MODES)[number];

interface Node {
  readonly ID: string;
  readonly Status: { readonly State: string };
  readonly Description: { readonly Hostname: string };
  readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string };
}

const nodes = async (store: LabStore, host: string): Promise<Node[]> =>
  (await callApi(socketOf(store, host), 'GET', '/nodes').catch(() => [])) as Node[];

const leaderIn = (all: readonly Node[]): string | undefined =>
  all.find(({ ManagerStatus }) => ManagerStatus?.Leader === true)?.Description.Hostname;

/** All nodes ready, all managers reachable, and of one mind about who leads. */
async function settled(store: LabStore): Promise<string> {
  const good = (node: Node): boolean =>
    node.Status.State === 'ready' &&
    (node.ManagerStatus === undefined || node.ManagerStatus.Reachability === 'reachable');
  let leader = '';
  let views: Node[][] = [];
  const quiet = async (): Promise<boolean> => {
    views = await Promise.all(MANAGERS.map((host) => nodes(store, host)));
    const leaders = new Set(views.map(leaderIn));
    leader = [...leaders][0] ?? '';
    const whole = views.every((all) => all.length === 5 && all.every(good));
    return whole && leaders.size === 1 && leader !== '';
  };
  await until('all nodes to be ready', quiet).catch((error: unknown) => {
    for (const [i, all] of views.entries()) {
      const seen = all.map(
        ({ Description, Status, ManagerStatus }) =>
          `${Description.Hostname} ${Status.State} ${ManagerStatus?.Reachability ?? ''}`,
      );
      process.stdout.write(`${MANAGERS[i]} sees: ${seen.join('; ')}\n`);
    }
    throw error;
  });
  return leader;
}

async function killWorker(store: LabStore, engine: Engine, round: number): Promise<number> {
  const name = round % 2 === 0 ? 'w1' : 'w2';
  // Made anew each time, so that the worker that dies has its share.
  const service = { image: 'tsswarm-demo:1', args: ['load'], network: 'none' };
  await engine.createService({ ...service, name: 'web', replicas: REPLICAS });
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
  await settled(store);
  await engine.removeService('web');
  return time / 1000;
}

async function failLeader(
  store: LabStore,
  mode: Exclude<Mode, 'worker'>,
  round: number,
): Promise<number> {
  const leader = await settled(store);
  const others = MANAGERS.filter((name) => name !== leader);
  const sockets = others.map((name) => socketOf(store, name));
  const load = new WriteLoad(`${mode}${round}`, sockets, CLIENTS);
  await until('some writes', () => Promise.resolve(load.acknowledged > WRITES_AROUND));
  const start = performance.now();
  if (mode === 'host') await killHost(store, leader);
  else if (mode === 'process') await killDaemon(store, leader);
  else await stopDaemon(store, leader);
  const before = load.acknowledged;
  await until('writes again', () => Promise.resolve(load.acknowledged > before + WRITES_AROUND));
  await load.stop();
  await startHost(store, leader);
  await settled(store);
  const { missing, twice } = await load.check(sockets[0] ?? '');
  if (missing.length > 0 || twice.length > 0) {
    throw new Error(`round ${round}: missing ${missing.join()}, twice ${twice.join()}`);
  }
  const { lengthMs, endMs } = load.outage(start);
  // A leader that stops in good order takes writes until it has handed over.
  return (mode === 'stop' ? lengthMs : endMs) / 1000;
}

const TEXTS: Readonly<Record<Mode, string>> = {
  worker: 'worker’s host killed → replicas run elsewhere',
  host: 'leader’s host killed → next write acknowledged',
  process: 'leader’s process killed → next write acknowledged',
  stop: 'leader stopped in good order → longest time without an acknowledged write',
};

async function main(): Promise<void> {
  const wanted = MODES.filter((mode) => process.argv.includes(mode));
  const modes = wanted.length > 0 ? wanted : MODES;
  await down(LAB);
  const store = await up(
    { name: LAB, managers: 3, workers: 2, daemonArgs: [], bare: false },
    () => {},
  );
  const results = new Map<Mode, number[]>();
  try {
    const load = (host: string): Promise<void> =>
      new Engine(host, socketOf(store, host)).load(join(root, 'build', 'demo.tar'));
    for (const { name } of store.state.hosts) await load(name);
    const engine = new Engine('tsswarm', socketOf(store, 'm1'));
    for (const mode of modes) {
      const times: number[] = [];
      results.set(mode, times);
      for (let round = 1; round <= ROUNDS; round++) {
        await settled(store);
        times.push(
          mode === 'worker'
            ? await killWorker(store, engine, round)
            : await failLeader(store, mode, round),
        );
        process.stdout.write(`${mode} ${round}: ${times.at(-1)?.toFixed(2)} s\n`);
      }
    }
  } finally {
    await down(LAB);
  }
  for (const [mode, times] of results) {
    if (times.length === 0) continue;
    process.stdout.write(
      `${TEXTS[mode]}: median ${median(times).toFixed(2)} s, worst ${Math.max(...times).toFixed(2)} s (${times.length} times)\n`,
    );
  }
}

await main();
