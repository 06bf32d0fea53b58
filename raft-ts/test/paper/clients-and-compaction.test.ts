// Log compaction and client interaction, claim by claim: the Raft paper (extended version) §7 and §8;
// Ongaro's thesis §6.2, §6.4 and §6.4.1.
import { describe, expect, it } from 'vitest';
import { bytesOf, ELECTION_TICKS, TestGroup } from '../group.ts';

const three = (raft = {}): TestGroup => new TestGroup({ voters: [1, 2, 3], raft });

describe('§7 log compaction', () => {
  const lagging = (): TestGroup => {
    const group = three();
    group.lead(1);
    group.cut(3);
    for (const text of ['a', 'b', 'c']) group.propose(1, text);
    group.settle();
    group.compact(1);
    group.mend();
    return group;
  };

  it('§7 a follower that needs entries which are gone gets a snapshot, and then the rest', () => {
    const group = lagging();
    group.propose(1, 'd');
    group.settle();
    group.tick(1, 2);
    expect(group.sent.some(({ type, to }) => type === 'MsgSnap' && to === 3)).toBe(true);
    expect(group.applied(3)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('§7 a snapshot carries index and term of its last entry and the membership', () => {
    const group = lagging();
    group.tick(1, 2);
    const snapshot = group.sent.find(({ type }) => type === 'MsgSnap')?.snapshot;
    expect(snapshot).toMatchObject({ index: 5, term: group.node(1).term });
    expect(snapshot?.confState.voters).toEqual([1, 2, 3]);
  });

  it('§7 a snapshot of what the follower has already leaves its log alone', () => {
    const group = three();
    group.lead(1);
    group.propose(1, 'a');
    group.settle();
    group.compact(1);
    group.propose(1, 'b');
    group.settle();
    const snapshot = group.storage(1).snapshot();
    const { lastIndex, term } = group.node(2);
    group.step({ type: 'MsgSnap', from: 1, to: 2, term, snapshot });
    group.settle();
    expect(group.node(2).lastIndex).toBe(lastIndex);
    expect(group.applied(2)).toEqual(['a', 'b']);
  });

  it('§7 members compact their logs by themselves', () => {
    const group = three();
    group.lead(1);
    group.propose(1, 'a');
    group.settle();
    group.compact(2);
    group.propose(1, 'b');
    group.settle();
    expect(group.applied(2)).toEqual(['a', 'b']);
    expect(group.sent.some(({ type }) => type === 'MsgSnap')).toBe(false);
  });
});

describe('§8 client interaction', () => {
  it('§8 a follower sends proposals on to its leader', () => {
    const group = three();
    group.lead(1);
    group.settle();
    group.propose(3, 'x');
    group.settle();
    expect(group.applied(2)).toEqual(['x']);
  });

  it('§8 without a leader a proposal is refused', () => {
    const group = three();
    expect(group.try(() => group.propose(1, 'x'))).toBe('proposalDropped');
  });

  it('§8 a leader commits an empty entry first, so that it knows what is committed', () => {
    const group = three();
    group.lead(1);
    expect(group.node(1).commit).toBe(2);
    expect(group.applied(1)).toEqual([]);
  });

  it('§8 a leader hears from a majority before it answers a read', () => {
    const group = three();
    group.lead(1);
    group.cut(2, 3);
    group.node(1).readIndex(bytesOf('r'));
    group.settle();
    expect(group.reads(1)).toEqual([]);
    group.mend(3);
    group.tick(1);
    expect(group.reads(1)).toEqual([2]);
  });
});

describe('thesis chapter 6', () => {
  it('6.2 a leader that has not heard a majority for an election time-out steps down', () => {
    const group = three({ checkQuorum: true });
    group.lead(1);
    group.cut(1);
    group.tick(1, 2 * ELECTION_TICKS);
    expect(group.node(1).role).not.toBe('leader');
  });

  it('6.2 half of an even group is no majority', () => {
    const group = new TestGroup({ voters: [1, 2, 3, 4], raft: { checkQuorum: true } });
    group.lead(1);
    group.cut(3, 4);
    for (let i = 0; i < 2 * ELECTION_TICKS; i++) group.tick(1);
    expect(group.node(1).isLeader).toBe(false);
  });

  it('6.4 a read is not answered before the first commit of the term', () => {
    const group = three();
    group.lost = ({ type }) => type === 'MsgAppResp';
    group.node(1).campaign();
    group.settle();
    group.node(1).readIndex(bytesOf('r'));
    group.settle();
    expect(group.reads(1)).toEqual([]);
    group.lost = () => false;
    group.tick(1);
    expect(group.reads(1)).toEqual([2]);
  });

  it('6.4 the answer is the commit index of when the read was asked for', () => {
    const group = three();
    group.lead(1);
    group.lost = ({ type }) => type === 'MsgHeartbeatResp';
    group.node(1).readIndex(bytesOf('r'));
    group.settle();
    group.propose(1, 'later');
    group.settle();
    group.lost = () => false;
    group.tick(1);
    expect(group.node(1).commit).toBe(3);
    expect(group.reads(1)).toEqual([2]);
  });

  it('6.4 one round confirms all reads that wait', () => {
    const group = three();
    group.lead(1);
    group.lost = ({ type }) => type === 'MsgHeartbeatResp';
    for (const text of ['a', 'b', 'c']) group.node(1).readIndex(bytesOf(text));
    group.settle();
    group.lost = () => false;
    group.tick(1);
    expect(group.reads(1)).toEqual([2, 2, 2]);
  });

  it('6.4 a follower asks the leader for the index and answers itself', () => {
    const group = three();
    group.lead(1);
    group.node(2).readIndex(bytesOf('r'));
    group.settle();
    expect(group.reads(2)).toEqual([2]);
    expect(group.reads(1)).toEqual([]);
  });

  it('6.4.1 a lease spares the round, and ends before another leader can be elected', () => {
    const group = three({ checkQuorum: true, readOnlyMode: 'leaseBased' });
    group.node(2).setElectionTimeout(2 * ELECTION_TICKS);
    group.node(3).setElectionTimeout(2 * ELECTION_TICKS);
    group.tickAll(ELECTION_TICKS);
    group.node(1).readIndex(bytesOf('first'));
    group.settle();
    group.cut(1);
    const answered: boolean[] = [];
    for (let i = 0; i < ELECTION_TICKS; i++) {
      const before = group.reads(1).length;
      group.node(1).readIndex(bytesOf(`r${i}`));
      group.settle();
      answered.push(group.reads(1).length > before);
      group.tick(1);
    }
    expect(answered[0]).toBe(true);
    expect(answered.at(-1)).toBe(false);
    // The followers keep their promise for the whole time-out.
    group.node(2).campaign();
    group.settle();
    expect(group.node(2).isLeader).toBe(false);
  });
});
