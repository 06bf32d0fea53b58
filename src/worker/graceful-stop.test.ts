import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../base/index.ts';
import { stopGracefully } from './graceful-stop.ts';

interface Case {
  readonly drainMs: number;
  readonly connections: () => Promise<number>;
}

async function stopped({ drainMs, connections }: Case) {
  const clock = new VirtualClock();
  const events: string[] = [];
  let doneAt: number | undefined;
  const stop = new AbortController();
  const options = {
    taskId: 't1',
    drainEndpoints: async () => {
      events.push('drained');
      return { missing: [] };
    },
    connections: () => {
      events.push('look');
      return connections();
    },
    drainMs,
    say: (message: string) => void events.push(message),
    clock,
    logger: silentLogger,
  };
  void stopGracefully(options, stop.signal).then(() => (doneAt = clock.monotonicMs()));
  await clock.advance(0);
  return { clock, events, stop, doneAt: () => doneAt };
}

describe('gracefulStop', () => {
  it('is over once two looks in a row find nobody', async () => {
    const { clock, events, doneAt } = await stopped({ drainMs: 2_000, connections: async () => 0 });
    await clock.advance(1_000);
    expect(events).toEqual(['drained', 'look', 'look']);
    expect(doneAt()).toBe(50);
  });

  it('waits for clients and says how many there are', async () => {
    let open = 3;
    const { clock, events, doneAt } = await stopped({
      drainMs: 10_000,
      connections: async () => open,
    });
    await clock.advance(3_000);
    expect(events).toContain('draining 3 connections');
    expect(doneAt()).toBeUndefined();
    open = 1;
    await clock.advance(3_000);
    expect(events).toContain('draining 1 connection');
    open = 0;
    await clock.advance(1_000);
    expect(doneAt()).toBeLessThan(7_000);
  });

  it('waits no longer than the drain time, and not at all when that is 0', async () => {
    const long = await stopped({ drainMs: 2_000, connections: async () => 9 });
    await long.clock.advance(1_999);
    expect(long.doneAt()).toBeUndefined();
    await long.clock.advance(1);
    expect(long.doneAt()).toBe(2_000);
    const none = await stopped({ drainMs: 0, connections: async () => 9 });
    expect(none.events).toEqual(['drained']);
    expect(none.doneAt()).toBe(0);
  });

  it('ends when it is given up, and when the process is gone', async () => {
    const given = await stopped({ drainMs: 5_000, connections: async () => 9 });
    given.stop.abort();
    await given.clock.advance(0);
    expect(given.doneAt()).toBe(0);
    const gone = await stopped({
      drainMs: 5_000,
      connections: () => Promise.reject(new Error('ENOENT')),
    });
    expect(gone.doneAt()).toBe(0);
  });
});
