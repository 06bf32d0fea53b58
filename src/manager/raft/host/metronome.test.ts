// Ticks that are counted without being woken for each.
import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { Metronome } from './metronome.ts';

const TICK_MS = 50;

/** A member for which every `due`-th tick since its last act does something. */
function member(clock: VirtualClock, due: number) {
  const seen = { ticks: 0, acts: [] as number[], wakes: 0 };
  let since = 0;
  const counting = {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    after: (delayMs: number, fire: () => void) =>
      clock.after(delayMs, () => {
        seen.wakes++;
        fire();
      }),
  };
  const metronome = new Metronome({
    clock: counting,
    tickMs: TICK_MS,
    next: () => due - since,
    ticks: (count) => {
      seen.ticks += count;
      since += count;
      if (since < due) return;
      seen.acts.push(clock.monotonicMs());
      since = 0;
    },
  });
  metronome.arm();
  const heard = (): void => {
    metronome.catchUp();
    since = 0;
    metronome.arm();
  };
  return { metronome, seen, heard };
}

describe('a metronome', () => {
  it('wakes only for ticks that do something, and counts the others', async () => {
    const clock = new VirtualClock();
    const { seen } = member(clock, 3);
    await clock.advance(60_000);
    expect(seen).toMatchObject({ ticks: 1_200, wakes: 400 });
    expect(seen.acts.slice(0, 3)).toEqual([150, 300, 450]);
  });

  it('hardly wakes whoever hears others all the time', async () => {
    const clock = new VirtualClock();
    const { seen, heard } = member(clock, 12);
    for (let i = 0; i < 400; i++) {
      await clock.advance(150);
      heard();
    }
    expect(seen.acts).toEqual([]);
    expect(seen.ticks).toBe(1_200);
    expect(seen.wakes).toBeLessThan(60_000 / (12 * TICK_MS - 150) + 2);
    // And misses nothing once they are silent.
    const silentFrom = clock.monotonicMs();
    await clock.advance(1_000);
    expect(seen.acts).toEqual([silentFrom + 12 * TICK_MS]);
  });

  it('takes a timer that is a little early for one in time', () => {
    let now = 0;
    let fire = (): void => {};
    let ticks = 0;
    const after = (_delayMs: number, call: () => void) => {
      fire = call;
      return { cancel: () => undefined };
    };
    const clock = { now: () => now, monotonicMs: () => now, after };
    const next = (): number => 3 - (ticks % 3);
    const ports = { clock, tickMs: TICK_MS, next, ticks: (count: number) => void (ticks += count) };
    new Metronome(ports).arm();
    now = 148.7;
    fire();
    expect(ticks).toBe(3);
  });

  it('lets the others be heard first after a stall', () => {
    let now = 0;
    let fire = (): void => {};
    let ticks = 0;
    const delays: number[] = [];
    const after = (delayMs: number, call: () => void) => {
      delays.push(delayMs);
      fire = call;
      return { cancel: () => undefined };
    };
    const clock = { now: () => now, monotonicMs: () => now, after };
    const next = (): number => Math.max(1, 10 - ticks);
    const ports = { clock, tickMs: TICK_MS, next, ticks: (count: number) => void (ticks += count) };
    const metronome = new Metronome(ports);
    metronome.arm();
    now = 30_000;
    fire();
    expect(ticks).toBe(9);
    expect(delays).toEqual([500, 50]);
    now += 20;
    metronome.catchUp();
    expect(ticks).toBe(9);
    now += 30;
    fire();
    expect(ticks).toBe(10);
  });
});
