// A manager whose disk is full, on a real small file system: it ends with a reason, its files stay
// good, and with room again it goes on with all that it acknowledged.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/index.ts';
import {
  startConsensus,
  type Consensus,
  type ConsensusHandler,
} from '../../src/manager/raft/index.ts';
import { TestAuthority } from '../builders/certificates.ts';
import { bundleRaftThread } from '../builders/raft-thread.ts';

const MEGABYTE = 1024 * 1024;
const authority = new TestAuthority('cluster1');
let mount: string;
let threadScript: string;

beforeAll(async () => {
  await authority.start();
  threadScript = await bundleRaftThread();
  mount = mkdtempSync(join(tmpdir(), 'tsswarm-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', mount]);
});

afterAll(() => {
  execFileSync('umount', [mount]);
  rmSync(mount, { recursive: true, force: true });
  rmSync(dirname(threadScript), { recursive: true, force: true });
});

class Owner implements ConsensusHandler {
  applied: string[] = [];
  readonly failure: Promise<Error>;
  #fail: (error: Error) => void = () => {};

  constructor() {
    this.failure = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  apply(entries: Parameters<ConsensusHandler['apply']>[0]): void {
    for (const { payload } of entries) {
      if (payload.length > 0) this.applied.push(new TextDecoder().decode(payload.subarray(0, 20)));
    }
  }

  async *snapshot(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode(JSON.stringify(this.applied));
  }

  async restore(_index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of chunks) text += new TextDecoder().decode(chunk);
    this.applied = JSON.parse(text) as string[];
  }

  statusChanged(): void {}

  failed(error: Error): void {
    this.#fail(error);
  }
}

async function start(kind: 'bootstrap' | 'restart', owner: Owner): Promise<Consensus> {
  const consensus = await startConsensus(
    {
      directory: join(mount, 'raft'),
      self: { raftId: 1, nodeId: 'node1', address: '127.0.0.1:0' },
      listenAddress: '127.0.0.1:0',
      start: { kind },
      tls: await authority.issue('node1'),
      tickMs: 50,
      electionTicks: 10,
      heartbeatTicks: 1,
      snapshotInterval: 10_000,
      logSegmentBytes: 4 * MEGABYTE,
      dataKey: new Uint8Array(32).fill(3),
    },
    owner,
    { threadScript, logger: silentLogger },
  );
  await consensus.barrier().catch(() => {});
  return consensus;
}

it('a full disk ends the manager with a reason, and room brings it back with all it had', async () => {
  const owner = new Owner();
  const consensus = await start('bootstrap', owner);
  const acknowledged: string[] = [];
  let refusal: unknown;
  for (let i = 0; refusal === undefined && i < 100; i++) {
    const name = `entry ${String(i).padStart(14, '0')}`;
    const payload = new Uint8Array(MEGABYTE);
    payload.set(new TextEncoder().encode(name));
    await consensus.propose(payload).then(
      () => acknowledged.push(name),
      (error: unknown) => {
        refusal = error;
      },
    );
  }
  expect(acknowledged.length).toBeGreaterThan(5);
  const failure = await owner.failure;
  expect(failure.message).toMatch(/ENOSPC|disk full/);
  expect(failure.message).toContain(join(mount, 'raft'));
  expect(refusal).toMatchObject({ code: 'unavailable' });
  await consensus.close();

  // Whatever was being made ready when the room ran out is given back first; then it is full indeed.
  const filler = join(mount, 'filler');
  const again = new Owner();
  const { bavail, bsize } = statfsSync(mount);
  writeFileSync(filler, new Uint8Array(Math.max(0, bavail * bsize - 65_536)));
  const outcome = start('restart', again).then(
    async (full) => {
      const proposal = full.propose(new Uint8Array(MEGABYTE));
      await expect(proposal).rejects.toMatchObject({ code: 'unavailable' });
      const message = (await again.failure).message;
      await full.close();
      return message;
    },
    (error: Error) => error.message,
  );
  expect(await outcome).toMatch(/ENOSPC|disk full/);

  rmSync(filler);
  execFileSync('mount', ['-o', 'remount,size=64m', mount]);
  const back = new Owner();
  const recovered = await start('restart', back);
  await recovered.propose(new TextEncoder().encode('room again'.padEnd(20)));
  expect(back.applied.slice(0, acknowledged.length)).toEqual(acknowledged);
  expect(back.applied.at(-1)).toBe('room again'.padEnd(20));
  await recovered.close();
});
