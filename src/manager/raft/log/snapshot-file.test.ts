// Snapshots on a disk that crashes: complete or not there, and damage is found.
import { Prng, SimDisk } from 'sim';
import { describe, expect, it } from 'vitest';
import { SNAPSHOT_CHUNK_BYTES } from '../contract/index.ts';
import { SnapshotStore } from './snapshot-file.ts';

const head = (index: number) => ({
  index,
  term: 3,
  confState: {
    voters: [1, 2],
    votersOutgoing: [],
    learners: [3],
    learnersNext: [],
    autoLeave: false,
  },
  data: new Uint8Array([9, 9]),
});

async function* pieces(...sizes: number[]): AsyncGenerator<Uint8Array> {
  for (const [i, size] of sizes.entries()) yield new Uint8Array(size).fill(i + 1);
}

async function all(chunks: AsyncIterable<Uint8Array>): Promise<number[]> {
  const bytes: number[] = [];
  for await (const chunk of chunks) for (const byte of chunk) bytes.push(byte);
  return bytes;
}

function setUp(): { disk: SimDisk; store: SnapshotStore } {
  const disk = new SimDisk();
  const dataKey = new Uint8Array(32).fill(1);
  const store = new SnapshotStore({ disk, random: new Prng(1), directory: '/raft', dataKey });
  return { disk, store };
}

const PATH = '/raft/snapshot-000000000000000a.snap';

describe('a snapshot', () => {
  it('that fails says why, also when its draft can’t be removed', async () => {
    const { disk, store } = setUp();
    disk.remove = () => Promise.reject(new Error('it stays'));
    const broken = (async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(3);
      throw new Error('the disk is full');
    })();
    await expect(store.write(head(20), broken)).rejects.toThrow('the disk is full');
  });

  it('comes back with its head and all pieces, large ones too', async () => {
    const { store } = setUp();
    expect(await store.open()).toBeUndefined();
    await store.publish(await store.write(head(10), pieces(5, SNAPSHOT_CHUNK_BYTES + 3, 1)));
    expect(await store.open()).toEqual(head(10));
    const bytes = await all(store.read(10));
    expect(bytes).toHaveLength(5 + SNAPSHOT_CHUNK_BYTES + 3 + 1);
    expect([bytes[0], bytes[5], bytes.at(-1)]).toEqual([1, 2, 3]);
  });

  it('replaces the one before it, not before it is complete', async () => {
    const { store, disk } = setUp();
    await store.publish(await store.write(head(10), pieces(5)));
    const broken = (async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(3);
      throw new Error('the leader has gone');
    })();
    await expect(store.write(head(20), broken)).rejects.toThrow('the leader has gone');
    expect(await all(store.read(10))).toHaveLength(5);
    await store.publish(await store.write(head(30), pieces(7)));
    expect(disk.paths()).toEqual(['/raft/snapshot-000000000000001e.snap']);
    await expect(all(store.read(10))).rejects.toThrow();
  });

  it('is there after a crash if it was published', async () => {
    for (let seed = 0; seed < 30; seed++) {
      const { store, disk } = setUp();
      await store.publish(await store.write(head(10), pieces(3000)));
      await store.write(head(20), pieces(3000));
      disk.crash(new Prng(seed));
      expect((await store.open())?.index).toBe(10);
      expect(await all(store.read(10))).toHaveLength(3000);
      expect(disk.paths()).toEqual([PATH]);
    }
  });

  it('that is damaged anywhere is refused', async () => {
    for (let position = 0; position < 900; position += 13) {
      const { store, disk } = setUp();
      await store.publish(await store.write(head(10), pieces(300, 300)));
      disk.flipBit(PATH, position, position % 8);
      const read = store.open().then(() => all(store.read(10)));
      const outcome = await read.then(
        (bytes) => bytes.length,
        (error: unknown) => error,
      );
      // A byte that nothing depends on may change.
      if (outcome === 600) continue;
      expect(outcome, `position ${position}`).toMatchObject({ code: 'dataLoss' });
    }
  });

  it('that was cut short is refused', async () => {
    const { store, disk } = setUp();
    await store.publish(await store.write(head(10), pieces(300, 300)));
    const file = await disk.open(PATH);
    await file.truncate((await file.size()) - 50);
    await expect(all(store.read(10))).rejects.toMatchObject({ code: 'dataLoss' });
  });
});
