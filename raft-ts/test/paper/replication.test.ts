// Log replication, claim by claim: the Raft paper (extended version) §5.3, §5.4.2, §5.4.3.
import { describe, expect, it } from 'vitest';
import { TestGroup } from '../group.ts';

const three = (raft = {}): TestGroup => new TestGroup({ voters: [1, 2, 3], raft });

describe('§5.3 log replication', () => {
  it('§5.3 a command is appended to the leader’s log and sent to all', () => {
    const group = three();
    group.lead(1);
    const { lastIndex } = group.node(1);
    group.sent.length = 0;
    group.propose(1, 'x');
    group.work(1);
    expect(group.storage(1).lastIndex()).toBe(lastIndex + 1);
    const appends = group.sent.filter(
      ({ type, entries }) => type === 'MsgApp' && entries.length === 1,
    );
    expect(appends.map(({ to }) => to)).toEqual([2, 3]);
  });

  it.each([
    { size: 1, others: 0, committed: true },
    { size: 3, others: 0, committed: false },
    { size: 3, others: 1, committed: true },
    { size: 5, others: 1, committed: false },
    { size: 5, others: 2, committed: true },
  ])('§5.3 on $others others of $size an entry is committed: $committed', (given) => {
    const voters = Array.from({ length: given.size }, (_, i) => i + 1);
    const group = new TestGroup({ voters });
    group.lead(1);
    group.cut(...voters.slice(1 + given.others));
    group.propose(1, 'x');
    group.settle();
    expect(group.applied(1)).toEqual(given.committed ? ['x'] : []);
  });

  it('§5.3 committing an entry commits all before it, those of other leaders too', () => {
    const group = new TestGroup({ voters: [1, 2, 3], logs: { 1: [1, 2, 2], 2: [1] } });
    group.lead(1);
    expect(group.node(1).commit).toBe(5);
    expect(group.terms(2)).toEqual([1, 2, 2, 3]);
  });

  it('§5.3 followers learn what is committed, and apply it in the order of the log', () => {
    const group = three();
    group.lead(1);
    for (const text of ['a', 'b', 'c']) group.propose(1, text);
    group.settle();
    for (const id of [1, 2, 3]) expect(group.applied(id)).toEqual(['a', 'b', 'c']);
  });

  it('§5.3 a follower refuses entries that do not follow what it has', () => {
    const group = new TestGroup({ voters: [1, 2], logs: { 2: [1, 2] } });
    const append = { type: 'MsgApp', from: 1, to: 2, term: 3 } as const;
    group.step({ ...append, index: 3, logTerm: 1 });
    group.step({ ...append, index: 9, logTerm: 3 });
    group.step({ ...append, index: 3, logTerm: 2 });
    group.work(2);
    const answers = group.sent.filter(({ type }) => type === 'MsgAppResp');
    expect(answers.map(({ reject }) => reject)).toEqual([true, true, false]);
  });

  it('§5.3 a follower replaces entries that conflict with the leader’s, and all after them', () => {
    const group = new TestGroup({ voters: [1, 2, 3], logs: { 1: [1, 4], 2: [1, 2, 2, 3] } });
    group.cut(3);
    group.node(1).campaign();
    group.settle();
    group.tick(1, 2);
    group.lead(1);
    expect(group.terms(2)).toEqual(group.terms(1));
    expect(group.terms(1).slice(0, 2)).toEqual([1, 4]);
  });

  // Figure 7: what the logs of followers may look like when the leader of term 8 comes to power.
  const leader = [1, 1, 4, 4, 5, 5, 6, 6, 6];
  it.each([
    ['a', [1, 1, 4, 4, 5, 5, 6, 6]],
    ['b', [1, 1, 4]],
    ['c', [1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d', [1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e', [1, 1, 4, 4, 4, 4]],
    ['f', [1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('§5.3 figure 7: follower (%s) gets the leader’s log', (_, follower) => {
    const group = new TestGroup({ voters: [1, 2, 3], logs: { 1: leader, 2: follower, 3: [1] } });
    group.cut(2);
    group.step({ type: 'MsgHeartbeat', from: 3, to: 1, term: 7 });
    group.lead(1);
    expect(group.node(1).term).toBe(8);
    group.mend();
    group.tick(1, 3);
    expect(group.node(1).isLeader).toBe(true);
    expect(group.terms(2)).toEqual([...leader, group.node(1).term]);
  });

  it('§5.3 the hint of a refusal skips a whole term of entries at a time', () => {
    const follower = [1, ...Array<number>(50).fill(2)];
    const mine = [1, ...Array<number>(50).fill(3)];
    const group = new TestGroup({ voters: [1, 2], logs: { 1: mine, 2: follower } });
    group.lead(1);
    const refusals = group.sent.filter(({ type, reject }) => type === 'MsgAppResp' && reject);
    expect(refusals).toHaveLength(1);
    expect(group.terms(2)).toEqual(group.terms(1));
  });

  it('§5.3 a late message does not cut off what was acknowledged after it was sent', () => {
    const group = three();
    group.lead(1);
    group.propose(1, 'a');
    group.work(1);
    const late = group.wire.filter(({ to }) => to === 2);
    group.settle();
    group.propose(1, 'b');
    group.settle();
    for (const message of late) group.deliver(message);
    group.settle();
    expect(group.node(2).lastIndex).toBe(group.node(1).lastIndex);
  });
});

describe('§5.4.2 entries of earlier terms', () => {
  it('§5.4.2 a leader does not commit them by counting copies', () => {
    const group = new TestGroup({ voters: [1, 2, 3], logs: { 1: [2], 2: [2] } });
    // 2 answers for the old entry, not for the one that opens the new term.
    group.lost = ({ type, entries }) => type === 'MsgApp' && entries.some(({ term }) => term > 2);
    group.node(1).campaign();
    group.settle();
    const { term } = group.node(1);
    group.step({ type: 'MsgAppResp', from: 2, to: 1, term, index: 2 });
    expect(group.node(1).isLeader).toBe(true);
    expect(group.node(1).commit).toBe(1);
  });

  it('§5.4.2 figure 8: such an entry may still be replaced, until one of the new term is committed', () => {
    // (a), (b): leader 1 wrote an entry of term 2, leader 5 one of term 3, each for itself.
    const logs = { 1: [2], 2: [2], 5: [3] };
    const group = new TestGroup({ voters: [1, 2, 3, 4, 5], logs });
    // (c): 1 leads again and copies its old entry to 3; its own entry goes to nobody.
    group.cut(5);
    group.lost = ({ type, entries }) => type === 'MsgApp' && entries.some(({ term }) => term > 3);
    group.step({ type: 'MsgHeartbeat', from: 2, to: 1, term: 3 });
    group.node(1).campaign();
    group.settle();
    const { term } = group.node(1);
    expect(term).toBe(4);
    for (const to of [2, 3]) {
      const entries = [{ term: 2, index: 2, type: 'normal' as const, data: new Uint8Array() }];
      group.step({ type: 'MsgApp', from: 1, to, term, index: 1, logTerm: 1, entries });
    }
    group.settle();
    expect([1, 2, 3].map((id) => group.terms(id)[0])).toEqual([2, 2, 2]);
    expect(group.node(1).commit).toBe(1);
    // (d): 1 crashes; 5 is elected by the others, whose last entries are of term 2, and replaces them.
    group.cut(1);
    group.mend(5);
    group.lost = () => false;
    for (let i = 0; i < 4 && !group.node(5).isLeader; i++) {
      group.node(5).campaign();
      group.settle();
    }
    expect(group.node(5).isLeader).toBe(true);
    group.tick(5, 2);
    expect(group.terms(3)[0]).toBe(3);
  });

  it('§5.4.2 figure 8 (e): once one of the new term is committed, the other cannot win any more', () => {
    const group = new TestGroup({ voters: [1, 2, 3, 4, 5], logs: { 1: [2], 2: [2], 5: [3] } });
    group.cut(5);
    group.step({ type: 'MsgHeartbeat', from: 2, to: 1, term: 3 });
    group.lead(1);
    expect(group.node(1).commit).toBe(3);
    group.cut(1);
    group.mend(5);
    for (let i = 0; i < 4; i++) {
      group.node(5).campaign();
      group.settle();
    }
    expect(group.node(5).isLeader).toBe(false);
  });

  it('§5.4.2 a leader opens its term with an entry of its own', () => {
    const group = three();
    group.lead(1);
    expect(group.terms(1)).toEqual([group.node(1).term]);
  });
});

describe('§5.4.3 safety', () => {
  it('§5.4.3 what is committed is in the log of every later leader', () => {
    const group = three();
    group.lead(1);
    group.cut(3);
    group.propose(1, 'kept');
    group.settle();
    group.mend();
    group.cut(1);
    group.node(3).campaign();
    group.settle();
    expect(group.node(3).isLeader).toBe(false);
    group.lead(2);
    expect(group.applied(3)).toEqual(['kept']);
  });
});
