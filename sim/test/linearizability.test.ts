// The linearizability checker, on histories whose verdict is known.
import { describe, expect, it } from 'vitest';
import {
  describeHistory,
  findAnomaly,
  Prng,
  type HistoryEntry,
  type RegisterOperation,
} from '../src/index.ts';

let clients = 0;

const entry = (
  called: number,
  answered: number | undefined,
  operation: RegisterOperation,
  key = 'x',
): HistoryEntry => ({ client: `c${clients++}`, key, operation, called, answered });

const write = (value: number): RegisterOperation => ({ kind: 'write', value });
const read = (value: number): RegisterOperation => ({ kind: 'read', value });
const cas = (expected: number, value: number, succeeded: boolean): RegisterOperation => ({
  kind: 'cas',
  expected,
  value,
  succeeded,
});

describe('linearizable', () => {
  const histories: Record<string, HistoryEntry[]> = {
    'nothing at all': [],
    'a read of what was never written': [entry(1, 2, read(0))],
    'one after the other': [entry(1, 2, write(7)), entry(3, 4, read(7))],
    'a read beside a write sees the old value': [entry(1, 10, write(7)), entry(2, 3, read(0))],
    'a read beside a write sees the new value': [entry(1, 10, write(7)), entry(2, 3, read(7))],
    'two writes at once, read in either order': [
      entry(1, 10, write(1)),
      entry(2, 9, write(2)),
      entry(11, 12, read(1)),
    ],
    'a write without an answer that is seen much later': [
      entry(1, undefined, write(7)),
      entry(2, 3, read(0)),
      entry(4, 5, read(7)),
    ],
    'a write without an answer that is never seen': [
      entry(1, undefined, write(7)),
      entry(2, 3, read(0)),
    ],
    'a cas that is refused because of a write without an answer': [
      entry(1, undefined, write(7)),
      entry(2, 3, cas(0, 5, false)),
      entry(4, 5, read(7)),
    ],
    'a cas without an answer that took effect': [
      entry(1, 2, write(1)),
      entry(3, undefined, cas(1, 2, false)),
      entry(4, 5, read(2)),
    ],
    'a value that is written twice and overwritten in between': [
      entry(1, 2, write(7)),
      entry(3, 10, write(7)),
      entry(4, 9, write(8)),
      entry(11, 12, read(7)),
    ],
    'several registers, each for itself': [
      entry(1, 2, write(1), 'x'),
      entry(3, 4, read(0), 'y'),
      entry(5, 6, read(1), 'x'),
    ],
  };
  for (const [name, history] of Object.entries(histories)) {
    it(name, () => {
      expect(findAnomaly(history)).toBeUndefined();
    });
  }
});

describe('not linearizable', () => {
  const histories: Record<string, HistoryEntry[]> = {
    'a stale read': [entry(1, 2, write(7)), entry(3, 4, read(0))],
    'a lost write': [entry(1, 2, write(1)), entry(3, 4, write(2)), entry(5, 6, read(1))],
    'a value from nowhere': [entry(1, 2, write(1)), entry(3, 4, read(9))],
    'a value that is seen and then not': [
      entry(1, 10, write(7)),
      entry(2, 3, read(7)),
      entry(4, 5, read(0)),
    ],
    'a read before its write was called': [entry(1, 2, read(7)), entry(3, 4, write(7))],
    'two cas that both won': [entry(1, 10, cas(0, 1, true)), entry(2, 9, cas(0, 2, true))],
    'a cas refused without a reason': [entry(1, 2, cas(0, 1, false))],
    'a write without an answer that is seen, undone, and seen again': [
      entry(1, undefined, write(7)),
      entry(2, 3, read(7)),
      entry(4, 5, write(8)),
      entry(6, 7, read(8)),
      entry(8, 9, read(7)),
    ],
    'an old value in one register of several': [
      entry(1, 2, write(1), 'x'),
      entry(3, 4, write(2), 'y'),
      entry(5, 6, read(0), 'y'),
    ],
  };
  for (const [name, history] of Object.entries(histories)) {
    it(name, () => {
      expect(findAnomaly(history)).toBeDefined();
    });
  }

  it('names the register and the first operation that nothing explains', () => {
    const stale = entry(5, 6, read(0), 'y');
    const anomaly = findAnomaly([entry(1, 2, write(1), 'x'), entry(3, 4, write(2), 'y'), stale]);
    expect(anomaly).toEqual({ key: 'y', entry: stale, explained: 1 });
    expect(describeHistory([stale])).toEqual([`[5, 6] ${stale.client} read(y) = 0`]);
  });
});

/** A history of a true register: every operation takes effect at one instant of its span. */
function trueHistory(prng: Prng, size: number): HistoryEntry[] {
  const spans = Array.from({ length: size }, () => {
    const effectAt = prng.below(1_000_000);
    return { effectAt, before: prng.below(20_000), after: prng.below(20_000) };
  });
  let value = 0;
  return spans
    .sort((a, b) => a.effectAt - b.effectAt)
    .map(({ effectAt, before, after }, position) => {
      const called = effectAt - before - position / size;
      const lost = prng.chance(0.1);
      const answered = lost ? undefined : effectAt + after + position / size;
      const kind = prng.below(3);
      if (kind === 0) return entry(called, answered, read(value));
      if (kind === 1) {
        value = position + 1;
        return entry(called, answered, write(value));
      }
      const expected = prng.chance(0.7) ? value : value + 1;
      const succeeded = expected === value;
      if (succeeded) value = position + 1;
      return entry(called, answered, cas(expected, position + 1, succeeded));
    });
}

describe('histories of a true register', () => {
  it('are all linearizable', () => {
    for (let seed = 1; seed <= 50; seed++) {
      expect(findAnomaly(trueHistory(new Prng(seed), 120)), `seed ${seed}`).toBeUndefined();
    }
  });

  it('are so no longer once a late read is given a first value', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const history = trueHistory(new Prng(seed), 100);
      const end = 2_000_000;
      const last = [entry(end, end + 1, write(999)), entry(end + 2, end + 3, read(0))];
      expect(findAnomaly([...history, ...last]), `seed ${seed}`).toBeDefined();
    }
  });
});
