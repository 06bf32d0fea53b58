// A new store gets ready for its first entries a piece at a time.
import { VirtualClock } from 'sim';
import { expect, it } from 'vitest';
import { silentLogger } from '../../base/index.ts';
import { prepareDecoders } from '../../model/index.ts';
import { TABLE_NAMES } from './tables.ts';
import { Store } from './store.ts';

it('makes ready one decoder after another', () => {
  expect([...prepareDecoders()].length).toBeGreaterThan(TABLE_NAMES.length);
});

it('lets the event loop have its turn between them', async () => {
  const clock = new VirtualClock();
  let turns = 0;
  const watched = {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs: number, fire: () => void) => {
      turns++;
      return clock.after(delayMs, fire);
    },
  };
  new Store({ clock: watched, logger: silentLogger, instance: 'test' });
  await clock.advance(0);
  expect(turns).toBe([...prepareDecoders()].length + 1);
});
