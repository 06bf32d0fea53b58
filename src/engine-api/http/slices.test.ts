// Long lists do not keep everybody else waiting.
import { describe, expect, it } from 'vitest';
import { inSlices, listOf } from './slices.ts';

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Each object takes a millisecond; counts the turns of others. */
function slowTurns() {
  const state = { now: 0, turns: 0 };
  return {
    state,
    now: () => state.now,
    next: () => {
      state.turns++;
      return Promise.resolve();
    },
  };
}

describe('a list in slices', () => {
  it('is visited as a whole, in order', async () => {
    const seen: number[] = [];
    await inSlices(numbers(1_000), (one) => seen.push(one));
    expect(seen).toEqual(numbers(1_000));
  });

  it('lets others have their turn after a while', async () => {
    const turns = slowTurns();
    await inSlices(numbers(160), () => turns.state.now++, turns);
    expect(turns.state.turns).toBe(10);
  });

  it('asks nobody to wait when it is short', async () => {
    const turns = slowTurns();
    await inSlices(numbers(15), () => turns.state.now++, turns);
    expect(turns.state.turns).toBe(0);
  });

  it('ends with the error of a visit', async () => {
    const seen: number[] = [];
    const visit = (one: number): void => {
      if (one === 3) throw new Error('odd');
      seen.push(one);
    };
    await expect(inSlices(numbers(10), visit)).rejects.toThrow('odd');
    expect(seen).toEqual([0, 1, 2]);
  });
});

describe('the answer of a list', () => {
  it.each([0, 1, 40])('is an array of %i objects', async (count) => {
    const reply = await listOf(numbers(count), (Number_) => ({ Number_ }));
    if (reply === 'handled') throw new Error('no body');
    expect(reply.status).toBe(200);
    const expected = JSON.stringify(numbers(count).map((Number_) => ({ Number_ })));
    expect(reply.body).toBe(`${expected}\n`);
  });
});
