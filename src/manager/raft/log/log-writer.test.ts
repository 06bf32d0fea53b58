// Who may wait for whom: the log's writer, the restore of a snapshot and the applier of entries.
import { makeMessage, type Message } from 'raft-ts';
import { Prng, settle, SimDisk } from 'sim';
import { describe, expect, it } from 'vitest';
import { Applier } from '../host/index.ts';
import { LogWriter } from './log-writer.ts';
import { openWal } from './wal-recovery.ts';

const confState = {
  voters: [1],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

function order(commit: number, rest: Partial<Message> = {}): Message {
  return { ...makeMessage({ type: 'MsgStorageAppend' }), term: 1, vote: 1, commit, ...rest };
}

/** Writer and applier as a host joins them, on a disk whose syncs wait to be let go. */
async function joined(): Promise<{
  disk: SimDisk;
  writer: LogWriter;
  applier: Applier;
  done: string[];
  held: (() => void)[];
}> {
  const disk = new SimDisk();
  const dataKey = new Uint8Array(32);
  const random = new Prng('wal');
  const options = { disk, random, directory: '/raft', dataKey, raftId: 1, segmentBytes: 4096 };
  const { wal } = await openWal(options);
  const done: string[] = [];
  const held: (() => void)[] = [];
  const applier: Applier = new Applier({
    apply: async (entries) => {
      done.push(`applying ${entries.length}`);
      await writer.commitStored(5);
      done.push('applied');
    },
    respond: () => {},
    failed: (error) => done.push(`applier failed: ${String(error)}`),
  });
  const writer: LogWriter = new LogWriter({
    wal,
    publishSnapshot: async () => {},
    stored: () => {},
    restore: () =>
      applier.between(async () => {
        done.push('restored');
      }),
    respond: () => {},
    failed: (error) => done.push(`writer failed: ${String(error)}`),
  });
  disk.before = async (operation) => {
    if (operation === 'sync') await new Promise<void>((resolve) => held.push(resolve));
  };
  return { disk, writer, applier, done, held };
}

const apply = makeMessage({ type: 'MsgStorageApply' });

async function letGo(held: (() => void)[]): Promise<void> {
  for (let i = 0; i < 20; i++) {
    for (const go of held.splice(0)) go();
    await settle();
  }
}

describe('a snapshot that comes while a change of the membership is being applied', () => {
  it.each(['is the last order', 'is followed by entries'])(
    'does not stop the member: it %s',
    async (last) => {
      const { writer, applier, done, held } = await joined();
      writer.push(
        order(9, { snapshot: { index: 9, term: 1, confState, data: new Uint8Array(0) } }),
      );
      await settle();
      applier.push(apply);
      if (last === 'is followed by entries') {
        const entries = [{ index: 10, term: 1, type: 'normal', data: new Uint8Array(3) } as const];
        writer.push(order(9, { entries }));
      }
      await letGo(held);
      expect(done).toEqual(['applying 0', 'applied', 'restored']);
      await writer.close();
    },
  );

  it('makes the commit index durable first, also when it alone is left to write', async () => {
    const { writer, applier, done, held } = await joined();
    const entries = [{ index: 5, term: 1, type: 'normal', data: new Uint8Array(3) } as const];
    writer.push(order(4, { entries }));
    await letGo(held);
    writer.push(order(5));
    await settle();
    applier.push(apply);
    await settle();
    expect(done).toEqual(['applying 0']);
    await letGo(held);
    expect(done).toEqual(['applying 0', 'applied']);
  });
});

describe('what can no longer be done', () => {
  it('is refused when the applier stops', async () => {
    const { writer, applier, held } = await joined();
    writer.push(order(5));
    applier.push(apply);
    const waiting = applier.between(async () => {});
    const refused = expect(waiting).rejects.toThrow('stopping');
    await settle();
    const stopped = applier.stop();
    await refused;
    await expect(applier.between(async () => {})).rejects.toThrow('stopping');
    await letGo(held);
    await stopped;
  });

  it('is refused when the log cannot be written', async () => {
    const { disk, writer, applier, done } = await joined();
    disk.before = async (operation) => {
      if (operation === 'sync') throw new Error('EIO');
    };
    writer.push(order(5));
    applier.push(apply);
    const waiting = applier.between(async () => {});
    await expect(waiting).rejects.toThrow('EIO');
    await expect(writer.commitStored(6)).rejects.toThrow('EIO');
    await applier.stop();
    expect(done).toEqual(['applying 0', 'writer failed: Error: EIO', 'applier failed: Error: EIO']);
  });
});
