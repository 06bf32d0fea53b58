// What a gigabyte of log costs with snapshots on: one manager's real consensus (thread, files, fsync)
// under large and small proposals; the most disk and memory that it takes on the way, and how long a
// restart from what is left takes.
//   node --conditions=source --import tsx bench/log-growth.ts [directory] [megabytes]
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../src/base/index.ts';
import {
  startConsensus,
  type Consensus,
  type ConsensusHandler,
  type ConsensusOptions,
} from '../src/manager/raft/index.ts';
import { TestAuthority } from '../test/builders/certificates.ts';
import { bundleRaftThread } from '../test/builders/raft-thread.ts';

const MEGABYTE = 1024 * 1024;
const SAMPLE_MS = 50;
const STATE_MEGABYTES = 20;
/** Bytes of a proposal, how many at a time, and its share of the log. */
const SIZES = [
  { bytes: 256, together: 256, share: 0.05 },
  { bytes: 16 * 1024, together: 64, share: 0.35 },
  { bytes: MEGABYTE, together: 8, share: 0.6 },
];

const root = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'tsswarm-log-'));
const logBytes = Number(process.argv[3] ?? 1024) * MEGABYTE;
const authority = new TestAuthority('bench');
await authority.start();
const threadScript = await bundleRaftThread();
const tls = await authority.issue('node1');
const piece = new Uint8Array(256 * 1024);
let applied = 0;

const handler: ConsensusHandler = {
  apply(entries) {
    for (const { payload } of entries) applied += payload.length;
  },
  async *snapshot() {
    for (let i = 0; i < STATE_MEGABYTES * 4; i++) yield piece;
  },
  async restore(_index, chunks) {
    for await (const chunk of chunks) void chunk;
  },
  statusChanged() {},
  failed(error) {
    throw error;
  },
};

function start(kind: 'bootstrap' | 'restart'): Promise<Consensus> {
  const self = { raftId: 1, nodeId: 'node1', address: '127.0.0.1:0' };
  const options: ConsensusOptions = {
    directory: root,
    self,
    listenAddress: self.address,
    start: { kind },
    tls,
    tickMs: 100,
    electionTicks: 10,
    heartbeatTicks: 1,
    snapshotInterval: 10_000,
    dataKey: new Uint8Array(32),
  };
  return startConsensus(options, handler, { threadScript, logger: silentLogger });
}

async function diskBytes(): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(root)) {
    // A file may go between the two calls.
    bytes += await stat(join(root, name)).then(
      ({ size }) => size,
      () => 0,
    );
  }
  return bytes;
}

async function whenLeading(consensus: Consensus): Promise<void> {
  while (!consensus.status.isLeader) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

const most = { disk: 0, memory: 0 };
let sampling = true;
async function sample(): Promise<void> {
  while (sampling) {
    most.disk = Math.max(most.disk, await diskBytes());
    most.memory = Math.max(most.memory, process.memoryUsage.rss());
    await new Promise((resolve) => {
      setTimeout(resolve, SAMPLE_MS);
    });
  }
}

try {
  let consensus = await start('bootstrap');
  await whenLeading(consensus);
  const before = process.memoryUsage.rss();
  const samples = sample();
  const startedAt = performance.now();
  for (const { bytes, together, share } of SIZES) {
    const rounds = Math.ceil((logBytes * share) / bytes / together);
    const sizeStartedAt = performance.now();
    const leading = consensus;
    for (let round = 0; round < rounds; round++) {
      const payloads = Array.from({ length: together }, () => new Uint8Array(bytes));
      await Promise.all(payloads.map((payload) => leading.propose(payload)));
    }
    const seconds = (performance.now() - sizeStartedAt) / 1000;
    const megabytes = (rounds * together * bytes) / MEGABYTE;
    console.log(
      `${megabytes.toFixed(0)} MB in entries of ${bytes} bytes: ${seconds.toFixed(1)} s, ` +
        `most disk so far ${(most.disk / MEGABYTE).toFixed(0)} MB, ` +
        `most memory ${(most.memory / MEGABYTE).toFixed(0)} MB`,
    );
  }
  const seconds = (performance.now() - startedAt) / 1000;
  await consensus.close();
  const left = await diskBytes();
  const restartedAt = performance.now();
  consensus = await start('restart');
  await whenLeading(consensus);
  await consensus.barrier();
  const restartMs = performance.now() - restartedAt;
  sampling = false;
  await samples;
  await consensus.close();
  console.log(
    `${(applied / MEGABYTE).toFixed(0)} MB applied (the restart's again included), the log written in ` +
      `${seconds.toFixed(1)} s\n` +
      `disk: at most ${(most.disk / MEGABYTE).toFixed(0)} MB, ${(left / MEGABYTE).toFixed(0)} MB at the end ` +
      `(state ${STATE_MEGABYTES} MB)\n` +
      `memory (RSS): ${(before / MEGABYTE).toFixed(0)} MB before, at most ` +
      `${(most.memory / MEGABYTE).toFixed(0)} MB\n` +
      `restart until it leads and has applied all: ${restartMs.toFixed(0)} ms`,
  );
} finally {
  sampling = false;
  await rm(root, { recursive: true, force: true });
}
