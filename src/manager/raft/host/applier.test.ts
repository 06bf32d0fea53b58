// How much the state machine is given at once.
import { makeMessage, type Entry, type Message } from 'raft-ts';
import { expect, it } from 'vitest';
import { UNAPPLIED_BYTES_MAX } from '../contract/index.ts';
import { Applier } from './applier.ts';

function work(index: number, bytes: number): Message {
  const entry: Entry = { index, term: 1, type: 'normal', data: new Uint8Array(bytes) };
  return makeMessage({ type: 'MsgStorageApply', entries: [entry] });
}

/** Indexes of the entries of each call of the state machine, after these orders. */
async function calls(sizes: readonly number[]): Promise<number[][]> {
  const seen: number[][] = [];
  const applier = new Applier({
    apply: async (entries) => {
      seen.push(entries.map(({ index }) => index));
      await Promise.resolve();
    },
    respond: () => {},
    failed: (error) => {
      throw error;
    },
  });
  sizes.forEach((bytes, i) => applier.push(work(i + 1, bytes)));
  await applier.between(() => Promise.resolve());
  return seen;
}

it('is given small entries together, in order', async () => {
  const [first, rest] = await calls([10, 10, 10, 10]);
  // The first call begins before the others are there.
  expect([first, rest]).toEqual([[1], [2, 3, 4]]);
});

it('is given no more at once than fits a turn of the event loop', async () => {
  const half = UNAPPLIED_BYTES_MAX / 2;
  expect(await calls([1, half, half, half, half, half])).toEqual([[1], [2, 3], [4, 5], [6]]);
});

it('is given a larger entry alone', async () => {
  expect(await calls([1, 3 * UNAPPLIED_BYTES_MAX, 1, 1])).toEqual([[1], [2], [3, 4]]);
});
