// Consensus for real: threads, files with fsync, and mTLS on loopback, with certificates made here.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/index.ts';
import {
  startConsensus,
  type CommittedEntry,
  type Consensus,
  type ConsensusHandler,
  type ConsensusOptions,
  type Member,
  type TlsMaterial,
} from '../../src/manager/raft/index.ts';
import { TestAuthority } from '../builders/certificates.ts';
import { bundleRaftThread } from '../builders/raft-thread.ts';

let threadScript = '';

class Store implements ConsensusHandler {
  texts: string[] = [];
  failure: Error | undefined;

  apply(entries: readonly CommittedEntry[]): void {
    for (const { payload } of entries) {
      if (payload.length > 0) this.texts.push(new TextDecoder().decode(payload));
    }
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    const view = JSON.stringify(this.texts);
    for (let at = 0; at < view.length; at += 1000) {
      yield new TextEncoder().encode(view.slice(at, at + 1000));
    }
  }

  async restore(_index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
    this.texts = JSON.parse(text) as string[];
  }

  statusChanged(): void {}

  failed(error: Error): void {
    this.failure = error;
  }
}

interface Manager {
  readonly member: Member;
  readonly directory: string;
  readonly store: Store;
  readonly consensus: Consensus;
}

const authority = new TestAuthority('cluster1');
const managers: Manager[] = [];
const directories: string[] = [];

beforeAll(async () => {
  await authority.start();
  threadScript = await bundleRaftThread();
});

afterAll(async () => {
  await rm(dirname(threadScript), { recursive: true, force: true });
});

afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.consensus.close()));
  await Promise.all(
    directories.splice(0).map((directory) => rm(directory, { recursive: true, force: true })),
  );
});

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

interface StartOptions {
  readonly directory?: string;
  readonly tls?: TlsMaterial;
  readonly snapshotInterval?: number;
}

async function start(
  member: Member,
  how: ConsensusOptions['start'],
  options: StartOptions = {},
): Promise<Manager> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'tsswarm-raft-')));
  if (!directories.includes(directory)) directories.push(directory);
  const store = new Store();
  const consensus = await startConsensus(
    {
      directory,
      self: member,
      listenAddress: member.address,
      start: how,
      tls: options.tls ?? (await authority.issue(member.nodeId)),
      tickMs: 100,
      electionTicks: 10,
      heartbeatTicks: 1,
      snapshotInterval: options.snapshotInterval ?? 10_000,
      dataKey: new Uint8Array(32).fill(member.raftId),
    },
    store,
    { threadScript, logger: silentLogger },
  );
  const manager = { member, directory, store, consensus };
  managers.push(manager);
  return manager;
}

async function stop(manager: Manager): Promise<void> {
  managers.splice(managers.indexOf(manager), 1);
  await manager.consensus.close();
}

async function until(condition: () => boolean, what: string, limitMs = 15_000): Promise<void> {
  await expect.poll(condition, { timeout: limitMs, interval: 10, message: what }).toBe(true);
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

async function three(options: StartOptions = {}): Promise<[Manager, Manager, Manager]> {
  const first = await start(await newMember(1), { kind: 'bootstrap' }, options);
  await until(() => first.consensus.status.isLeader, 'first leader');
  const joined: Manager[] = [];
  for (const raftId of [2, 3]) {
    const member = await newMember(raftId);
    await first.consensus.addMember(member);
    const { members } = first.consensus.status;
    joined.push(await start(member, { kind: 'join', members }, options));
    await until(() => first.consensus.status.voters.includes(raftId), `promotion of ${raftId}`);
  }
  const [second, third] = joined;
  if (second === undefined || third === undefined) throw new Error('two managers joined');
  return [first, second, third];
}

function blockThisThread(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

describe('one manager', () => {
  it('commits, and has everything again after a restart', async () => {
    const member = await newMember(1);
    const manager = await start(member, { kind: 'bootstrap' }, { snapshotInterval: 50 });
    await until(() => manager.consensus.status.isLeader, 'leader');
    const texts = Array.from({ length: 200 }, (_, i) => `entry ${i}`);
    await Promise.all(texts.map((text) => manager.consensus.propose(bytes(text))));
    expect(manager.store.texts).toEqual(texts);
    await stop(manager);
    const again = await start(member, { kind: 'restart' }, { directory: manager.directory });
    await until(() => again.consensus.status.isLeader, 'leader again');
    await again.consensus.barrier();
    expect(again.store.texts).toEqual(texts);
  });
});

describe('three managers', () => {
  it('replicate, keep their leader while a main thread is blocked, and survive its end', async () => {
    const [first, second, third] = await three();
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => first.consensus.propose(bytes(`a${i}`))),
    );
    await second.consensus.barrier();
    expect(second.store.texts).toHaveLength(100);
    const { term } = first.consensus.status;
    // All three main threads are this one: three seconds are three election time-outs.
    blockThisThread(3000);
    await first.consensus.propose(bytes('after the block'));
    expect(first.consensus.status.term).toBe(term);
    await stop(first);
    await until(
      () => second.consensus.status.isLeader || third.consensus.status.isLeader,
      'a new leader',
    );
    const leader = second.consensus.status.isLeader ? second : third;
    await leader.consensus.propose(bytes('without the first'));
    const back = await start(first.member, { kind: 'restart' }, { directory: first.directory });
    await until(() => back.store.texts.includes('without the first'), 'catching up');
    expect(back.store.texts).toEqual(leader.store.texts);
  });

  it('send a snapshot to a manager that was away too long', async () => {
    const [first, second, third] = await three({ snapshotInterval: 600 });
    await stop(third);
    for (let i = 0; i < 20; i++) {
      const batch = Array.from({ length: 100 }, (_, j) =>
        first.consensus.propose(bytes(`entry ${i * 100 + j} ${'x'.repeat(500)}`)),
      );
      await Promise.all(batch);
    }
    const back = await start(third.member, { kind: 'restart' }, { directory: third.directory });
    await until(() => back.store.texts.length === 2000, 'the snapshot');
    expect(back.store.texts).toEqual(first.store.texts);
    expect(second.store.failure).toBeUndefined();
  });

  it('take a new certificate at run time, and refuse those of others', async () => {
    const [first, second] = await three();
    const strangers = new TestAuthority('cluster1');
    await strangers.start();
    const intruder = await newMember(9);
    await start(
      intruder,
      { kind: 'join', members: first.consensus.status.members },
      { tls: await strangers.issue('node9') },
    );
    const worker = await newMember(8);
    await start(
      worker,
      { kind: 'join', members: first.consensus.status.members },
      { tls: await authority.issue('node8', 'swarm-worker') },
    );
    first.consensus.updateTls(await authority.issue('node1'));
    second.consensus.updateTls(await authority.issue('node2'));
    await first.consensus.propose(bytes('x'));
    await second.consensus.barrier();
    expect(second.store.texts).toEqual(['x']);
    expect(first.consensus.status.active).toEqual([1, 2, 3]);
  });
});

describe('a manager’s listener', () => {
  const path = '/tsswarm.raft.v1.Raft/Messages';

  async function speak(target: Manager, tls: TlsMaterial | undefined, from: number) {
    const secure =
      tls === undefined
        ? credentials.createSsl()
        : credentials.createSsl(
            Buffer.from(tls.rootCertificates),
            Buffer.from(tls.key),
            Buffer.from(tls.certificate),
            { checkServerIdentity: () => undefined },
          );
    const client = new Client(target.member.address, secure, {
      'grpc.ssl_target_name_override': 'swarm-manager',
    });
    const call = client.makeBidiStreamRequest(
      path,
      (frame: Buffer) => frame,
      () => ({}),
    );
    // A frame with one vote request for a term far ahead: harmful, if it were taken.
    const vote = [8, 4, 16, 1, 24, from, 32, 200, 1, 40, 200, 1, 48, 200, 1];
    call.write(Buffer.from([10, vote.length, ...vote]));
    const code = await new Promise<number>((resolve) => {
      call.on('data', () => {});
      call.on('error', (error: ServiceError) => resolve(error.code));
      call.on('end', () => resolve(status.OK));
    });
    client.close();
    return code;
  }

  it('takes each caller for what its certificate says, and nothing else', async () => {
    const [first] = await three();
    const { term } = first.consensus.status;
    const strangers = new TestAuthority('cluster1');
    await strangers.start();
    const otherCluster = new TestAuthority('cluster2', authority);
    await otherCluster.start();
    const cases: [string, TlsMaterial | undefined, number, number][] = [
      ['no certificate', undefined, 2, status.UNAVAILABLE],
      ['another authority', await strangers.issue('node2'), 2, status.UNAVAILABLE],
      ['a worker', await authority.issue('node2', 'swarm-worker'), 2, status.PERMISSION_DENIED],
      ['another cluster', await otherCluster.issue('node2'), 2, status.PERMISSION_DENIED],
      ['another member', await authority.issue('node3'), 2, status.PERMISSION_DENIED],
    ];
    for (const [who, tls, from, code] of cases) {
      expect(await speak(first, tls, from), who).toBe(code);
    }
    await first.consensus.propose(bytes('undisturbed'));
    expect(first.consensus.status.term).toBe(term);
  });

  it('refuses a member that was removed', async () => {
    const [first, , third] = await three();
    await first.consensus.removeMember(3);
    const code = await speak(first, await authority.issue('node3'), 3);
    expect(code).toBe(status.PERMISSION_DENIED);
    expect(first.consensus.status.members.map((member) => member.raftId)).toEqual([1, 2]);
    expect(third.store.failure).toBeUndefined();
  });
});
