import { VirtualClock } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { InFlight } from './in-flight.ts';

let clock: VirtualClock;
let inFlight: InFlight<string>;

beforeEach(() => {
  clock = new VirtualClock();
  inFlight = new InFlight(clock, { bytes: 100, ageMs: 1_000 });
});

describe('InFlight', () => {
  it('has room until there are so many bytes', () => {
    inFlight.add('a', 60);
    expect(inFlight.waitMs).toBe(0);
    inFlight.add('b', 39);
    expect(inFlight.waitMs).toBe(0);
    inFlight.add('c', 1);
    expect(inFlight.waitMs).toBe(1_000);
    inFlight.remove('c');
    expect(inFlight.waitMs).toBe(0);
    expect(inFlight.bytes).toBe(99);
  });

  it('counts what a session is sent again to what it has not acknowledged', () => {
    inFlight.add('a', 60);
    inFlight.add('a', 60);
    expect(inFlight.bytes).toBe(120);
    expect(inFlight.waitMs).toBe(1_000);
    inFlight.remove('a');
    inFlight.remove('a');
    expect(inFlight.bytes).toBe(0);
  });

  it('takes what is old as arrived, the oldest first and no more than it has to', async () => {
    inFlight.add('a', 50);
    await clock.advance(400);
    inFlight.add('b', 50);
    expect(inFlight.waitMs).toBe(600);
    await clock.advance(600);
    expect(inFlight.waitMs).toBe(0);
    expect(inFlight.bytes).toBe(50);
    await clock.advance(5_000);
    // There is room, so nothing is forgotten.
    expect(inFlight.waitMs).toBe(0);
    expect(inFlight.bytes).toBe(50);
  });

  it('does not count what was nothing', () => {
    inFlight.add('a', 0);
    expect(inFlight.bytes).toBe(0);
  });
});
