// Membership changes, claim by claim: the Raft paper (extended version) §6; Ongaro's thesis, chapter 4.
import { describe, expect, it } from 'vitest';
import {
  makeConfChange,
  type ConfChange,
  type ConfChangeSingle,
  type ConfChangeType,
} from '../../src/index.ts';
import { ELECTION_TICKS, TestGroup } from '../group.ts';

const steps = (type: ConfChangeType, ...ids: number[]): ConfChangeSingle[] =>
  ids.map((memberId) => ({ type, memberId }));
const add = (...ids: number[]): ConfChange => makeConfChange(steps('addVoter', ...ids));
const remove = (...ids: number[]): ConfChange => makeConfChange(steps('removeMember', ...ids));
const replace = (outs: number[], ins: number[], transition: 'implicit' | 'explicit'): ConfChange =>
  makeConfChange([...steps('removeMember', ...outs), ...steps('addVoter', ...ins)], { transition });

describe('§6 joint consensus (thesis 4.3)', () => {
  const motion = (): TestGroup => {
    const group = new TestGroup({ voters: [1, 2, 3], spares: [4, 5] });
    group.lead(1);
    group.change(1, replace([2, 3], [4, 5], 'explicit'));
    group.settle();
    return group;
  };

  it('§6 in the joint phase entries need a majority of the old voters', () => {
    const group = motion();
    group.cut(2, 3);
    group.propose(1, 'x');
    group.settle();
    expect(group.applied(1)).toEqual([]);
    group.mend(2);
    group.tick(1, 2);
    expect(group.applied(1)).toEqual(['x']);
  });

  it('§6 in the joint phase entries need a majority of the new voters', () => {
    const group = motion();
    group.cut(4, 5);
    group.propose(1, 'x');
    group.settle();
    expect(group.applied(1)).toEqual([]);
    group.mend(5);
    group.tick(1, 2);
    expect(group.applied(1)).toEqual(['x']);
  });

  it.each([
    [[2, 3], false],
    [[4, 5], false],
    [[2, 4], true],
  ])(
    '§6 in the joint phase a leader needs both majorities: without %j, elected: %s',
    (gone, wins) => {
      const group = motion();
      group.cut(...gone);
      group.node(1).campaign();
      group.step({ type: 'MsgHeartbeat', from: 2, to: 1, term: 99 });
      group.node(1).campaign();
      group.settle();
      expect(group.node(1).isLeader).toBe(wins);
    },
  );

  it('§6 once the new membership is committed the old voters are not needed', () => {
    const group = motion();
    group.change(1, makeConfChange([]));
    group.settle();
    expect(group.voters(1)).toEqual([1, 4, 5]);
    group.cut(2, 3);
    group.propose(1, 'x');
    group.settle();
    expect(group.applied(4)).toEqual(['x']);
  });

  it('§6 with `implicit` the joint phase is left by itself', () => {
    const group = new TestGroup({ voters: [1, 2, 3], spares: [4, 5] });
    group.lead(1);
    group.change(1, replace([2, 3], [4, 5], 'implicit'));
    group.settle();
    expect(group.node(1).status().confState).toMatchObject({
      voters: [1, 4, 5],
      votersOutgoing: [],
    });
  });
});

describe('§6 removed members', () => {
  it('§6 a leader that is removed leads until the change is committed', () => {
    const group = new TestGroup({ voters: [1, 2, 3], raft: { stepDownOnRemoval: true } });
    group.lead(1);
    group.cut(2, 3);
    group.change(1, remove(1));
    group.settle();
    expect(group.node(1).isLeader).toBe(true);
    group.mend();
    group.tick(1, 2);
    expect(group.node(1).role).toBe('follower');
    group.lead(2);
    expect(group.voters(2)).toEqual([2, 3]);
  });

  it('§6 (thesis 4.2.3) a removed member does not disturb those who hear a leader', () => {
    const group = new TestGroup({ voters: [1, 2, 3, 4], raft: { checkQuorum: true } });
    group.lead(1);
    group.cut(4);
    group.change(1, remove(4));
    group.settle();
    const { term } = group.node(1);
    group.lost = ({ to }) => to === 4;
    group.mend();
    // It never learns that it was removed, and stands again and again.
    for (let i = 0; i < 3 * ELECTION_TICKS; i++) {
      for (const id of group.ids) group.node(id).tick();
      group.settle();
    }
    expect(group.node(4).term).toBeGreaterThan(term);
    expect(group.node(1)).toMatchObject({ isLeader: true, term });
  });
});

describe('thesis 4.1 single-server changes', () => {
  it('4.1 a change that is not yet applied keeps the next one out', () => {
    const group = new TestGroup({ voters: [1, 2, 3], spares: [4, 5] });
    group.lead(1);
    group.change(1, add(4));
    group.change(1, add(5));
    group.settle();
    expect(group.voters(1)).toEqual([1, 2, 3, 4]);
  });

  it('4.1 a new leader takes no change before what its log holds is committed (the bug of 2015)', () => {
    // Memberships are in force once applied: what an earlier leader left may be such a change.
    const group = new TestGroup({ voters: [1, 2, 3, 4], spares: [5], logs: { 1: [1] } });
    group.lost = ({ type }) => type === 'MsgAppResp';
    group.node(1).campaign();
    group.settle();
    expect(group.node(1).isLeader).toBe(true);
    group.change(1, add(5));
    group.lost = () => false;
    group.tick(1, 2);
    expect(group.voters(1)).toEqual([1, 2, 3, 4]);
    group.change(1, add(5));
    group.settle();
    expect(group.voters(1)).toEqual([1, 2, 3, 4, 5]);
  });

  it('4.1 majorities of neighbouring memberships overlap: one voter at a time only', () => {
    const group = new TestGroup({ voters: [1, 2, 3], spares: [4, 5] });
    group.lead(1);
    group.change(1, makeConfChange(steps('addVoter', 4, 5)));
    group.settle();
    // Two at once went through the joint phase, and out of it.
    expect(group.voters(1)).toEqual([1, 2, 3, 4, 5]);
    const joint = group.sent.filter(({ entries }) => entries.some(({ type }) => type !== 'normal'));
    const indexes = new Set(
      joint.flatMap(({ entries }) =>
        entries.filter(({ type }) => type !== 'normal').map(({ index }) => index),
      ),
    );
    expect(indexes.size).toBe(2);
  });
});

describe('thesis 4.2.1 learners', () => {
  it('4.2.1 a new member catches up as a learner, without a vote', () => {
    const group = new TestGroup({ voters: [1, 2], spares: [3] });
    group.lead(1);
    group.propose(1, 'old');
    group.settle();
    group.change(1, makeConfChange(steps('addLearner', 3)));
    group.settle();
    group.tick(1, 2);
    expect(group.applied(3)).toEqual(['old']);
    expect(group.node(1).status().confState).toMatchObject({ voters: [1, 2], learners: [3] });
  });

  it('4.2.1 a learner does not count for a commit, nor does it stand', () => {
    const group = new TestGroup({ voters: [1, 2], learners: [3] });
    group.lead(1);
    group.cut(2);
    group.propose(1, 'x');
    group.settle();
    expect(group.applied(1)).toEqual([]);
    group.tick(3, 3 * ELECTION_TICKS);
    expect(group.node(3).role).toBe('follower');
  });

  it('4.2.1 a learner that is promoted votes', () => {
    const group = new TestGroup({ voters: [1, 2], learners: [3] });
    group.lead(1);
    group.change(1, add(3));
    group.settle();
    group.cut(2);
    group.propose(1, 'x');
    group.settle();
    expect(group.applied(1)).toEqual(['x']);
    expect(group.applied(3)).toEqual(['x']);
  });

  it('4.2.1 a voter that becomes a learner in a joint change keeps its old vote until the end', () => {
    const group = new TestGroup({ voters: [1, 2, 3] });
    group.lead(1);
    const change = makeConfChange(steps('addLearner', 3), { transition: 'explicit' });
    group.change(1, change);
    group.settle();
    expect(group.node(1).status().confState).toMatchObject({ learners: [], learnersNext: [3] });
    group.change(1, makeConfChange([]));
    group.settle();
    expect(group.node(1).status().confState).toMatchObject({ learners: [3], learnersNext: [] });
  });
});
