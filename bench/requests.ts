// npm run bench:requests [-- PART…]: requests that fail while the cluster changes under them.
//   updates   a service of 20 replicas is updated four times (stop-first, start-first × 1, 5 at a time)
//   scaling   the service is scaled down to a fifth and up again
//   restarts  every daemon is killed and started in turn (BENCH_AWAY_MS: away for so long)
//   host      a worker's host dies: what fails, and when the last request to its tasks does
// A load from outside comes in through all hosts at once, from several addresses; another one goes by
// name from within a task, the name resolved for every request.
import { TestLab } from '../test/e2e/harness.ts';
import {
  RequestLoad,
  begunAt,
  trackedConnections,
  type LoadResult,
} from '../test/e2e/request-load.ts';

const HOSTS = ['m1', 'm2', 'm3', 'w1', 'w2'];
const REPLICAS = 20;
const PORT = 8080;
const DEMO = 'tsswarm-demo:1';
const REQUESTS = Number(process.env['BENCH_REQUESTS'] ?? 100_000);
const AWAY_MS = Number(process.env['BENCH_AWAY_MS'] ?? 0);
const THREADS = Number(process.env['BENCH_THREADS'] ?? 6);
const FAILURES_SHOWN = 10;
const SAMPLE_MS = 2_000;
const PARTS = ['updates', 'scaling', 'restarts', 'host'] as const;
type Part = (typeof PARTS)[number];

interface Loads {
  readonly outside: RequestLoad;
  readonly inside: RequestLoad;
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** `count` requests from outside (0: until they are stopped) and, meanwhile, some from within. */
async function start(lab: TestLab, count: number, except: string[] = []): Promise<Loads> {
  const [task] = await lab.running('m1', 'client');
  if (task === undefined) throw new Error('the client service has no task');
  const nodes = await lab.nodes('m1');
  const host = nodes.find(({ ID }) => ID === task.NodeID)?.Description.Hostname ?? '';
  const hosts = HOSTS.filter((one) => !except.includes(one));
  return {
    outside: await RequestLoad.outside(lab, hosts, PORT, { count, threads: THREADS }),
    inside: await RequestLoad.inside(lab, host, task, 'web:80', { threads: 2 }),
  };
}

/** Looks at the tables of tracked connections until `signal` aborts; the fullest one counts. */
async function fullest(lab: TestLab, signal: AbortSignal): Promise<string> {
  let worst = { count: 0, max: 1 };
  while (!signal.aborted) {
    for (const host of HOSTS) {
      const now = await trackedConnections(lab, host).catch(() => worst);
      if (now.count / now.max > worst.count / worst.max) worst = now;
    }
    await pause(SAMPLE_MS);
  }
  return `${worst.count} of ${worst.max} (${((100 * worst.count) / worst.max).toFixed(1)}%)`;
}

function show(what: string, { requests, failed, slowestMs, milliseconds, failures }: LoadResult) {
  const rate = Math.round((requests * 1000) / milliseconds);
  say(
    `  ${what}: ${requests} requests, ${failed} failed, slowest ${slowestMs} ms, ${rate} a second`,
  );
  for (const line of failures.slice(0, FAILURES_SHOWN)) say(`    ${line}`);
}

async function update(lab: TestLab, order: string, parallelism: number): Promise<void> {
  const how = ['--update-order', order, '--update-parallelism', String(parallelism)];
  await lab.ok('m1', 'service', 'update', '--force', '--update-monitor', '200ms', ...how, 'web');
}

async function updates(lab: TestLab): Promise<void> {
  for (const order of ['stop-first', 'start-first']) {
    for (const parallelism of [1, 5]) await update(lab, order, parallelism);
  }
}

async function scaling(lab: TestLab): Promise<void> {
  for (const replicas of [REPLICAS / 5, REPLICAS]) {
    await lab.ok('m1', 'service', 'scale', '-d', `web=${replicas}`);
    await lab.waitRunning('m1', 'web', replicas);
  }
}

async function restarts(lab: TestLab): Promise<void> {
  for (const host of HOSTS) {
    await lab.lab('kill', '--process', host);
    await pause(AWAY_MS);
    await lab.lab('start', host);
    await lab.leader(host.startsWith('m') ? host : 'm1');
  }
  await lab.waitRunning('m1', 'web', REPLICAS);
}

/** Under load until the change is done and, from outside, as many requests as were asked for. */
async function under(lab: TestLab, change: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const tracked = fullest(lab, stop.signal);
  const loads = await start(lab, 0);
  await change();
  const first = await loads.outside.stop();
  // The rest of the requests, should the change have been quicker: it is made again under them.
  const results = [first];
  for (let left = REQUESTS - first.requests; left > 0;) {
    const more = await RequestLoad.outside(lab, HOSTS, PORT, { threads: THREADS });
    await change();
    const result = await more.stop();
    results.push(result);
    left -= result.requests;
  }
  const sum = results.reduce((a, b) => ({
    requests: a.requests + b.requests,
    failed: a.failed + b.failed,
    slowestMs: Math.max(a.slowestMs, b.slowestMs),
    milliseconds: a.milliseconds + b.milliseconds,
    failures: [...a.failures, ...b.failures],
  }));
  show(`through the mesh of ${HOSTS.length} hosts`, sum);
  show('by name from a task', await loads.inside.stop());
  stop.abort();
  say(`  fullest table of tracked connections: ${await tracked}; rounds: ${results.length}`);
}

/** When, after the death of a host, the last request failed. */
async function hostDies(lab: TestLab): Promise<void> {
  const [client] = await lab.running('m1', 'client');
  const nodes = await lab.nodes('m1');
  const own = nodes.find(({ ID }) => ID === client?.NodeID)?.Description.Hostname;
  const victim = own === 'w1' ? 'w2' : 'w1';
  const loads = await start(lab, 0, [victim]);
  await pause(SAMPLE_MS);
  const at = Date.now();
  await lab.lab('kill', victim);
  await lab.waitRunning('m1', 'web', REPLICAS);
  await pause(SAMPLE_MS);
  for (const [what, load] of Object.entries(loads)) {
    const result: LoadResult = await load.stop();
    // Within a request's own time limit after the last one that could still choose a dead task.
    const last = Math.max(0, ...result.failures.map((line) => begunAt(line) - at));
    show(`${what}, ${victim} dies; the last request that failed began ${last} ms after`, result);
  }
}

async function main(): Promise<void> {
  const wanted = PARTS.filter((part) => process.argv.includes(part));
  const parts: readonly Part[] = wanted.length > 0 ? wanted : PARTS;
  const lab = await TestLab.up('requests', 3, 2);
  try {
    await lab.ok('m1', 'network', 'create', '-d', 'overlay', 'app');
    const net = ['--network', 'app'];
    const web = ['--name', 'web', '--replicas', String(REPLICAS), '-p', `${PORT}:80`];
    await lab.ok('m1', 'service', 'create', '-d', ...web, ...net, DEMO, 'hello', '80', '5');
    await lab.ok('m1', 'service', 'create', '-d', '--name', 'client', ...net, DEMO, 'load');
    await lab.waitRunning('m1', 'web', REPLICAS);
    await lab.waitRunning('m1', 'client', 1);
    for (const part of parts) {
      say(part);
      if (part === 'updates') await under(lab, () => updates(lab));
      else if (part === 'scaling') await under(lab, () => scaling(lab));
      else if (part === 'restarts') await under(lab, () => restarts(lab));
      else await hostDies(lab);
    }
  } finally {
    await lab.down();
  }
}

await main();
