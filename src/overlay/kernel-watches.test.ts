// When the kernel is looked at, counted under a virtual clock.
import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { SwarmError, silentLogger } from '../base/index.ts';
import { CHECK_INTERVAL_MS, LOOK_AFTER_CHANGE_MS, LOOK_SPACING_MS } from './contract/index.ts';
import { KernelWatches, type KernelWatchesPorts } from './kernel-watches.ts';

function watches(options: { tells?: boolean; often?: boolean } = {}) {
  const clock = new VirtualClock();
  const changed = new Map<string, () => void>();
  const closed: string[] = [];
  const looks: number[] = [];
  const watch = (namespace: string, told: () => void) => {
    if (options.tells === false) return Promise.reject(new SwarmError('unavailable', 'no'));
    let isArmed = true;
    changed.set(namespace, () => {
      if (isArmed) told();
      isArmed = false;
    });
    const rearm = (): void => void (isArmed = true);
    return Promise.resolve({ rearm, close: () => void closed.push(namespace) });
  };
  const made: KernelWatches = new KernelWatches({
    kernel: { watch } as unknown as KernelWatchesPorts['kernel'],
    clock,
    logger: silentLogger,
    look: () => {
      looks.push(clock.monotonicMs());
      made.lookBegins();
    },
    mustLookOften: () => options.often === true,
  });
  made.start();
  const change = (namespace: string): void => changed.get(namespace)?.();
  return { watches: made, clock, change, closed, looks };
}

describe('looks at the kernel', () => {
  it('are one a minute while it tells of nothing', async () => {
    const { watches: one, clock, looks } = watches();
    one.keep(['host', 'n-a'], undefined);
    await clock.advance(10 * 60_000);
    // One for what changed before it was watched.
    expect(looks).toHaveLength(1 + 9);
    expect(looks[0]).toBe(LOOK_SPACING_MS);
  });

  it('come soon after it has told, one for what changes closely together', async () => {
    const { watches: one, clock, change, looks } = watches();
    one.keep(['host', 'n-a'], undefined);
    await clock.advance(30_000);
    looks.length = 0;
    const at = clock.monotonicMs();
    change('n-a');
    await clock.advance(100);
    change('host');
    await clock.advance(1_000);
    expect(looks).toEqual([at + LOOK_AFTER_CHANGE_MS]);
  });

  it('keep their distance while changes go on and on', async () => {
    const { watches: one, clock, change, looks } = watches();
    one.keep(['n-a'], undefined);
    await clock.advance(10_000);
    looks.length = 0;
    for (let i = 0; i < 1_000; i++) {
      change('n-a');
      await clock.advance(20);
    }
    expect(looks.length).toBeGreaterThan(20_000 / LOOK_SPACING_MS / 2);
    expect(looks.length).toBeLessThanOrEqual(20_000 / LOOK_SPACING_MS + 1);
  });

  it.each([{ tells: false }, { often: true }])('are every few seconds with %o', async (options) => {
    const { watches: one, clock, looks } = watches(options);
    one.keep(['host'], undefined);
    await clock.advance(60_000);
    expect(looks.length).toBeGreaterThanOrEqual(60_000 / CHECK_INTERVAL_MS - 1);
    expect(looks.length).toBeLessThanOrEqual(60_000 / CHECK_INTERVAL_MS + 1);
  });

  it('come when something else is due, and once for it', async () => {
    const { watches: one, clock, looks } = watches();
    one.keep(['host'], clock.now() + 20_000);
    await clock.advance(59_000);
    expect(looks).toEqual([LOOK_SPACING_MS, 20_000]);
  });

  it('let go of namespaces that are gone, and watch one of the same name anew', async () => {
    const { watches: one, clock, change, closed, looks } = watches();
    one.keep(['host', 'n-a'], undefined);
    await clock.advance(5_000);
    one.forget('n-a');
    one.keep(['host', 'n-a'], undefined);
    one.keep(['n-a'], undefined);
    expect(closed).toEqual(['n-a', 'host']);
    await clock.advance(5_000);
    looks.length = 0;
    change('n-a');
    await clock.advance(LOOK_AFTER_CHANGE_MS);
    expect(looks).toHaveLength(1);
    one.stop();
    change('n-a');
    await clock.advance(600_000);
    expect(looks).toHaveLength(1);
  });
});
