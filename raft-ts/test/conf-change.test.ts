// Membership arithmetic that the scripts at hand do not reach.
import { describe, expect, it } from 'vitest';
import {
  decodeConfChange,
  encodeConfChange,
  enterJoint,
  makeConfChange,
  simpleChange,
  Tracker,
  type ConfChangeSingle,
  type ConfChangeType,
} from '../src/index.ts';

const steps = (type: ConfChangeType, ...ids: number[]): ConfChangeSingle[] =>
  ids.map((memberId) => ({ type, memberId }));

function trackerOf(...voters: number[]): Tracker {
  const tracker = new Tracker({ maxInflightMessages: 10, maxInflightBytes: 0 });
  const first = simpleChange(tracker, steps('addVoter', ...voters.slice(0, 1)), 1);
  tracker.membership = first.membership;
  tracker.progress = first.progress;
  for (const id of voters.slice(1)) {
    const next = simpleChange(tracker, steps('addVoter', id), 1);
    tracker.membership = next.membership;
    tracker.progress = next.progress;
  }
  return tracker;
}

describe('a simple change', () => {
  it('that removes every voter is refused for that, not for its size', () => {
    expect(() => simpleChange(trackerOf(1, 2), steps('removeMember', 1, 2), 1)).toThrow(
      'removed all voters',
    );
  });

  it('of two voters needs the joint phase', () => {
    const tracker = trackerOf(1);
    expect(() => simpleChange(tracker, steps('addVoter', 2, 3), 1)).toThrow('entering joint');
    const { membership } = enterJoint(tracker, steps('addVoter', 2, 3), true, 1);
    expect([...membership.voters.incoming]).toEqual([1, 2, 3]);
    expect([...membership.voters.outgoing]).toEqual([1]);
  });
});

describe('the bytes of a change', () => {
  it('give it back', () => {
    const change = makeConfChange(
      [...steps('addVoter', 1, 2 ** 50), ...steps('removeMember', 3), ...steps('addLearner', 4)],
      { transition: 'explicit', context: new Uint8Array([1, 2, 3]) },
    );
    const data = encodeConfChange(change);
    expect(decodeConfChange({ term: 1, index: 1, type: 'confChangeV2', data })).toEqual(change);
  });

  it('are refused when they are cut short', () => {
    const data = encodeConfChange(makeConfChange(steps('addVoter', 1, 2)));
    const entry = { term: 1, index: 7, type: 'confChangeV2' as const, data: data.subarray(0, 12) };
    expect(() => decodeConfChange(entry)).toThrow('entry 7 holds a damaged membership change');
  });
});
