// Work one after the other, and work on the newest value alone.
import { describe, expect, it } from 'vitest';
import { Coalescer } from './coalescer.ts';
import { deferred } from './deferred.ts';
import { SerialQueue } from './serial-queue.ts';

/** Lets everything happen that waits for nothing but promises. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

describe('a serial queue', () => {
  it('does the work of one key in order, that of others beside it', async () => {
    const queue = new SerialQueue();
    const log: string[] = [];
    const first = deferred();
    const works = [
      queue.run('a', async () => {
        await first.promise;
        log.push('a1');
      }),
      queue.run('a', () => Promise.resolve(log.push('a2'))),
      queue.run('b', () => Promise.resolve(log.push('b1'))),
    ];
    await settle();
    expect(log).toEqual(['b1']);
    first.resolve();
    await queue.settled('a');
    await Promise.all(works);
    expect(log).toEqual(['b1', 'a1', 'a2']);
  });

  it('goes on after work that has failed, and tells its caller alone', async () => {
    const queue = new SerialQueue();
    const failed = queue.run('a', () => Promise.reject(new Error('no')));
    const next = queue.run('a', () => Promise.resolve('yes'));
    await expect(failed).rejects.toThrow('no');
    await expect(next).resolves.toBe('yes');
    await queue.settled();
  });
});

describe('a coalescer', () => {
  it('skips what a newer value replaces before its turn', async () => {
    const done: number[] = [];
    const gate = deferred();
    const work = new Coalescer<number>(async (value) => {
      if (done.length === 0) await gate.promise;
      done.push(value);
    });
    work.add(1);
    await settle();
    for (const value of [2, 3]) work.add(value);
    expect(work.superseded).toBe(true);
    gate.resolve();
    await work.settled();
    expect(done).toEqual([1, 3]);
    work.add(4);
    await work.settled();
    expect(done).toEqual([1, 3, 4]);
  });

  // What pauses must not be kept from its work by values that come more often than the pause is long.
  it('takes what is newest after its pause, and does it whatever comes meanwhile', async () => {
    const done: number[] = [];
    const work: Coalescer<number> = new Coalescer(
      async (value) => {
        done.push(value);
        if (value < 40) work.add(value + 9);
      },
      async () => work.add((done.at(-1) ?? 0) + 10),
    );
    work.add(1);
    await work.settled();
    expect(done).toEqual([10, 20, 30, 40]);
  });
});
