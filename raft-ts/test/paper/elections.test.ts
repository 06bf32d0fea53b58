// Elections, claim by claim: the Raft paper (extended version) §5.1, §5.2, §5.4.1, §5.5, §5.6.
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/index.ts';
import { ELECTION_TICKS, TestGroup } from '../group.ts';

const three = (raft = {}): TestGroup => new TestGroup({ voters: [1, 2, 3], raft });

const votesTo = (group: TestGroup, id: number): Message[] =>
  group.sent.filter(({ type, to }) => type === 'MsgVoteResp' && to === id);

describe('§5.1 terms', () => {
  it.each(['follower', 'candidate', 'leader'])(
    '§5.1 a %s that sees a larger term takes it over and follows',
    (role) => {
      const group = three();
      if (role === 'leader') group.lead(1);
      if (role === 'candidate') {
        group.cut(2, 3);
        group.node(1).campaign();
        group.settle();
      }
      expect(group.node(1).role).toBe(role);
      group.step({ type: 'MsgHeartbeat', from: 2, to: 1, term: 9 });
      expect(group.node(1)).toMatchObject({ role: 'follower', term: 9 });
    },
  );

  it('§5.1 a request with a stale term is rejected', () => {
    const group = three();
    group.lead(1);
    const { lastIndex, term } = group.node(1);
    group.node(2).campaign();
    group.settle();
    const entries = [
      { term, index: lastIndex + 1, type: 'normal' as const, data: new Uint8Array() },
    ];
    const stale = {
      type: 'MsgApp',
      from: 1,
      to: 3,
      term,
      index: lastIndex,
      logTerm: term,
    } as const;
    const before = group.node(3).lastIndex;
    group.step({ ...stale, entries });
    expect(group.node(3).lastIndex).toBe(before);
    expect(group.node(3).lead).toBe(2);
  });
});

describe('§5.2 leader election', () => {
  it('§5.2 members begin as followers', () => {
    for (const id of [1, 2, 3]) expect(three().node(id).role).toBe('follower');
  });

  it('§5.2 a follower stays one as long as it hears a leader', () => {
    const group = three();
    group.lead(1);
    group.tickAll(5 * ELECTION_TICKS);
    expect(group.node(1).isLeader).toBe(true);
    expect(group.node(2).role).toBe('follower');
  });

  it('§5.2 a leader sends heartbeats to all when nothing else happens', () => {
    const group = three();
    group.lead(1);
    group.sent.length = 0;
    group.node(1).tick();
    group.work(1);
    const heartbeats = group.sent.filter(({ type }) => type === 'MsgHeartbeat');
    expect(heartbeats.map(({ to }) => to)).toEqual([2, 3]);
  });

  it('§5.2 to stand, a follower raises its term, votes for itself and asks all others', () => {
    const group = three();
    const { term } = group.node(1);
    for (let i = 0; i < ELECTION_TICKS; i++) group.node(1).tick();
    group.work(1);
    expect(group.node(1)).toMatchObject({ role: 'candidate', term: term + 1 });
    expect(group.storage(1).initialState().hardState.vote).toBe(1);
    const asked = group.sent.filter(({ type }) => type === 'MsgVote');
    expect(asked.map(({ to }) => to)).toEqual([2, 3]);
  });

  it.each([
    { size: 1, votes: 0, wins: true },
    { size: 3, votes: 0, wins: false },
    { size: 3, votes: 1, wins: true },
    { size: 4, votes: 1, wins: false },
    { size: 5, votes: 1, wins: false },
    { size: 5, votes: 2, wins: true },
  ])('§5.2 of $size voters, $votes others are enough: $wins', ({ size, votes, wins }) => {
    const voters = Array.from({ length: size }, (_, i) => i + 1);
    const group = new TestGroup({ voters });
    group.cut(...voters.slice(1 + votes));
    group.node(1).campaign();
    group.settle();
    expect(group.node(1).isLeader).toBe(wins);
  });

  it('§5.2 a member votes for at most one candidate in a term, first come first served', () => {
    const group = three();
    group.step({ type: 'MsgVote', from: 1, to: 3, term: 5, index: 1, logTerm: 1 });
    group.step({ type: 'MsgVote', from: 2, to: 3, term: 5, index: 1, logTerm: 1 });
    group.step({ type: 'MsgVote', from: 1, to: 3, term: 5, index: 1, logTerm: 1 });
    group.work(3);
    const answers = group.sent.filter(({ type }) => type === 'MsgVoteResp');
    expect(answers.map(({ to, reject }) => [to, reject])).toEqual([
      [1, false],
      [2, true],
      [1, false],
    ]);
  });

  it('§5.2 the vote outlives a restart', () => {
    const group = three();
    group.step({ type: 'MsgVote', from: 1, to: 3, term: 5, index: 1, logTerm: 1 });
    group.work(3);
    group.restart(3);
    group.step({ type: 'MsgVote', from: 2, to: 3, term: 5, index: 1, logTerm: 1 });
    group.work(3);
    expect(votesTo(group, 2).map(({ reject }) => reject)).toEqual([true]);
  });

  it('§5.2 a candidate that hears a leader of its term follows it', () => {
    const group = three();
    group.cut(1);
    group.node(1).campaign();
    group.settle();
    const { term } = group.node(1);
    group.step({ type: 'MsgHeartbeat', from: 2, to: 1, term });
    expect(group.node(1)).toMatchObject({ role: 'follower', lead: 2, term });
  });

  it('§5.2 a candidate ignores a leader of an older term', () => {
    const group = three();
    group.cut(1);
    group.node(1).campaign();
    group.settle();
    const { term } = group.node(1);
    group.step({ type: 'MsgHeartbeat', from: 2, to: 1, term: term - 1 });
    expect(group.node(1).role).toBe('candidate');
  });

  it('§5.2 after a split vote a candidate stands again in a new term', () => {
    const group = three();
    group.cut(3);
    group.node(1).campaign();
    group.node(2).campaign();
    group.settle();
    expect(group.node(1).isLeader || group.node(2).isLeader).toBe(false);
    const { term } = group.node(1);
    group.tick(1, 2 * ELECTION_TICKS);
    expect(group.node(1).isLeader).toBe(true);
    expect(group.node(1).term).toBeGreaterThan(term);
  });

  it('§5.2 election time-outs are drawn from one to two times the configured one', () => {
    const draws = [0, 3, ELECTION_TICKS - 1];
    for (const draw of draws) {
      const group = three({ random: () => draw });
      let ticks = 0;
      while (group.node(1).role === 'follower') {
        group.node(1).tick();
        ticks++;
      }
      expect(ticks).toBe(ELECTION_TICKS + draw);
    }
  });

  it('§5.2 the time-out is drawn anew for every election', () => {
    const bounds: number[] = [];
    const random = (bound: number): number => {
      bounds.push(bound);
      return 0;
    };
    const group = three({ random });
    const before = bounds.length;
    group.cut(1);
    group.tick(1, ELECTION_TICKS);
    group.tick(1, ELECTION_TICKS);
    expect(bounds.length).toBe(before + 2);
    expect(new Set(bounds)).toEqual(new Set([ELECTION_TICKS]));
  });
});

describe('§5.4.1 election restriction', () => {
  it.each([
    { ours: [1, 1], theirs: [1, 1], granted: true, why: 'equal logs' },
    { ours: [1, 1], theirs: [1], granted: false, why: 'a shorter log of the same last term' },
    { ours: [1], theirs: [1, 1], granted: true, why: 'a longer log of the same last term' },
    { ours: [1, 1, 1], theirs: [2], granted: true, why: 'a shorter log of a later last term' },
    { ours: [2], theirs: [1, 1, 1], granted: false, why: 'a longer log of an earlier last term' },
  ])('§5.4.1 $why: the vote is granted: $granted', ({ ours, theirs, granted }) => {
    const group = new TestGroup({ voters: [1, 2], logs: { 1: theirs, 2: ours } });
    const index = 1 + theirs.length;
    group.step({ type: 'MsgVote', from: 1, to: 2, term: 9, index, logTerm: theirs.at(-1) ?? 1 });
    group.work(2);
    expect(votesTo(group, 1).map(({ reject }) => reject)).toEqual([!granted]);
  });
});

describe('§5.5 and §5.6', () => {
  it('§5.5 a follower that was down is brought up to date when it is back', () => {
    const group = three();
    group.lead(1);
    group.cut(3);
    for (const text of ['a', 'b', 'c']) group.propose(1, text);
    group.settle();
    group.restart(3);
    group.mend();
    group.tick(1, 2);
    expect(group.applied(3)).toEqual(['a', 'b', 'c']);
  });

  it('§5.5 the same request twice does no harm', () => {
    const group = three();
    group.lead(1);
    group.propose(1, 'a');
    group.work(1);
    const repeated = group.wire.filter(({ type }) => type === 'MsgApp');
    group.settle();
    for (const message of repeated) group.deliver(message);
    group.settle();
    expect(group.applied(2)).toEqual(['a']);
    expect(group.node(2).lastIndex).toBe(group.node(1).lastIndex);
  });

  it('§5.6 without a leader for a time-out the group elects one; order of messages is no matter', () => {
    const group = three();
    group.lead(1);
    group.cut(1);
    group.node(3).setElectionTimeout(2 * ELECTION_TICKS);
    group.tickAll(ELECTION_TICKS);
    expect(group.node(2).isLeader).toBe(true);
  });
});
