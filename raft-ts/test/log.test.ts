// The log and its unstable tail: what must be kept, replaced and handed out.
import { describe, expect, it } from 'vitest';
import { MemoryStorage, NO_LIMIT, type Entry } from '../src/index.ts';
import { RaftLog } from '../src/log.ts';

const entry = (index: number, term: number, size = 1): Entry => ({
  index,
  term,
  type: 'normal',
  data: new Uint8Array(size),
});

function logOf(stable: readonly Entry[], unstable: readonly Entry[] = []): RaftLog {
  const storage = new MemoryStorage();
  storage.append(stable);
  const log = new RaftLog(storage, NO_LIMIT);
  log.append(unstable);
  return log;
}

const shape = (entries: readonly Entry[] | undefined): [number, number][] | undefined =>
  entries?.map(({ index, term }) => [index, term]);

describe('entries of a leader', () => {
  it('are refused when the one before them is missing or of another term', () => {
    const log = logOf([entry(1, 1), entry(2, 2)]);
    expect(log.maybeAppend({ index: 3, term: 2 }, [entry(4, 2)], 0)).toBeUndefined();
    expect(log.maybeAppend({ index: 2, term: 1 }, [entry(3, 2)], 0)).toBeUndefined();
  });

  it('replace what conflicts with them and keep what agrees', () => {
    const log = logOf([entry(1, 1), entry(2, 1), entry(3, 1)]);
    const last = log.maybeAppend({ index: 1, term: 1 }, [entry(2, 1), entry(3, 2)], 2);
    expect(last).toBe(3);
    expect(shape(log.allEntries())).toEqual([
      [1, 1],
      [2, 1],
      [3, 2],
    ]);
    expect(log.committed).toBe(2);
  });

  it('do not cut off what lies behind them: it may be acknowledged already', () => {
    const log = logOf([entry(1, 1), entry(2, 1), entry(3, 1)]);
    log.maybeAppend({ index: 0, term: 0 }, [entry(1, 1)], 0);
    expect(log.lastIndex()).toBe(3);
  });

  it('commit no further than they reach', () => {
    const log = logOf([entry(1, 1), entry(2, 1)]);
    log.maybeAppend({ index: 0, term: 0 }, [entry(1, 1)], 2);
    expect(log.committed).toBe(1);
  });
});

describe('the place where two logs part', () => {
  it('is looked for by term', () => {
    const log = logOf([entry(1, 1), entry(2, 3), entry(3, 3), entry(4, 5)]);
    expect(log.findConflictByTerm(4, 4)).toEqual({ index: 3, term: 3 });
    expect(log.findConflictByTerm(4, 2)).toEqual({ index: 1, term: 1 });
    expect(log.findConflictByTerm(3, 9)).toEqual({ index: 3, term: 3 });
  });
});

describe('writes of the tail', () => {
  it('count only for the entries that still are what was written', () => {
    const log = logOf([], [entry(1, 1), entry(2, 1)]);
    log.unstable.accept();
    log.maybeAppend({ index: 1, term: 1 }, [entry(2, 2)], 0);
    log.unstable.stableTo({ index: 2, term: 1 });
    expect(log.unstable.offset).toBe(1);
    expect(shape(log.unstable.nextEntries())).toEqual([[2, 2]]);
    log.unstable.accept();
    log.unstable.stableTo({ index: 2, term: 2 });
    expect(log.unstable.offset).toBe(3);
  });
});

describe('committed entries', () => {
  it('are handed out in bounded portions, each once', () => {
    const storage = new MemoryStorage();
    storage.append([1, 2, 3, 4].map((index) => entry(index, 1, 84)));
    const log = new RaftLog(storage, 200);
    log.commitTo(4);
    const first = log.nextCommittedEntries(false);
    expect(first.map((e) => e.index)).toEqual([1, 2]);
    log.acceptApplying(first, false);
    expect(log.nextCommittedEntries(false)).toEqual([]);
    log.appliedTo(2, 200);
    expect(log.nextCommittedEntries(false).map((e) => e.index)).toEqual([3, 4]);
  });

  it('must be stable first where the host writes asynchronously', () => {
    const log = logOf([entry(1, 1)], [entry(2, 1)]);
    log.commitTo(2);
    expect(log.nextCommittedEntries(false).map((e) => e.index)).toEqual([1]);
    expect(log.nextCommittedEntries(true).map((e) => e.index)).toEqual([1, 2]);
  });

  it('join the stable part and the tail within a limit of bytes', () => {
    const log = logOf([entry(1, 1, 84)], [entry(2, 1, 84), entry(3, 1, 84)]);
    expect(log.slice(1, 4, 1)?.length).toBe(1);
    expect(log.slice(1, 4, 200)?.length).toBe(2);
    expect(log.slice(1, 4, 299)?.length).toBe(2);
    expect(log.slice(1, 4, 300)?.length).toBe(3);
  });
});

describe('storage in memory', () => {
  it('knows the term before its first entry, and nothing earlier', () => {
    const storage = new MemoryStorage();
    storage.append([entry(1, 1), entry(2, 2), entry(3, 3)]);
    storage.compact(2);
    expect([storage.firstIndex(), storage.lastIndex()]).toEqual([3, 3]);
    expect([storage.term(1), storage.term(2), storage.term(3)]).toEqual([undefined, 2, 3]);
    expect(storage.entries(2, 4, NO_LIMIT)).toBeUndefined();
  });

  it('leaves out what a compaction covers', () => {
    const storage = new MemoryStorage();
    storage.append([entry(1, 1), entry(2, 1)]);
    storage.compact(2);
    storage.append([entry(2, 1), entry(3, 1)]);
    expect(shape(storage.entries(3, 4, NO_LIMIT))).toEqual([[3, 1]]);
  });
});
