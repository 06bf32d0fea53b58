import { describe, expect, it } from 'vitest';
import { ClusterTime } from './cluster-time.ts';

/** A machine's clocks, set by hand. */
function world(): { wall: number; monotonic: number; time: ClusterTime } {
  const state = { wall: 10_000, monotonic: 500 };
  const after = (): never => {
    throw new Error('no timers here');
  };
  const time = new ClusterTime({
    now: () => state.wall,
    monotonicMs: () => state.monotonic,
    after,
  });
  return Object.assign(state, { time });
}

describe('ClusterTime', () => {
  it('is the machine’s while the log is not ahead', () => {
    const machine = world();
    machine.time.observe(9_000);
    expect(machine.time.now()).toBe(10_000);
    machine.wall = 12_000;
    machine.monotonic += 2_000;
    expect(machine.time.now()).toBe(12_000);
  });

  it('goes on from the log’s time, slower, until the machine has caught up', () => {
    const machine = world();
    machine.time.observe(60_000);
    expect(machine.time.now()).toBe(60_000);
    const pass = (ms: number): number => {
      machine.wall += ms;
      machine.monotonic += ms;
      return machine.time.now();
    };
    expect(pass(100_000)).toBe(150_000);
    expect(pass(400_000)).toBe(510_000);
    expect(pass(1_000)).toBe(511_000);
  });

  it('does not go back when the machine’s clock is set back', () => {
    const machine = world();
    expect(machine.time.now()).toBe(10_000);
    machine.wall = 1_000;
    machine.monotonic += 10;
    expect(machine.time.now()).toBe(10_009);
  });
});
