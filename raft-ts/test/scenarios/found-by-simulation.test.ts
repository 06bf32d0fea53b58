// What the simulation has found, each as the shortest story that shows it.
import { describe, expect, it } from 'vitest';
import { makeConfChange, type ConfChangeSingle } from '../../src/index.ts';
import { bytesOf, TestGroup } from '../group.ts';

const remove = (memberId: number): ConfChangeSingle => ({ type: 'removeMember', memberId });

describe('a group of two that shrinks to one', () => {
  // The leader leaves the group by its own hand. Both have the change, but only the leader knows that
  // it is committed; and it has one entry more. Neither could win: the one that left does not stand,
  // and it refuses its vote to the shorter log.
  function leaderGone(raft: object): TestGroup {
    const group = new TestGroup({ voters: [1, 2], raft });
    group.lead(1);
    group.change(1, makeConfChange([remove(1)]));
    // The answer of 2 arrives, but what follows from it does not get to 2.
    group.work(1);
    for (const message of group.wire.splice(0)) group.deliver(message);
    group.work(2);
    group.cut(2);
    group.propose(1, 'beyond the change');
    group.settle();
    expect(group.voters(1)).toEqual([2]);
    expect(group.voters(2)).toEqual([1, 2]);
    expect(group.node(1).lastIndex).toBeGreaterThan(group.node(2).lastIndex);
    group.restart(1);
    group.mend();
    return group;
  }

  it.each([{ preVote: false }, { preVote: true }])('goes on without its leader (%j)', (raft) => {
    const group = leaderGone(raft);
    // The disk of 1 says that the change is committed.
    expect(group.node(1).commit).toBe(3);
    group.settle();
    expect(group.voters(1)).toEqual([2]);
    group.tick(2, 30);
    expect(group.node(2).isLeader).toBe(true);
    expect(group.voters(2)).toEqual([2]);
    group.propose(2, 'alone');
    group.settle();
    expect(group.applied(2)).toEqual(['alone']);
  });
});

describe('a candidate', () => {
  it('that loses its membership does not win by votes that were under way', () => {
    const group = new TestGroup({ voters: [1, 2, 3] });
    group.lead(1);
    group.change(1, makeConfChange([remove(2)]));
    group.lost = ({ to }) => to === 2;
    group.settle();
    // 2 has the change in its log, but does not know that it is committed.
    group.lost = ({ type, from }) =>
      type === 'MsgHeartbeat' || (from === 2 && type === 'MsgAppResp');
    const change = group.sent.find(
      ({ to, entries }) => to === 2 && entries.length > 0 && entries[0]?.type !== 'normal',
    );
    if (change === undefined) throw new Error('the change was not sent');
    group.deliver(change);
    group.work(2);
    group.node(2).campaign();
    group.work(2);
    const { term } = group.node(2);
    group.wire = [];
    // Somebody who left long ago tells what is committed, then the votes come in.
    const commit = { index: 3, logTerm: 2, commit: 3 };
    group.step({ type: 'MsgVoteResp', from: 3, to: 2, term, reject: true, ...commit });
    while (group.work(2));
    expect(group.node(2).role).toBe('follower');
    group.step({ type: 'MsgVoteResp', from: 1, to: 2, term });
    group.step({ type: 'MsgVoteResp', from: 3, to: 2, term });
    expect(group.node(2).isLeader).toBe(false);
  });

  it('of a higher term and an older membership is heard by the leader all the same', () => {
    const group = new TestGroup({ voters: [1, 2, 3] });
    group.lead(1);
    group.cut(3);
    group.node(3).campaign();
    group.settle();
    group.node(3).campaign();
    group.settle();
    group.mend();
    // Its requests for votes never arrive; but it answers the leader's heartbeats with its term.
    group.lost = ({ type, from }) => from === 3 && type === 'MsgVote';
    group.tick(1);
    expect(group.node(1).isLeader).toBe(false);
    expect(group.node(1).term).toBe(group.node(3).term);
  });
});

describe('a snapshot that is taken while a membership change is applied', () => {
  it('names the members that its index stands for', () => {
    const group = new TestGroup({ voters: [1, 2], spares: [3] });
    group.lead(1);
    for (const text of ['a', 'b', 'c']) group.propose(1, text);
    group.settle();
    group.compact(1);
    const changeIndex = group.node(1).lastIndex + 1;
    group.change(1, makeConfChange([{ type: 'addVoter', memberId: 3 }]));
    group.settle();
    group.tickAll(3);
    const snapshots = group.sent.flatMap(({ snapshot }) => snapshot ?? []);
    expect(snapshots.length).toBeGreaterThan(0);
    for (const { index, confState } of snapshots) {
      expect(confState.voters.includes(3)).toBe(index >= changeIndex);
    }
    expect(group.voters(3)).toEqual([1, 2, 3]);
    expect(group.applied(3)).toEqual(['a', 'b', 'c']);
  });
});

describe('reads', () => {
  it('are not answered by a removed leader for the only voter that is left', () => {
    const group = new TestGroup({ voters: [1, 2] });
    group.lead(1);
    group.change(1, makeConfChange([remove(1)]));
    group.settle();
    expect(group.voters(1)).toEqual([2]);
    group.cut(1);
    group.tick(2, 30);
    expect(group.node(2).isLeader).toBe(true);
    group.propose(2, 'news');
    group.settle();
    group.node(1).readIndex(bytesOf('a'));
    group.settle();
    expect(group.node(1).isLeader).toBe(true);
    expect(group.reads(1)).toEqual([]);
  });

  it('are not answered by the only voter before it has found its commit index again', () => {
    const group = new TestGroup({ voters: [1], logs: { 1: [1, 1] } });
    // Both entries were committed; that was never written down.
    group.node(1).campaign();
    group.work(1);
    group.node(1).readIndex(bytesOf('a'));
    group.settle();
    expect(group.reads(1)).toEqual([4]);
  });

  it('by lease are not answered by a leader whose followers may have another one', () => {
    const raft = { checkQuorum: true, readOnlyMode: 'leaseBased' } as const;
    const group = new TestGroup({ voters: [1, 2, 3], raft });
    for (const id of [2, 3]) group.node(id).setElectionTimeout(12);
    group.tickAll(10);
    expect(group.node(1).isLeader).toBe(true);
    // Just after it has checked its quorum the leader is cut off: the next check is far away.
    group.tickAll(10);
    group.node(1).readIndex(bytesOf('a'));
    group.settle();
    group.cut(1);
    group.node(2).setElectionTimeout(11);
    group.node(3).setElectionTimeout(18);
    group.tickAll(13);
    expect(group.node(1).isLeader).toBe(true);
    expect(group.node(2).isLeader).toBe(true);
    const before = group.reads(1).length;
    group.node(1).readIndex(bytesOf('b'));
    group.settle();
    expect(group.reads(1)).toHaveLength(before);
  });
});
