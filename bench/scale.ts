// npm run bench:scale: what a cluster of many nodes costs its manager. One manager in a process of its own
// (Raft of one member, real log), all agents in another one (scale-agents.ts). CPU time is that of the
// manager's process with all its threads, its wire included; seconds are those of the clock, with both
// processes on this machine. Sizes by BENCH_NODES (over a plain socket) and BENCH_WIRE (over gRPC and mTLS).
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestAuthority } from '../test/builders/certificates.ts';
import { bundleRaftThread } from '../test/builders/raft-thread.ts';
import { CLUSTER_ID } from './scale-link.ts';
import type { AgentFigures, AgentsOrder } from './scale-agents.ts';
import type { Figures, ManagerOrder } from './scale-manager.ts';

const sizes = (name: string, otherwise: string): number[] =>
  (process.env[name] ?? otherwise)
    .split(',')
    .map(Number)
    .filter((size) => size > 0);
const NODES = sizes('BENCH_NODES', '1000,3000');
const WIRE_NODES = sizes('BENCH_WIRE', '300');
const REPLICAS = Number(process.env['BENCH_REPLICAS'] ?? 1_000);
const IDLE_S = Number(process.env['BENCH_IDLE_S'] ?? 30);
/** A phase that takes longer is given up, and with it the size. */
const LIMIT_S = Number(process.env['BENCH_LIMIT_S'] ?? 240);
/** Part of the phases, by name; all of them when empty. */
const ONLY = (process.env['BENCH_PHASES'] ?? '').split(',').filter((name) => name !== '');
const POLL_MS = 20;
const REPLACED = 5;
const UPDATE_PARALLELISM = 50;
const MANAGER_ID = 'manager0';

/** A process that is told what to do, and answers. */
class Side<Order> {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<
    number,
    { resolve: (answer: never) => void; reject: (error: Error) => void }
  >();
  #token = 0;

  constructor(script: string) {
    this.#process = fork(new URL(script, import.meta.url), { stdio: 'inherit' });
    this.#process.on('message', (message: { token: number; answer?: object; error?: string }) => {
      const waiting = this.#waiting.get(message.token);
      this.#waiting.delete(message.token);
      if (message.error === undefined) waiting?.resolve(message.answer as never);
      else waiting?.reject(new Error(message.error));
    });
    this.#process.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`${script}: ${code}`));
    });
  }

  order<Answer extends object>(order: Order): Promise<Answer> {
    const token = this.#token++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(token, { resolve, reject });
      this.#process.send({ token, order });
    });
  }

  stop(): void {
    this.#process.kill();
  }
}

interface Measured {
  readonly what: string;
  readonly seconds: number;
  readonly cpuS: number;
  readonly mainS: number;
  readonly turnMs: number;
  readonly sentMb: number;
}

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

class Cluster {
  readonly #manager = new Side<ManagerOrder>('scale-manager.ts');
  readonly #agents = new Side<AgentsOrder>('scale-agents.ts');
  readonly #nodes: number;
  readonly #overWire: boolean;
  readonly #rows: Measured[] = [];
  #update = 0;

  constructor(nodes: number, overWire: boolean) {
    this.#nodes = nodes;
    this.#overWire = overWire;
  }

  async run(directory: string, threadScript: string): Promise<void> {
    const authority = new TestAuthority(CLUSTER_ID);
    await authority.start();
    const ids = Array.from({ length: this.#nodes }, (_, i) => `node${i}`);
    const raftAddress = `127.0.0.1:${await freePort()}`;
    const tls = await authority.issue(MANAGER_ID);
    const start = { directory, threadScript, raftAddress, tls, overWire: this.#overWire };
    const { port } = await this.#manager.order<{ port: number }>({ kind: 'start', start });
    const certificates = this.#overWire
      ? await Promise.all(ids.map((id) => authority.issue(id, 'swarm-worker')))
      : undefined;
    await this.#measure('nodes are added', () => this.#manager.order({ kind: 'addNodes', ids }));
    await this.#measure('all register', async () => {
      const agents = { port, ids, ...(certificates && { tls: certificates }) };
      await this.#agents.order({ kind: 'start', start: agents });
      await this.#until(({ ready }) => ready >= this.#nodes);
    });
    await this.#phase('idle', () => this.#idle('idle'));
    await this.#phase('plain', () => this.#service('plain', []));
    await this.#phase('overlay', async () => {
      const { id } = await this.#call<{ id: string }>('network.create', {
        spec: { Name: 'wide', Driver: 'overlay', Labels: {} },
      });
      const all = { Name: 'everywhere', Mode: { Global: {} } };
      await this.#create('one task on every node, overlay', all, [id], this.#nodes);
      await this.#service('overlay', [id]);
    });
    await this.#phase('idle', () => this.#idle('idle, with tasks'));
    const { rssMb, registrations, downs } = await this.#figures();
    const { lost, late } = await this.#agents.order<AgentFigures>({ kind: 'figures' });
    say(
      `  ${registrations} registrations, ${lost} sessions lost, ${downs} nodes falsely down, ` +
        `${late} endpoint drains too late, ${rssMb.toFixed(0)} MB resident`,
    );
  }

  stop(): void {
    this.#manager.stop();
    this.#agents.stop();
  }

  async #phase(name: string, run: () => Promise<void>): Promise<void> {
    if (ONLY.length === 0 || ONLY.includes(name)) await run();
  }

  async #idle(what: string): Promise<void> {
    // What the phase before left to do.
    await pause(3_000);
    await this.#measure(what, () => pause(IDLE_S * 1_000));
    const row = this.#rows.at(-1);
    if (row !== undefined) say(`    = ${((100 * row.cpuS) / row.seconds).toFixed(1)}% of a core`);
  }

  /** Created, one replaced, updated, removed. */
  async #service(name: string, networks: readonly string[]): Promise<void> {
    const mode = { Mode: { Replicated: { Replicas: REPLICAS } } };
    const what = `${REPLICAS} replicas, ${name}`;
    const spec = await this.#create(what, { Name: name, ...mode }, networks, REPLICAS);
    const { id } = spec;
    await this.#replace(name, id);
    await this.#measure(`updated, ${name}`, async () => {
      await this.#call('service.update', {
        id,
        version: spec.version,
        spec: {
          ...spec.spec,
          TaskTemplate: { ...spec.spec.TaskTemplate, ForceUpdate: ++this.#update },
        },
      });
      await this.#until(({ newest }) => (newest[id] ?? 0) >= REPLICAS);
    });
    await this.#measure(`removed, ${name}`, async () => {
      await this.#call('service.remove', { id });
      await this.#until(({ present }) => (present[id] ?? 0) === 0);
    });
  }

  async #create(what: string, mode: object, networks: readonly string[], count: number) {
    const spec = {
      ...mode,
      Labels: {},
      TaskTemplate: {
        ContainerSpec: { Image: 'bench:1' },
        RestartPolicy: { Delay: 0 },
        ForceUpdate: 0,
        Networks: networks.map((Target) => ({ Target })),
      },
      UpdateConfig: { Parallelism: UPDATE_PARALLELISM, Delay: 0, Monitor: 0 },
    };
    let id = '';
    await this.#measure(what, async () => {
      ({ id } = await this.#call<{ id: string }>('service.create', { spec }));
      await this.#until(({ running }) => (running[id] ?? 0) >= count);
    });
    const { versions } = await this.#figures();
    return { id, spec, version: versions[id] ?? 0 };
  }

  /** Above what the same time costs when nothing happens. */
  async #replace(name: string, serviceId: string): Promise<void> {
    const takes = async (): Promise<void> => {
      for (let i = 0; i < REPLACED; i++) {
        const { failed } = await this.#figures();
        await this.#agents.order({ kind: 'fail', serviceId });
        const done = (now: Figures): boolean =>
          now.failed > failed && (now.running[serviceId] ?? 0) >= REPLICAS;
        await this.#until(done);
        await pause(1_000);
      }
    };
    await pause(2_000);
    const quiet = await this.#difference(() => pause(REPLACED * 1_000));
    const busy = await this.#difference(takes);
    const cpuS = (busy.cpuS - (quiet.cpuS * busy.seconds) / quiet.seconds) / REPLACED;
    const mainS = (busy.mainS - (quiet.mainS * busy.seconds) / quiet.seconds) / REPLACED;
    const seconds = busy.seconds / REPLACED - 1;
    const sentMb = busy.sentMb / REPLACED;
    this.#row({ ...busy, what: `one replaced, ${name}`, cpuS, mainS, seconds, sentMb });
  }

  async #measure(what: string, run: () => Promise<unknown>): Promise<void> {
    this.#row({ what, ...(await this.#difference(run)) });
  }

  async #difference(run: () => Promise<unknown>): Promise<Omit<Measured, 'what'>> {
    const before = await this.#figures();
    const start = performance.now();
    await run();
    const seconds = (performance.now() - start) / 1_000;
    const after = await this.#figures();
    return {
      seconds,
      cpuS: (after.processMs - before.processMs) / 1_000,
      mainS: (after.mainMs - before.mainMs) / 1_000,
      turnMs: after.turnMs,
      sentMb: (after.sentBytes - before.sentBytes) / 1e6,
    };
  }

  #row(row: Measured): void {
    if (this.#rows.length === 0) {
      const wire = this.#overWire ? 'gRPC with mTLS' : 'a plain socket';
      say(`\n${this.#nodes} nodes over ${wire}`);
      say(`  ${'what'.padEnd(34)}    s    CPU s (main thread)   longest turn ms   MB to agents`);
    }
    this.#rows.push(row);
    const { what, seconds, cpuS, mainS, turnMs, sentMb } = row;
    const numbers = [
      seconds.toFixed(2).padStart(6),
      cpuS.toFixed(2).padStart(8),
      `(${mainS.toFixed(2)})`.padStart(9),
      turnMs.toFixed(0).padStart(16),
      this.#overWire ? '' : sentMb.toFixed(1).padStart(18),
    ];
    say(`  ${what.padEnd(34)} ${numbers.join(' ')}`);
  }

  #figures(): Promise<Figures> {
    return this.#manager.order({ kind: 'figures' });
  }

  #call<Answer extends object>(method: string, request: object): Promise<Answer> {
    return this.#manager.order({ kind: 'call', method, request });
  }

  /** The turns of the looks themselves are short. */
  async #until(condition: (figures: Figures) => boolean): Promise<void> {
    const deadline = Date.now() + LIMIT_S * 1_000;
    for (;;) {
      const figures = await this.#manager.order<Figures>({ kind: 'progress' });
      if (condition(figures)) return;
      if (Date.now() > deadline) throw new Error(`not in ${LIMIT_S} s: ${JSON.stringify(figures)}`);
      await pause(POLL_MS);
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const threadScript = await bundleRaftThread();
try {
  const runs = [
    ...WIRE_NODES.map((nodes) => ({ nodes, overWire: true })),
    ...NODES.map((nodes) => ({ nodes, overWire: false })),
  ];
  for (const { nodes, overWire } of runs) {
    const directory = await mkdtemp(join(tmpdir(), 'tsswarm-bench-'));
    const cluster = new Cluster(nodes, overWire);
    try {
      await cluster.run(directory, threadScript);
    } catch (error) {
      say(`  given up: ${String(error)}`);
      process.exitCode = 1;
    } finally {
      cluster.stop();
      await rm(directory, { recursive: true, force: true });
    }
  }
} finally {
  await rm(join(threadScript, '..'), { recursive: true, force: true });
}
