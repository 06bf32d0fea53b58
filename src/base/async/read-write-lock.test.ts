import { describe, expect, it } from 'vitest';
import { ReadWriteLock } from './read-write-lock.ts';

/** Bodies that say when they run and end when told. */
function bodies(lock: ReadWriteLock) {
  const log: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string, alone: boolean): Promise<void> =>
    lock.run(alone, async () => {
      log.push(name);
      await new Promise<void>((end) => ends.set(name, end));
    });
  const end = async (name: string): Promise<void> => {
    ends.get(name)?.();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { log, run, end };
}

describe('a lock for many readers or one writer', () => {
  it('lets shared ones in together, and one that is alone after them and before the next', async () => {
    const { log, run, end } = bodies(new ReadWriteLock());
    const all = [
      run('a', false),
      run('b', false),
      run('C', true),
      run('d', false),
      run('e', false),
    ];
    expect(log).toEqual(['a', 'b']);
    await end('a');
    expect(log).toEqual(['a', 'b']);
    await end('b');
    expect(log).toEqual(['a', 'b', 'C']);
    await end('C');
    expect(log).toEqual(['a', 'b', 'C', 'd', 'e']);
    await end('d');
    await end('e');
    await Promise.all(all);
  });

  it('goes on after one that has failed', async () => {
    const lock = new ReadWriteLock();
    await expect(lock.run(true, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(lock.run(true, () => Promise.resolve(1))).resolves.toBe(1);
  });
});
