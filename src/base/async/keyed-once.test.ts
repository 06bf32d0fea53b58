import { describe, expect, it } from 'vitest';
import { KeyedOnce } from './keyed-once.ts';

describe('work that several wait for', () => {
  function begun() {
    const once = new KeyedOnce<string>();
    const signals: AbortSignal[] = [];
    let finish: (result: string) => void = () => undefined;
    const run = (signal?: AbortSignal): Promise<string> =>
      once.run(
        'image',
        undefined,
        (_, ended) => {
          signals.push(ended);
          return new Promise((resolve) => {
            finish = resolve;
          });
        },
        signal,
      );
    return { run, signals, finish: (result: string) => finish(result) };
  }

  it('is done once', async () => {
    const { run, signals, finish } = begun();
    const both = Promise.all([run(), run()]);
    finish('done');
    expect(await both).toEqual(['done', 'done']);
    expect(signals).toHaveLength(1);
  });

  it('goes on while one of them waits, and ends with the last', async () => {
    const { run, signals } = begun();
    const [first, second] = [new AbortController(), new AbortController()];
    const results = Promise.allSettled([run(first.signal), run(second.signal)]);
    first.abort();
    expect(signals[0]?.aborted).toBe(false);
    second.abort();
    expect(signals[0]?.aborted).toBe(true);
    const [one, two] = await results;
    expect([one?.status, two?.status]).toEqual(['rejected', 'rejected']);
  });

  it('is begun anew for who comes after all had left', async () => {
    const { run, signals, finish } = begun();
    const gone = new AbortController();
    const given = run(gone.signal);
    gone.abort();
    await expect(given).rejects.toMatchObject({ code: 'unavailable' });
    const again = run();
    expect(signals).toHaveLength(2);
    finish('again');
    expect(await again).toBe('again');
    await expect(run(AbortSignal.abort())).rejects.toThrow('was given up');
  });

  it('of one who never leaves is not ended by those who do', async () => {
    const { run, signals, finish } = begun();
    const gone = new AbortController();
    const [given, kept] = [run(gone.signal), run()];
    gone.abort();
    await expect(given).rejects.toThrow('was given up');
    expect(signals[0]?.aborted).toBe(false);
    finish('kept');
    expect(await kept).toBe('kept');
  });
});
