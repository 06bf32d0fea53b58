// How long the event loop stands still while a snapshot of 100 MB is taken: the real store, raft host,
// sealing and files, once with raft in a thread of its own (as in the daemon; the main thread is
// measured), once all in one thread (which is worse than either thread can be). Beside it the same
// load without a snapshot, since this machine has pauses of its own.
//   node --conditions=source --import tsx bench/snapshot.ts [directory] [megabytes]
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/base/index.ts';
import {
  startConsensus,
  startLocalConsensus,
  type Consensus,
  type ConsensusHandler,
  type ConsensusOptions,
} from '../src/manager/raft/index.ts';
import { Store } from '../src/manager/store/index.ts';
import { create, update, type Action } from '../src/model/index.ts';
import { fileDisk, systemClock, systemRandom } from '../src/platform/index.ts';
import { TestAuthority } from '../test/builders/certificates.ts';
import { bundleRaftThread } from '../test/builders/raft-thread.ts';

const MEGABYTE = 1024 * 1024;
const LIMIT_MS = 20;
const ROUNDS = 3;
/** Entries between snapshots: more than it takes to fill the store. */
const SNAPSHOT_ENTRIES = 1500;
const LOAD_PAUSE_MS = 5;
const PAYLOAD_BYTES = 10_000;
/** Tasks for each payload: about as many bytes. */
const TASKS_PER_PAYLOAD = 12;

const root = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'tsswarm-snapshot-'));
const wanted = Number(process.argv[3] ?? 100) * MEGABYTE;
const authority = new TestAuthority('bench');
await authority.start();
const tls = await authority.issue('node1');
const threadScript = await bundleRaftThread();

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

/**
 * Looks at the loop every millisecond: how long it stood still at most, and how long its thread was on
 * a processor meanwhile. The second is ours; the rest is what else the machine had to do.
 */
class Standstill {
  stoodMs = 0;
  workedMs = 0;
  #at = performance.now();
  #cpuMs = threadCpuMs();
  #timer: NodeJS.Timeout | undefined;

  start(): void {
    this.#timer = setTimeout(() => {
      const now = performance.now();
      const cpuMs = threadCpuMs();
      this.stoodMs = Math.max(this.stoodMs, now - this.#at - 1);
      this.workedMs = Math.max(this.workedMs, cpuMs - this.#cpuMs);
      this.#at = now;
      this.#cpuMs = cpuMs;
      this.start();
    }, 1);
  }

  reset(): void {
    this.stoodMs = 0;
    this.workedMs = 0;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  toString(): string {
    return `at most ${this.stoodMs.toFixed(1)} ms (at work ${this.workedMs.toFixed(1)})`;
  }
}

/** Time this thread was on a processor. */
function threadCpuMs(): number {
  const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
  return Number(nanoseconds) / 1e6;
}

const delay = new Standstill();

class Bench {
  readonly store = new Store({ clock: systemClock, logger: silentLogger, instance: 'bench' });
  consensus: Consensus | undefined;
  taking = false;
  /** Bytes of the last snapshot. */
  bytes = 0;

  readonly handler: ConsensusHandler = {
    apply: (entries) => this.store.apply(entries),
    snapshot: () => this.#watched(this.store.snapshot()),
    restore: (index, chunks) => this.store.restore(index, chunks),
    statusChanged() {},
    failed(error) {
      throw error;
    },
  };

  async *#watched(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.taking = true;
    delay.reset();
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      yield chunk;
    }
    this.bytes = bytes;
    this.taking = false;
  }

  async start(inThread: boolean): Promise<void> {
    const self = { raftId: 1, nodeId: 'node1', address: '127.0.0.1:0' };
    const options: ConsensusOptions = {
      directory: join(root, inThread ? 'thread' : 'local'),
      self,
      listenAddress: self.address,
      start: { kind: 'bootstrap' },
      tls,
      tickMs: 100,
      electionTicks: 10,
      heartbeatTicks: 1,
      snapshotInterval: SNAPSHOT_ENTRIES,
      snapshotLogBytes: 1024 * MEGABYTE,
      dataKey: new Uint8Array(32),
    };
    const transport = {
      start: async () => {},
      setPeers() {},
      send() {},
      sendSnapshot: async () => {},
      updateTls() {},
      close: async () => {},
    };
    this.consensus = inThread
      ? await startConsensus(options, this.handler, { threadScript, logger: silentLogger })
      : await startLocalConsensus(options, this.handler, {
          clock: systemClock,
          random: systemRandom,
          disk: fileDisk,
          logger: silentLogger,
          transport: () => transport,
        });
    this.store.connect(this.consensus);
    while (!this.consensus.status.isLeader) await pause(10);
  }

  async fill(): Promise<void> {
    const data = 'x'.repeat(PAYLOAD_BYTES);
    const groups = Math.ceil(wanted / (PAYLOAD_BYTES * 2));
    for (let group = 0; group < groups; group += 20) {
      const actions: Action[] = [];
      for (let i = group; i < Math.min(groups, group + 20); i++) {
        actions.push(create('payload', { id: `payload${i}`, kind: 'config', data }));
        for (let j = 0; j < TASKS_PER_PAYLOAD; j++) actions.push(aTask(`task${i}.${j}`));
      }
      await this.store.propose(actions);
    }
  }

  /** Small writes until `until` holds. */
  async load(until: () => boolean): Promise<void> {
    for (let i = 0; !until(); i++) {
      const task = this.store.view.get('task', `task${i % 1000}.0`);
      if (task !== undefined) await this.store.propose([update('task', { ...task, slot: i })]);
      await pause(LOAD_PAUSE_MS);
    }
  }
}

function aTask(id: string): Action {
  const networks = ['ingress', 'backend', 'frontend'].map((name, i) => ({
    networkId: `${name}${'n'.repeat(20)}`,
    addresses: [`10.0.${i}.17/24`],
    aliases: [`web.${name}`, 'web'],
  }));
  return create('task', {
    id,
    serviceId: 's'.repeat(25),
    revisionId: 'r'.repeat(25),
    slot: 1,
    nodeId: 'n'.repeat(25),
    desiredState: 'running',
    status: {
      state: 'running',
      timestamp: 1_700_000_000_000,
      message: 'started',
      container: { id: 'c'.repeat(64), pid: 4711, exitCode: 0 },
      epoch: 12,
      sequence: 34,
    },
    networks,
  });
}

async function measure(inThread: boolean): Promise<number> {
  const bench = new Bench();
  await bench.start(inThread);
  await bench.fill();
  let worst = 0;
  for (let round = 0; round < ROUNDS; round++) {
    await bench.load(() => bench.taking);
    const startedAt = performance.now();
    await bench.load(() => !bench.taking);
    const seconds = (performance.now() - startedAt) / 1000;
    const during = delay.toString();
    worst = Math.max(worst, delay.workedMs);
    delay.reset();
    const deadline = performance.now() + seconds * 1000;
    await bench.load(() => performance.now() > deadline);
    console.log(
      `${inThread ? 'main thread' : 'all in one '} snapshot of ` +
        `${(bench.bytes / MEGABYTE).toFixed(0)} MB in ${seconds.toFixed(1)} s: ${during}; ` +
        `as long without one: ${delay.toString()}`,
    );
  }
  await bench.consensus?.close();
  return worst;
}

try {
  delay.start();
  const worst = Math.max(await measure(true), await measure(false));
  console.log(`longest at work without a break ${worst.toFixed(1)} ms, aim at most ${LIMIT_MS} ms`);
} finally {
  delay.stop();
  await rm(root, { recursive: true, force: true });
}
