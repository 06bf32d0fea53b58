// Heartbeats on their way to the leader, counted.
import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { SwarmError, silentLogger } from '../../base/index.ts';
import type { LeaderApi } from '../methods/index.ts';
import { HeartbeatRelay } from './heartbeat-relay.ts';

const PERIOD_MS = 500;

function relay(clock: VirtualClock, answer: () => Promise<{ refused: string[] }>) {
  const calls: { at: number; ids: string[] }[] = [];
  const refused: string[] = [];
  const leader = {
    forward: (_method: string, { heartbeats }: { heartbeats: { nodeId: string }[] }) => {
      calls.push({ at: clock.monotonicMs(), ids: heartbeats.map(({ nodeId }) => nodeId) });
      return answer();
    },
  } as unknown as LeaderApi;
  const made = new HeartbeatRelay({
    leader,
    clock,
    logger: silentLogger,
    periodMs: () => PERIOD_MS,
    refused: (nodeId) => refused.push(nodeId),
  });
  return { relay: made, calls, refused };
}

describe('heartbeats on their way to the leader', () => {
  it('go twice a period at most, and cost nothing where none comes', async () => {
    const clock = new VirtualClock();
    let timers = 0;
    const after = clock.after.bind(clock);
    clock.after = (delayMs, fire) => {
      timers++;
      return after(delayMs, fire);
    };
    const { relay: one, calls } = relay(clock, () => Promise.resolve({ refused: [] }));
    await clock.advance(60_000);
    expect(timers).toBe(0);
    const start = clock.monotonicMs();
    for (let i = 0; i < 120; i++) {
      one.heard('a', 1);
      await clock.advance(50);
      one.heard('b', 2);
      await clock.advance(PERIOD_MS - 50);
    }
    // The first goes at once, without a timer; the other as soon as it may.
    expect(calls).toHaveLength(240);
    expect(timers).toBe(120);
    expect(calls.slice(0, 2)).toEqual([
      { at: start, ids: ['a'] },
      { at: start + PERIOD_MS / 2, ids: ['b'] },
    ]);
  });

  it('of many sessions go twice a period', async () => {
    const clock = new VirtualClock();
    const { relay: one, calls } = relay(clock, () => Promise.resolve({ refused: [] }));
    for (let i = 0; i < 10_000; i++) {
      one.heard(`n${i % 500}`, 1);
      await clock.advance(1);
    }
    expect(calls.length).toBeLessThanOrEqual(10_000 / (PERIOD_MS / 2) + 1);
    // None waits longer than half a period.
    const gaps = calls.slice(1).map(({ at }, i) => at - (calls[i]?.at ?? 0));
    expect(Math.max(...gaps)).toBeLessThanOrEqual(PERIOD_MS / 2 + 1);
  });

  it('that do not arrive hold nobody up, and a refused one ends its session', async () => {
    const clock = new VirtualClock();
    let fails = true;
    const {
      relay: one,
      calls,
      refused,
    } = relay(clock, () =>
      fails
        ? Promise.reject(new SwarmError('unavailable', 'no leader'))
        : Promise.resolve({ refused: ['a'] }),
    );
    one.heard('a', 1);
    await clock.advance(PERIOD_MS);
    fails = false;
    one.heard('a', 1);
    one.heard('gone', 1);
    one.forget('gone');
    await clock.advance(PERIOD_MS);
    expect(calls.map(({ ids }) => ids)).toEqual([['a'], ['a']]);
    expect(refused).toEqual(['a']);
    one.heard('a', 1);
    one.heard('b', 1);
    one.close();
    one.heard('c', 1);
    await clock.advance(PERIOD_MS);
    expect(calls.slice(2).map(({ ids }) => ids)).toEqual([['a']]);
  });
});
