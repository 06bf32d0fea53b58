import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LayeredMap, mapChanges } from './layered-map.ts';

const KEY = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const STEP = fc.record({
  set: fc.array(fc.tuple(KEY, fc.integer({ min: 0, max: 3 }))),
  removed: fc.array(KEY),
});

describe('LayeredMap', () => {
  it('is what a map would be after the same steps', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(KEY, fc.nat(3))), fc.array(STEP), (start, steps) => {
        let layered = LayeredMap.of(new Map(start));
        const plain = new Map(start);
        for (const { set, removed } of steps) {
          const old = new Map(plain);
          const before = layered;
          layered = layered.with(set, removed);
          for (const key of removed) plain.delete(key);
          for (const [key, value] of set) plain.set(key, value);
          expect(new Map(layered)).toEqual(plain);
          expect(layered.size).toBe(plain.size);
          for (const key of ['a', 'b', 'c', 'd', 'e'] as const) {
            expect(layered.get(key)).toBe(plain.get(key));
            expect(layered.has(key)).toBe(plain.has(key));
          }
          // The one it was made of is as it was, and what differs is known.
          expect(new Map(before)).toEqual(old);
          const changes = (list: readonly { readonly key: string }[]): unknown =>
            [...list].sort((a, b) => (a.key < b.key ? -1 : 1));
          expect(changes(mapChanges(before, layered))).toEqual(changes(mapChanges(old, plain)));
        }
      }),
    );
  });

  it('makes a new shared part after many changes', () => {
    let map = LayeredMap.of(new Map([['k0', 0]]));
    const first = map;
    for (let i = 1; i <= 1_000; i++) map = map.with([[`k${i}`, i]], [`k${i - 1}`]);
    expect([...map]).toEqual([['k1000', 1000]]);
    expect(mapChanges(first, map)).toHaveLength(2);
  });

  it('stays the same object when nothing differs', () => {
    const map = LayeredMap.of(new Map([['a', 1]]));
    expect(map.with([['a', 1]], ['b'])).toBe(map);
    expect(LayeredMap.of(map)).toBe(map);
  });
});
