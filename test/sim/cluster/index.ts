// One seed of the whole cluster: options, machines, load and faults; then everything is mended and has
// to come to rest.
import { Prng, type SeedResult } from 'sim';
import { describeOptions, drawOptions } from './options.ts';
import { World } from './world.ts';

/** How to look at a run. */
export interface ClusterRunOptions {
  /** Sees each line of the trace. */
  readonly onLine?: (text: string) => void;
}

/** Runs one seed; throws a `CheckFailure` that names the checker. */
export async function runClusterSeed(
  seed: number,
  run: ClusterRunOptions = {},
): Promise<SeedResult> {
  const options = drawOptions(new Prng(seed).split('options'));
  const world = new World(seed, options, run.onLine);
  world.addMachine('found').start();
  await world.until(() => world.leader()?.view.cluster !== undefined, 20_000);
  for (let i = 1; i < options.managers; i++) world.addMachine({ join: 'manager' }).start();
  for (let i = 0; i < options.workers; i++) world.addMachine({ join: 'worker' }).start();
  const all = options.managers + options.workers;
  const up = await world.until(() => {
    const leader = world.leader();
    if (leader === undefined) return false;
    const ready = [...leader.view.all('node')].filter(({ status }) => status.state === 'ready');
    return ready.length === all;
  }, 30_000);
  const t0 = world.clock.monotonicMs();
  const service = await world.leader()?.call('service.create', {
    spec: {
      Name: 'web',
      Mode: { Replicated: { Replicas: 5 } },
      TaskTemplate: { ContainerSpec: { Image: 'good:1' } },
    },
  }) ;
  return {
    hash: world.trace.hash,
    events: world.trace.count,
    summary: `${describeOptions(options)} up ${up} at ${t0} ${JSON.stringify(service)}`,
  };
}
