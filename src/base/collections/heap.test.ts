// The order in which a heap gives back what it holds, and how often it compares.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { Heap } from './heap.ts';

const less = (a: number, b: number): boolean => a < b;
const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);

function drained(heap: Heap<number>): number[] {
  const out: number[] = [];
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) out.push(next);
  return out;
}

describe('a heap', () => {
  it('gives nothing when it is empty', () => {
    const heap = new Heap(less);
    expect([heap.peek(), heap.pop(), heap.size]).toEqual([undefined, undefined, 0]);
    heap.topChanged();
    expect(heap.size).toBe(0);
  });

  it('gives what it was made from in order', () => {
    expect(drained(new Heap(less, [3, 1, 2, 1]))).toEqual([1, 1, 2, 3]);
  });

  it('gives what was put in and taken out in any mixture in order', () => {
    const random = new Prng('heap');
    for (let round = 0; round < 200; round++) {
      const start = Array.from({ length: random.below(20) }, () => random.below(50));
      const heap = new Heap(less, start);
      const held = [...start];
      for (let step = 0; step < 40; step++) {
        if (random.below(2) === 0) {
          const number = random.below(50);
          heap.push(number);
          held.push(number);
        } else {
          const expected = sorted(held)[0];
          expect(heap.pop()).toBe(expected);
          if (expected !== undefined) held.splice(held.indexOf(expected), 1);
        }
        expect(heap.size).toBe(held.length);
      }
      expect(drained(heap)).toEqual(sorted(held));
    }
  });

  it('finds the least again after that was changed in place', () => {
    const items = [5, 3, 8, 1, 9].map((value) => ({ value }));
    const heap = new Heap<{ value: number }>((a, b) => a.value < b.value, items);
    const seen: number[] = [];
    for (let i = 0; i < 6; i++) {
      const top = heap.peek();
      if (top === undefined) break;
      seen.push(top.value);
      top.value += 4;
      heap.topChanged();
    }
    expect(seen).toEqual([1, 3, 5, 5, 7, 8]);
  });

  it('is empty once it was cleared', () => {
    const heap = new Heap(less, [2, 1]);
    heap.clear();
    expect([heap.size, heap.pop()]).toEqual([0, undefined]);
  });

  it('compares a few times the logarithm of its size for each change', () => {
    const count = (size: number): number => {
      let compared = 0;
      const items = Array.from({ length: size }, (_, i) => ({ value: i }));
      const heap = new Heap<{ value: number }>((a, b) => {
        compared++;
        return a.value < b.value;
      }, items);
      compared = 0;
      for (let i = 0; i < 1000; i++) {
        const top = heap.peek();
        if (top) top.value += size;
        heap.topChanged();
      }
      return compared / 1000;
    };
    expect(count(100)).toBeLessThan(2 * 7);
    expect(count(10_000)).toBeLessThan(2 * 14);
  });
});
