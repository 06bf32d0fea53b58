import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { unlessAborted, untilAborted } from './until-aborted.ts';

describe('waiting that can be given up', () => {
  const never = new Promise<never>(() => {});

  it('ends with the work, or with the signal', async () => {
    const abort = new AbortController();
    await expect(untilAborted(Promise.resolve(1), abort.signal, 'it')).resolves.toBe(1);
    const given = untilAborted(never, abort.signal, 'the pull');
    abort.abort();
    await expect(given).rejects.toMatchObject({
      code: 'unavailable',
      message: 'the pull was given up',
    });
    await expect(untilAborted(never, abort.signal, 'it')).rejects.toThrow('it was given up');
    expect(() => unlessAborted(abort.signal, 'it')).toThrow('it was given up');
  });

  it('of many at once takes one listener', async () => {
    const abort = new AbortController();
    const all = Array.from({ length: 1_000 }, () => untilAborted(never, abort.signal, 'it'));
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(1);
    abort.abort();
    const outcomes = await Promise.allSettled(all);
    expect(outcomes.every(({ status }) => status === 'rejected')).toBe(true);
  });
});
