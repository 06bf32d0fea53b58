// The log on a disk that loses what was not synced: what must come back, what must be cut off, and
// what must be refused.
import type { Entry } from 'raft-ts';
import { Prng, settle, SimDisk } from 'sim';
import { describe, expect, it } from 'vitest';
import { openWal } from './wal-recovery.ts';
import { segmentPath, type WalOptions } from './wal.ts';

const entry = (index: number, term = 1, size = 20): Entry => ({
  index,
  term,
  type: 'normal',
  data: new Uint8Array(size).fill(index % 251),
});

const batch = (...entries: Entry[]) => ({
  hardState: { term: entries.at(-1)?.term ?? 1, vote: 1, commit: 0 },
  entries,
  snapshot: undefined,
});

function setUp(options: Partial<WalOptions> = {}): { disk: SimDisk; options: WalOptions } {
  const disk = new SimDisk();
  return {
    disk,
    options: {
      disk,
      random: new Prng('wal'),
      directory: '/raft',
      dataKey: new Uint8Array(32).fill(7),
      raftId: 5,
      segmentBytes: 8192,
      ...options,
    },
  };
}

describe('the log', () => {
  it('gives back what was appended, across segments', async () => {
    const { options, disk } = setUp();
    const { wal, log } = await openWal(options);
    expect(log.empty).toBe(true);
    for (let i = 1; i <= 200; i++) await wal.append(batch(entry(i, 1, 300)));
    expect(disk.paths().filter((path) => path.endsWith('.log')).length).toBeGreaterThan(5);
    const again = (await openWal(options)).log;
    expect(again.entries).toHaveLength(200);
    expect(again.entries.at(-1)).toEqual(entry(200, 1, 300));
    expect(again.hardState).toEqual({ term: 1, vote: 1, commit: 0 });
  });

  it('lets later entries replace earlier ones', async () => {
    const { options } = setUp();
    const { wal } = await openWal(options);
    await wal.append(batch(entry(1), entry(2), entry(3)));
    await wal.append(batch(entry(2, 2)));
    const { log } = await openWal(options);
    expect(log.entries.map(({ index, term }) => [index, term])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });

  it('takes a record larger than a segment', async () => {
    const { options } = setUp();
    const { wal } = await openWal(options);
    await wal.append(batch(entry(1, 1, 50_000)));
    await wal.append(batch(entry(2)));
    expect((await openWal(options)).log.entries).toHaveLength(2);
  });

  it('drops segments behind a snapshot, and still knows term and vote', async () => {
    const { options, disk } = setUp();
    const { wal } = await openWal(options);
    for (let i = 1; i <= 100; i++) await wal.append(batch(entry(i, 3, 300)));
    const before = disk.paths().length;
    await wal.dropUpTo(80);
    expect(disk.paths().length).toBeLessThan(before - 2);
    const { log } = await openWal(options);
    expect(log.hardState.term).toBe(3);
    expect(log.entries.at(-1)?.index).toBe(100);
    expect(log.previousIndex).toBeLessThan(81);
  });

  it('keeps the last segment that knows term and vote while a later one has no record yet', async () => {
    const { options, disk } = setUp();
    const { wal } = await openWal(options);
    await wal.append({ ...batch(entry(1)), hardState: { term: 3, vote: 2, commit: 0 } });
    const again = (await openWal(options)).wal;
    // The power goes when the next segment has its name and no record.
    disk.before = async (operation) => {
      if (operation === 'write' && disk.paths().includes(segmentPath('/raft', 2))) {
        await new Promise(() => {});
      }
    };
    again.append(batch(entry(2))).catch(() => {});
    while (!disk.paths().includes(segmentPath('/raft', 2))) await settle();
    await again.dropUpTo(1);
    disk.crash(new Prng('power'));
    disk.before = async () => {};
    const third = (await openWal(options)).wal;
    await third.dropUpTo(1);
    disk.crash(new Prng('power'));
    const { log } = await openWal(options);
    expect(log.hardState).toEqual({ term: 3, vote: 2, commit: 0 });
  });

  it('starts over behind a snapshot of the leader', async () => {
    const { options } = setUp();
    const { wal } = await openWal(options);
    await wal.append(batch(entry(1), entry(2)));
    await wal.append({ hardState: undefined, entries: [], snapshot: { index: 50, term: 4 } });
    await wal.append(batch(entry(51, 4)));
    const { log } = await openWal(options);
    expect(log.snapshot).toEqual({ index: 50, term: 4 });
    expect(log.previousIndex).toBe(50);
    expect(log.entries.map((e) => e.index)).toEqual([51]);
  });

  it('never shows payloads on disk', async () => {
    const { options, disk } = setUp();
    const { wal } = await openWal(options);
    const data = new TextEncoder().encode('the secret of the cluster');
    await wal.append(batch({ ...entry(1), data }));
    for (const path of disk.paths()) {
      const text = new TextDecoder('latin1').decode(await disk.readFile(path));
      expect(text).not.toContain('secret');
    }
  });
});

describe('after a crash', () => {
  it('every acknowledged batch is there and no other is half there', async () => {
    for (let seed = 0; seed < 150; seed++) {
      const prng = new Prng(seed);
      const { options, disk } = setUp({ random: prng.split('random') });
      let acknowledged = 0;
      let written = 0;
      for (let life = 0; life < 4; life++) {
        const { wal, log } = await openWal(options);
        const last = log.entries.at(-1)?.index ?? 0;
        expect(last, `seed ${seed}`).toBeGreaterThanOrEqual(acknowledged);
        expect(last, `seed ${seed}`).toBeLessThanOrEqual(written);
        expect(log.entries.map((e) => e.index)).toEqual(log.entries.map((_, i) => i + 1));
        acknowledged = last;
        for (let i = 0; i < prng.below(12); i++) {
          await wal.append(batch(entry(acknowledged + 1, 1, prng.below(3000))));
          acknowledged++;
        }
        written = acknowledged + 3;
        // The power goes while the next batch is being synced.
        disk.before = async (operation) => {
          if (operation === 'sync') await new Promise(() => {});
        };
        const next = [1, 2, 3].map((i) => entry(acknowledged + i, 1, prng.below(2000)));
        void wal.append(batch(...next));
        await new Promise((resolve) => {
          setImmediate(resolve);
        });
        disk.before = async () => {};
        disk.crash(prng.split(`crash ${life}`));
      }
    }
  });
});

describe('damage', () => {
  async function damaged(position: number, bit: number, fullyWritten = 20): Promise<unknown> {
    const { options, disk } = setUp({ segmentBytes: 65_536 });
    const { wal } = await openWal(options);
    for (let i = 1; i <= fullyWritten; i++) await wal.append(batch(entry(i, 1, 100)));
    await wal.close();
    disk.flipBit(segmentPath('/raft', 1), position, bit);
    return openWal(options).then(
      ({ log }) => log.entries.length,
      (error: unknown) => error,
    );
  }

  it('of any bit of what was written is found, and named', async () => {
    // A record of this size is 64 bytes of header, seal and padding more than its payload.
    const used = 64 + 20 * 176;
    for (let position = 0; position < used; position += 7) {
      const outcome = await damaged(position, position % 8);
      // Unused bytes of headers may change without harm, but no entry may ever be lost.
      if (outcome === 20) continue;
      expect(outcome, `position ${position}`).toMatchObject({ code: 'dataLoss' });
    }
  });

  it('names the file and the offset', async () => {
    expect(await damaged(64 + 176 * 3 + 40, 2)).toMatchObject({
      code: 'dataLoss',
      message: expect.stringMatching(/wal-0000000000000001\.log is damaged at offset \d+/),
    });
  });

  it('is not confused with another data key', async () => {
    const { options } = setUp();
    const { wal } = await openWal(options);
    await wal.append(batch(entry(1)));
    const other = openWal({ ...options, dataKey: new Uint8Array(32).fill(8) });
    await expect(other).rejects.toThrow('wrong data key');
  });

  it('includes a missing segment', async () => {
    const { options, disk } = setUp();
    const { wal } = await openWal(options);
    for (let i = 1; i <= 100; i++) await wal.append(batch(entry(i, 1, 300)));
    await disk.remove(segmentPath('/raft', 2));
    await expect(openWal(options)).rejects.toMatchObject({ code: 'dataLoss' });
  });

  it('is not what another version or another owner is', async () => {
    const { options, disk } = setUp();
    const { wal } = await openWal(options);
    await wal.append(batch(entry(1)));
    await expect(openWal({ ...options, raftId: 6 })).rejects.toMatchObject({
      code: 'precondition',
    });
    const path = segmentPath('/raft', 1);
    const bytes = (await disk.readFile(path)) ?? new Uint8Array(0);
    const { crc32 } = await import('node:zlib');
    const view = new DataView(bytes.buffer);
    view.setUint16(8, 9, true);
    view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
    await disk.writeFileAtomic(path, bytes);
    await expect(openWal(options)).rejects.toThrow('has format version 9, this program knows 1');
  });

  it('of the disk at a sync ends all writing', async () => {
    const { options, disk } = setUp();
    const { wal } = await openWal(options);
    await wal.append(batch(entry(1)));
    disk.before = async (operation) => {
      if (operation === 'sync') throw new Error('I/O error');
    };
    await expect(wal.append(batch(entry(2)))).rejects.toThrow('I/O error');
    disk.before = async () => {};
    await expect(wal.append(batch(entry(3)))).rejects.toThrow('I/O error');
  });
});
