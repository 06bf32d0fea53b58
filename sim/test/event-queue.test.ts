// The order of events in virtual time.
import { describe, expect, it } from 'vitest';
import { EventQueue, Prng } from '../src/index.ts';

describe('EventQueue', () => {
  it('fires by time, and in the order of their coming at the same time', () => {
    const queue = new EventQueue();
    const fired: string[] = [];
    queue.after(20, () => fired.push('late'));
    queue.after(10, () => fired.push('first'));
    queue.after(10, () => fired.push('second'));
    while (queue.step());
    expect(fired).toEqual(['first', 'second', 'late']);
    expect(queue.now).toBe(20);
  });

  it('keeps the order of any number of events', () => {
    const queue = new EventQueue();
    const prng = new Prng(1);
    const times: number[] = [];
    for (let i = 0; i < 1000; i++) {
      queue.after(prng.below(500), () => {
        times.push(queue.now);
        if (prng.chance(0.3)) queue.after(prng.below(100), () => times.push(queue.now));
      });
    }
    while (queue.step());
    expect(times.length).toBeGreaterThan(1000);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(queue.size).toBe(0);
  });
});
