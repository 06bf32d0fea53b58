// npm run bench:raft: how fast managers agree, beside etcd in the same run. Three members in three
// processes each, on loopback with real fsync; entries of 256 bytes; 64 proposals at once, and one after
// another. Rounds take turns, so that both sides see the same machine.
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ConsensusOptions, Member } from '../src/manager/raft/index.ts';
import { TestAuthority } from '../test/builders/certificates.ts';
import { bundleRaftThread, bundleScript } from '../test/builders/raft-thread.ts';
import { median } from './engine.ts';
import { EtcdGroup } from './etcd.ts';
import { ID_BYTES, PAYLOAD_BYTES, type MemberNews, type MemberOrder } from './raft-member.ts';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 5);
const WARM_UP_MS = 500;
const MEASURE_MS = 3_000;
const LEADER_LIMIT_MS = 20_000;

/** One member's process. */
class BenchMember {
  readonly self: Member;
  readonly #process: ChildProcess;
  port = 0;
  voters: readonly number[] = [];
  members: readonly Member[] = [];
  isLeader = false;

  constructor(script: string, self: Member) {
    this.self = self;
    this.#process = fork(script, { stdio: 'inherit' });
    this.#process.on('message', (news: MemberNews) => this.#take(news));
  }

  order(order: MemberOrder): void {
    this.#process.send(order);
  }

  #take(news: MemberNews): void {
    if (news.kind === 'started') this.port = news.port;
    else if (news.kind === 'failed') throw new Error(`${this.self.nodeId}: ${news.error}`);
    else {
      const { isLeader, voters, members } = news;
      Object.assign(this, { isLeader, voters, members });
    }
  }
}

/** Three members, and a connection to the one that leads. */
class TsswarmGroup {
  readonly #members: readonly BenchMember[];
  readonly #socket: Socket;
  readonly #waiting = new Map<number, () => void>();
  #next = 0;

  private constructor(members: readonly BenchMember[], socket: Socket) {
    this.#members = members;
    this.#socket = socket;
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (data: Buffer) => {
      rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
      for (; rest.length >= ID_BYTES; rest = rest.subarray(ID_BYTES)) {
        const id = rest.readUInt32BE();
        this.#waiting.get(id)?.();
        this.#waiting.delete(id);
      }
    });
  }

  static async start(
    directory: string,
    scripts: { member: string; thread: string },
    ports: readonly number[],
  ): Promise<TsswarmGroup> {
    const authority = new TestAuthority('bench');
    await authority.start();
    const members: BenchMember[] = [];
    const begin = async (i: number, start: ConsensusOptions['start']): Promise<BenchMember> => {
      const raftId = i + 1;
      const nodeId = `node${raftId}`;
      const self = { raftId, nodeId, address: `127.0.0.1:${ports[i] ?? 0}` };
      const member = new BenchMember(scripts.member, self);
      members.push(member);
      if (start.kind === 'join') members[0]?.order({ kind: 'add', member: self });
      const options = {
        directory: join(directory, nodeId),
        self,
        listenAddress: self.address,
        start,
        tls: await authority.issue(nodeId),
        // As the daemon.
        tickMs: 50,
        electionTicks: 10,
        heartbeatTicks: 1,
        snapshotInterval: 10_000,
      };
      if (start.kind === 'join') await until('a member', () => first.members.length === raftId);
      member.order({ kind: 'start', start: { options, threadScript: scripts.thread } });
      await until('the start of a member', () => member.port > 0);
      return member;
    };
    const first = await begin(0, { kind: 'bootstrap' });
    await until('a leader', () => first.isLeader);
    for (const i of [1, 2]) {
      await begin(i, { kind: 'join', members: [first.self] });
      await until('a voter', () => first.voters.includes(i + 1));
    }
    const socket = connect(first.port, '127.0.0.1');
    socket.setNoDelay(true);
    return new TsswarmGroup(members, socket);
  }

  put(): Promise<void> {
    const id = this.#next++;
    const request = Buffer.alloc(ID_BYTES + PAYLOAD_BYTES, 'x');
    request.writeUInt32BE(id);
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#socket.write(request);
    });
  }

  stop(): void {
    this.#socket.destroy();
    for (const member of this.#members) member.order({ kind: 'stop' });
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + LEADER_LIMIT_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

interface Measured {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

async function measure(inFlight: number, put: (number: number) => Promise<void>) {
  const latencies: number[] = [];
  const begin = performance.now() + WARM_UP_MS;
  const end = begin + MEASURE_MS;
  let number = 0;
  const proposer = async (): Promise<void> => {
    for (let now = performance.now(); now < end; now = performance.now()) {
      await put(number++);
      if (now >= begin) latencies.push(performance.now() - now);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, proposer));
  latencies.sort((a, b) => a - b);
  const at = (part: number): number => latencies[Math.floor((latencies.length - 1) * part)] ?? 0;
  return { perSecond: (latencies.length * 1000) / MEASURE_MS, p50: at(0.5), p99: at(0.99) };
}

function report(name: string, ours: readonly Measured[], theirs: readonly Measured[]): void {
  const of = (all: readonly Measured[], key: keyof Measured): number =>
    median(all.map((one) => one[key]));
  const line = (who: string, all: readonly Measured[]): string =>
    `  ${who.padEnd(8)} ${of(all, 'perSecond').toFixed(0).padStart(6)}/s  ` +
    `p50 ${of(all, 'p50').toFixed(2)} ms  p99 ${of(all, 'p99').toFixed(2)} ms\n`;
  const ratio = (key: keyof Measured): string => (of(ours, key) / of(theirs, key)).toFixed(2);
  process.stdout.write(
    `${name}\n${line('tsswarm', ours)}${line('etcd', theirs)}` +
      `  ratio    throughput ${ratio('perSecond')}, p50 ${ratio('p50')}, p99 ${ratio('p99')}\n`,
  );
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(
    servers.map((server) => new Promise((resolve) => server.once('listening', resolve))),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function main(): Promise<void> {
  const directory = await mkdtemp(join(process.argv[2] ?? tmpdir(), 'tsswarm-bench-'));
  const thread = await bundleRaftThread();
  const ports = await freePorts(9);
  const member = join(directory, 'raft-member.cjs');
  await bundleScript(new URL('raft-member.ts', import.meta.url), member);
  const ours = await TsswarmGroup.start(directory, { member, thread }, ports.slice(0, 3));
  const theirs = await EtcdGroup.start(directory, ports.slice(3));
  try {
    const results = { many: [[], []], one: [[], []] } as Record<string, [Measured[], Measured[]]>;
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, inFlight] of [
        ['many', 64],
        ['one', 1],
      ] as const) {
        results[name]?.[0].push(await measure(inFlight, () => ours.put()));
        results[name]?.[1].push(await measure(inFlight, (number) => theirs.put(number)));
      }
    }
    report('64 proposals at once', ...(results['many'] ?? [[], []]));
    report('one after another', ...(results['one'] ?? [[], []]));
  } finally {
    ours.stop();
    theirs.stop();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await rm(directory, { recursive: true, force: true });
    await rm(dirname(thread), { recursive: true, force: true });
  }
}

await main();
