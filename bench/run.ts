// npm run bench: tsswarm beside raw containerd and, where dockerd is installed, Docker Swarm, on one worker
// each, in one run. Figures of one run are compared, never with figures of another.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { down, socketOf, up, type LabStore } from '../src/lab/index.ts';
import { DOCKERD, initSwarm, startDockerd } from './dockerd.ts';
import { Engine, median, seconds } from './engine.ts';
import { RawContainerd } from './raw-containerd.ts';

const root = join(import.meta.dirname, '..');
const LAB = 'bench';
const IMAGE = 'tsswarm-demo:1';
const ARGS = ['load'];
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const MANY = 100;
const MANY_ON_OVERLAY = 30;
const SINGLE_ROUNDS = 5;
const UPDATED = 20;

type Figures = Map<string, number[]>;
const figures = new Map<string, Figures>();

function record(what: string, system: string, value: number): void {
  const row = figures.get(what) ?? new Map<string, number[]>();
  row.set(system, [...(row.get(system) ?? []), value]);
  figures.set(what, row);
  process.stdout.write(`  ${system.padEnd(12)} ${what}: ${value.toFixed(2)} s\n`);
}

async function many(engine: Engine, what: string, network: string, count: number): Promise<void> {
  const mode =
    engine.name === 'docker swarm' && network !== 'host'
      ? ({ endpointMode: 'dnsrr' } as const)
      : {};
  await engine.createService({
    name: 'many',
    image: IMAGE,
    args: ARGS,
    replicas: 1,
    network,
    ...mode,
  });
  const time = await seconds(async () => {
    await engine.scale('many', count);
    await engine.waitRunning('many', count);
  });
  record(what, engine.name, time);
  await engine.removeService('many');
}

async function single(engine: Engine): Promise<void> {
  await engine.createService({
    name: 'single',
    image: IMAGE,
    args: ARGS,
    replicas: 1,
    network: 'host',
  });
  for (let i = 0; i < SINGLE_ROUNDS; i++) {
    const gone = await seconds(async () => {
      await engine.scale('single', 0);
      await engine.waitGone('single');
    });
    record('scaled 1 → 0, gone', engine.name, gone);
    const started = await seconds(async () => {
      await engine.scale('single', 1);
      await engine.waitRunning('single', 1);
    });
    record('scaled 0 → 1, running', engine.name, started);
  }
  await engine.removeService('single');
}

async function rolling(engine: Engine, round: number): Promise<void> {
  await engine.createService({
    name: 'rolling',
    image: IMAGE,
    args: ARGS,
    replicas: UPDATED,
    network: 'host',
  });
  const line = `ROUND=${round}`;
  const time = await seconds(async () => {
    await engine.update('rolling', (spec) => ({
      ...spec,
      TaskTemplate: {
        ...spec.TaskTemplate,
        ContainerSpec: { ...spec.TaskTemplate.ContainerSpec, Env: [line] },
      },
    }));
    await engine.waitUpdated('rolling', UPDATED, line);
  });
  record(`rolling update of ${UPDATED}, one at a time`, engine.name, time);
  await engine.removeService('rolling');
}

async function measure(engine: Engine, store: LabStore, round: number): Promise<void> {
  await many(engine, `scale 1 → ${MANY}, no network`, 'host', MANY);
  if (engine.name === 'tsswarm') {
    const socket = `/proc/${store.host('m1').init?.pid ?? 0}/root/run/tsswarm/containerd.sock`;
    await engine.createService({
      name: 'template',
      image: IMAGE,
      args: ARGS,
      replicas: 1,
      network: 'host',
    });
    const raw = new RawContainerd(socket, join(root, 'build', 'tsswarm-logger'));
    let ids: string[] = [];
    record(
      `scale 1 → ${MANY}, no network`,
      'containerd',
      await seconds(async () => (ids = await raw.start(MANY - 1))),
    );
    await raw.remove(ids);
    await engine.removeService('template');
  }
  await many(engine, `scale 1 → ${MANY_ON_OVERLAY}, overlay`, 'bench', MANY_ON_OVERLAY);
  await single(engine);
  await rolling(engine, round);
}

async function main(): Promise<void> {
  await down(LAB);
  const store = await up(
    { name: LAB, managers: 1, workers: 1, daemonArgs: [], bare: true },
    () => {},
  );
  try {
    const own = new Engine('tsswarm', socketOf(store, 'm1'));
    await own.call('POST', '/swarm/init', {
      ListenAddr: '0.0.0.0:2377',
      AdvertiseAddr: store.host('m1').address,
    });
    const engines = [own];
    if (existsSync(DOCKERD)) {
      const docker = await startDockerd(store, 'w1');
      await initSwarm(store, 'w1', docker);
      engines.push(docker);
    }
    for (const engine of engines) {
      await engine.load(join(root, 'build', 'demo.tar'));
      await engine.call('POST', '/networks/create', { Name: 'bench', Driver: 'overlay' });
    }
    for (let round = 1; round <= ROUNDS; round++) {
      process.stdout.write(`round ${round} of ${ROUNDS}\n`);
      for (const engine of engines) await measure(engine, store, round);
    }
    report();
  } finally {
    await down(LAB);
  }
}

function report(): void {
  process.stdout.write(
    '\nmedians in seconds; the ratio says how many times as long the peer takes\n',
  );
  for (const [what, row] of figures) {
    const own = median(row.get('tsswarm') ?? []);
    const peers = [...row].filter(([system]) => system !== 'tsswarm');
    const ratios = peers.map(([system, values]) => {
      const value = median(values);
      return `${system} ${value.toFixed(2)} (${(value / own).toFixed(2)}×)`;
    });
    process.stdout.write(`${what.padEnd(40)} tsswarm ${own.toFixed(2)}   ${ratios.join('   ')}\n`);
  }
}

await main();
