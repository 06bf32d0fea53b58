// A shared set leads every session from the version it has to the newest one, and says the same to all.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AssignmentItem } from '../../../model/index.ts';
import { itemId } from './assignment-items.ts';
import { CHANGES_KEPT_MIN, ITEMS_PER_MESSAGE } from './limits.ts';
import { SharedSet, inMessages, type SetDifference } from './shared-set.ts';

const item = (key: string, body: string): AssignmentItem => ({ kind: 'host', key, body });

const KEY = fc.constantFrom('a', 'b', 'c', 'd');
const STEP = fc.tuple(KEY, fc.option(fc.constantFrom('1', '2', '3')));

/** What a session holds. */
type Held = Map<string, string>;

function apply(held: Held, { updates, removes }: SetDifference): Held {
  const after = new Map(held);
  for (const one of updates.flat()) {
    expect(after.get(one.key)).not.toBe(one.body);
    after.set(one.key, one.body);
  }
  for (const { key } of removes) expect(after.delete(key)).toBe(true);
  return after;
}

const holding = (set: SharedSet<object>): Held =>
  new Map(
    set
      .whole()
      .flat()
      .map(({ key, body }) => [key, body]),
  );

describe('SharedSet', () => {
  it('leads from every version to the newest, and says nothing that is known', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 30 }), (steps) => {
        const set = new SharedSet<object>('hosts', new Map());
        const versions = [{ version: set.version, held: holding(set) }];
        for (const [key, body] of steps) {
          const before = holding(set);
          const changed = body === null ? set.remove(item(key, '')) : set.put(item(key, body));
          expect(changed).toBe(before.get(key) !== (body ?? undefined));
          versions.push({ version: set.version, held: holding(set) });
        }
        for (const { version, held } of versions) {
          const difference = set.since(version);
          if (difference === undefined) throw new Error('it forgot too soon');
          expect(apply(held, difference)).toEqual(holding(set));
          expect(new Set(set.keysAt(version)?.map(({ key }) => key))).toEqual(new Set(held.keys()));
        }
      }),
    );
  });

  it('gives sessions with the same version the same lists', () => {
    const set = new SharedSet<object>('hosts', new Map());
    set.put(item('a', '1'));
    const { version } = set;
    set.put(item('b', '1'));
    expect(set.since(version)).toBe(set.since(version));
    expect(set.whole()).toBe(set.whole());
    const before = set.whole();
    set.put(item('c', '1'));
    // What was given out stays as it was.
    expect(before.flat().map(({ key }) => key)).toEqual(['a', 'b']);
    expect(set.whole().flat()).toHaveLength(3);
  });

  it('becomes what it is told to be, by what differs alone', () => {
    const set = new SharedSet<object>('hosts', new Map());
    for (const key of ['a', 'b', 'c']) set.put(item(key, '1'));
    const { version } = set;
    const wanted = [item('a', '1'), item('b', '2'), item('d', '1')];
    const items = new Map(wanted.map((one) => [itemId(one), one]));
    expect(set.replace(items)).toBe(true);
    expect(set.replace(items)).toBe(false);
    const difference = set.since(version);
    expect(difference?.updates.flat().map(({ key }) => key)).toEqual(['b', 'd']);
    expect(difference?.removes).toEqual([{ kind: 'host', key: 'c' }]);
  });

  it('forgets old changes, and says so', () => {
    const set = new SharedSet<object>('hosts', new Map());
    const { version } = set;
    for (let i = 0; i <= CHANGES_KEPT_MIN; i++) set.put(item('a', String(i)));
    expect(set.since(version)).toBeUndefined();
    expect(set.keysAt(version)).toBeUndefined();
    const { version: late } = set;
    set.put(item('a', 'new'));
    expect(set.since(late)?.updates.flat()).toEqual([item('a', 'new')]);
  });

  it('remembers as many changes as twice its items: a change of all of them is one difference', () => {
    const set = new SharedSet<object>('hosts', new Map());
    const count = 2 * CHANGES_KEPT_MIN;
    for (let i = 0; i < count; i++) set.put(item(String(i), '1'));
    const { version } = set;
    for (let i = 0; i < count; i++) set.put(item(String(i), '2'));
    expect(set.since(version)?.updates.flat()).toHaveLength(count);
  });
});

describe('inMessages', () => {
  it('cuts by number and by bytes', () => {
    const many = Array.from({ length: 2 * ITEMS_PER_MESSAGE + 1 }, (_, i) => item(String(i), ''));
    expect(inMessages(many).map(({ length }) => length)).toEqual([
      ITEMS_PER_MESSAGE,
      ITEMS_PER_MESSAGE,
      1,
    ]);
    const large = Array.from({ length: 3 }, (_, i) => item(String(i), 'x'.repeat(3_000_000)));
    expect(inMessages(large).map(({ length }) => length)).toEqual([1, 1, 1]);
    expect(inMessages([])).toEqual([]);
  });
});
