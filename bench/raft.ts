// How fast the managers agree: proposals of 256 bytes, one after another and many at once, with one
// member and with three (real threads, files, fsync and mTLS, all on this machine), and reads.
//   node --conditions=source --import tsx/esm bench/raft.ts [directory]
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { silentLogger } from '../src/base/index.ts';
import {
  startConsensus,
  type Consensus,
  type ConsensusHandler,
  type ConsensusOptions,
  type Member,
} from '../src/manager/raft/index.ts';
import { TestAuthority } from '../test/builders/certificates.ts';
import { bundleRaftThread } from '../test/builders/raft-thread.ts';

const MEASURE_MS = 3000;
const PAYLOAD = new Uint8Array(256);

const authority = new TestAuthority('bench');
await authority.start();
const threadScript = await bundleRaftThread();
const root = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'tsswarm-bench-'));

const counter: ConsensusHandler = {
  apply() {},
  async *snapshot() {
    yield new Uint8Array(1);
  },
  async restore(_index, chunks) {
    for await (const chunk of chunks) void chunk;
  },
  statusChanged() {},
  failed(error) {
    throw error;
  },
};

async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

async function newMember(raftId: number): Promise<Member> {
  return { raftId, nodeId: `node${raftId}`, address: `127.0.0.1:${await freePort()}` };
}

async function start(self: Member, how: ConsensusOptions['start']): Promise<Consensus> {
  const options: ConsensusOptions = {
    directory: join(root, self.nodeId),
    self,
    listenAddress: self.address,
    start: how,
    tls: await authority.issue(self.nodeId),
    tickMs: 100,
    electionTicks: 10,
    heartbeatTicks: 1,
    snapshotInterval: 10_000,
    dataKey: new Uint8Array(32),
  };
  return startConsensus(options, counter, { threadScript, logger: silentLogger });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function measure(name: string, inFlight: number, once: () => Promise<unknown>) {
  const latencies: number[] = [];
  const end = performance.now() + MEASURE_MS;
  const worker = async (): Promise<void> => {
    for (let now = performance.now(); now < end; now = performance.now()) {
      await once();
      latencies.push(performance.now() - now);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  latencies.sort((a, b) => a - b);
  const at = (part: number): string =>
    (latencies[Math.floor((latencies.length - 1) * part)] ?? 0).toFixed(2);
  const perSecond = Math.round((latencies.length * 1000) / MEASURE_MS);
  console.log(`${name}: ${perSecond}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
}

async function measureAll(members: string, leader: Consensus): Promise<void> {
  for (const inFlight of [64, 1, 64, 512]) {
    await measure(`${members}, ${inFlight} in flight`, inFlight, () => leader.propose(PAYLOAD));
  }
}

const first = await newMember(1);
const leader = await start(first, { kind: 'bootstrap' });
const running = [leader];
await until(() => leader.status.isLeader);
await measureAll('1 member', leader);
for (const raftId of [2, 3]) {
  const member = await newMember(raftId);
  await leader.addMember(member);
  running.push(await start(member, { kind: 'join', members: leader.status.members }));
  await until(() => leader.status.voters.includes(raftId));
}
await measureAll('3 members', leader);
await measure('read index at the leader, 64 in flight', 64, () => leader.barrier());
await measure('read index at a follower', 1, () => running[1]?.barrier() ?? Promise.resolve());
for (const consensus of running.toReversed()) await consensus.close();
await rm(root, { recursive: true });
await rm(dirname(threadScript), { recursive: true });
