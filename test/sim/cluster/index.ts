// One seed of the whole cluster: machines, load and faults; then everything is mended, and has to come
// to rest within a bound of virtual time.
import { Prng, Trace, type SeedResult } from 'sim';
import { History } from './client.ts';
import { ContainerUser } from './container-load.ts';
import { missingOfUserContainers } from './container-rest.ts';
import { allCheckers } from './checkers/index.ts';
import { Faults } from './faults.ts';
import { HostileWorker } from './hostile-worker.ts';
import { LoadClient } from './load.ts';
import { describeOptions, drawOptions, type ClusterOptions } from './options.ts';
import { removeForgotten, repair, repairContainers } from './repair.ts';
import { missingForCluster, missingForRest, missingForUpdates, missingOfManagers } from './rest.ts';
import { World } from './world.ts';

/** How to run a seed. */
export interface ClusterRunOptions {
  readonly trace?: Trace;
  /** Replaces what the seed draws. */
  readonly options?: Partial<ClusterOptions>;
}

const FOUND_MS = 20_000;
/** Bounds of the second phase, virtual time. */
const CALM_MS = 60_000;
/** Two starts of a container, one after the other, each 15 s for a manager's answer, 20 s for addresses. */
const ORDERS_MS = 120_000;
const CLUSTER_MS = 60_000;
const UPDATES_MS = 120_000;
const REST_MS = 150_000;
const POLL_MS = 250;

/** Runs one seed; throws a `CheckFailure` that names the checker. */
export async function runClusterSeed(
  seed: number,
  run: ClusterRunOptions = {},
): Promise<SeedResult> {
  const options = { ...drawOptions(new Prng(seed).split('options')), ...run.options };
  const trace = run.trace ?? new Trace();
  const world = new World(seed, options, trace);
  world.checkers.push(...allCheckers(world));
  await boot(world);
  const history = new History();
  const faults = new Faults(world);
  const clients = Array.from(
    { length: options.clients },
    (_, i) => new LoadClient(`client${i + 1}`, world, history),
  );
  const user = new ContainerUser(world);
  const hostile = options.hostile ? new HostileWorker(world) : undefined;
  await world.pass(options.busyMs);
  trace.line('mended');
  faults.mend();
  hostile?.stop();
  for (const client of [...clients, user]) client.stop();
  await within(world, 'requests', CALM_MS, () =>
    clients.some(({ busy }) => busy) ? 'a request has no answer' : undefined,
  );
  await within(world, 'orders to containers', ORDERS_MS, () =>
    user.busy ? 'an order has no answer' : undefined,
  );
  await comeToRest(world, user);
  await readAll(world, clients[0]);
  const anomaly = history.anomaly();
  if (anomaly !== undefined) world.fail('linearizability', anomaly);
  if (world.failure !== undefined) throw world.failure;
  const seconds = Math.round(world.clock.monotonicMs() / 1000);
  const { index = 0 } = world.leader()?.view ?? {};
  return {
    hash: trace.hash,
    events: trace.count,
    summary: `${describeOptions(options)}; ${seconds} s, index ${index}, ${history.entries.length} operations`,
  };
}

/** All machines of the start are nodes of one cluster. */
async function boot(world: World): Promise<void> {
  const { managers, workers } = world.options;
  world.addMachine('found').start();
  await within(world, 'the founding of the cluster', FOUND_MS, () =>
    world.leader()?.view.cluster === undefined ? 'there is no cluster' : undefined,
  );
  for (let i = 1; i < managers; i++) world.addMachine({ join: 'manager' }).start();
  for (let i = 0; i < workers; i++) world.addMachine({ join: 'worker' }).start();
  await within(world, 'the start', CLUSTER_MS, () => missingForCluster(world));
}

async function comeToRest(world: World, user: ContainerUser): Promise<void> {
  const leader = () => world.leader();
  await within(world, 'a leader', CLUSTER_MS, () => (leader() ? undefined : 'there is no leader'));
  await within(world, 'the cluster', CLUSTER_MS, async () => {
    // Each time: the last manager that a machine knows may be about to become a worker.
    if (missingOfManagers(world) === undefined) await removeForgotten(world);
    return missingForCluster(world);
  });
  await within(world, 'updates', UPDATES_MS, () => {
    const manager = leader();
    return manager === undefined ? 'no leader' : missingForUpdates(manager.view);
  });
  await repair(world);
  await repairContainers(world, user);
  await within(world, 'rest', REST_MS, () => {
    const manager = leader();
    const missing = missingForCluster(world) ?? (manager && missingForRest(world, manager));
    return missing ?? (manager && missingOfUserContainers(world, user, manager));
  });
  // What was decided last reaches every agent and its disk.
  await world.pass(1_000);
  const manager = leader();
  if (manager === undefined) return world.fail('liveness', 'the leader was lost at rest');
  for (const checker of world.checkers) await checker.settled?.(manager);
  const missing = await missingOfUserContainers(world, user, manager);
  if (missing !== undefined) world.fail('user containers', missing);
  if (world.failure !== undefined) throw world.failure;
}

/** The last word on every register. */
async function readAll(world: World, client: LoadClient | undefined): Promise<void> {
  if (client === undefined) return;
  for (const { machine } of world.managers()) {
    let read = false;
    void client.readAll(machine).then(() => (read = true));
    await within(world, 'reads', CALM_MS, () => (read ? undefined : 'a read has no answer'));
  }
}

/** Lets time pass until nothing is missing; what is missing after `limitMs` is a failure. */
async function within(
  world: World,
  what: string,
  limitMs: number,
  missing: () => string | undefined | Promise<string | undefined>,
): Promise<void> {
  const end = world.clock.monotonicMs() + limitMs;
  for (;;) {
    const sentence = await missing();
    if (sentence === undefined) return;
    if (world.clock.monotonicMs() > end) {
      world.fail('liveness', `${what} not reached in ${limitMs / 1000} s: ${sentence}`);
    }
    await world.pass(POLL_MS);
  }
}
