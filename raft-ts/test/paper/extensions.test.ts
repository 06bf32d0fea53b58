// Extensions, claim by claim: Ongaro's thesis §3.10 (leadership transfer), §9.6 (pre-vote) and §10.2.1
// (writing and sending at the same time, pipelines).
import { describe, expect, it } from 'vitest';
import { emptyBytes, LOCAL_APPEND_THREAD, MemoryStorage, RawNode } from '../../src/index.ts';
import { bytesOf, ELECTION_TICKS, TestGroup } from '../group.ts';

const three = (raft = {}): TestGroup => new TestGroup({ voters: [1, 2, 3], raft });

describe('thesis 3.10 leadership transfer', () => {
  it('3.10 the successor is elected at once, in the next term', () => {
    const group = three();
    group.lead(1);
    const { term } = group.node(1);
    group.node(1).transferLeadership(3);
    group.settle();
    expect(group.node(3)).toMatchObject({ isLeader: true, term: term + 1 });
    expect(group.node(1).lead).toBe(3);
  });

  it('3.10 the old leader takes no proposals meanwhile', () => {
    const group = three();
    group.lead(1);
    group.cut(3);
    group.node(1).transferLeadership(3);
    expect(group.try(() => group.propose(1, 'x'))).toBe('proposalDropped');
  });

  it('3.10 the successor gets all entries first', () => {
    const group = three();
    group.lead(1);
    group.cut(3);
    group.propose(1, 'x');
    group.settle();
    group.mend();
    group.node(1).transferLeadership(3);
    group.settle();
    group.tick(1, 2);
    expect(group.node(3).isLeader).toBe(true);
    expect(group.applied(3)).toEqual(['x']);
  });

  it('3.10 after an election time-out the transfer is given up', () => {
    const group = three();
    group.lead(1);
    group.cut(3);
    group.node(1).transferLeadership(3);
    group.settle();
    group.tick(1, ELECTION_TICKS);
    group.propose(1, 'x');
    group.settle();
    expect(group.applied(2)).toEqual(['x']);
  });

  it('3.10 the leases of check-quorum do not stand in its way', () => {
    const group = three({ checkQuorum: true, preVote: true });
    group.lead(1);
    group.tickAll(2);
    group.node(1).transferLeadership(2);
    group.settle();
    expect(group.node(2).isLeader).toBe(true);
  });

  it('3.10 nobody hands over to a learner', () => {
    const group = new TestGroup({ voters: [1, 2], learners: [3] });
    group.lead(1);
    group.node(1).transferLeadership(3);
    group.settle();
    expect(group.node(1).isLeader).toBe(true);
    expect(group.try(() => group.propose(1, 'x'))).toBeUndefined();
  });
});

describe('thesis 9.6 pre-vote', () => {
  it('9.6 a member that is cut off does not raise its term', () => {
    const group = three({ preVote: true });
    group.lead(1);
    const { term } = group.node(3);
    group.cut(3);
    group.tick(3, 5 * ELECTION_TICKS);
    expect(group.node(3)).toMatchObject({ role: 'preCandidate', term });
  });

  it('9.6 when it comes back it does not disturb the leader', () => {
    const group = three({ preVote: true, checkQuorum: true });
    group.lead(1);
    const { term } = group.node(1);
    group.cut(3);
    for (let i = 0; i < 3 * ELECTION_TICKS; i++) group.tickAll();
    group.mend();
    for (let i = 0; i < 3 * ELECTION_TICKS; i++) group.tickAll();
    expect(group.node(1)).toMatchObject({ isLeader: true, term });
  });

  it('9.6 the question binds nobody: both candidates may be answered yes', () => {
    const group = three({ preVote: true });
    for (const from of [1, 2]) {
      group.step({ type: 'MsgPreVote', from, to: 3, term: 2, index: 1, logTerm: 1 });
    }
    group.work(3);
    const answers = group.sent.filter(({ type }) => type === 'MsgPreVoteResp');
    expect(answers.map(({ reject }) => reject)).toEqual([false, false]);
    expect(group.node(3).term).toBe(1);
  });

  it('9.6 the answer is no for a log that could not win', () => {
    const group = new TestGroup({
      voters: [1, 2],
      logs: { 2: [1, 1] },
      raft: { preVote: true },
    });
    group.node(1).campaign();
    group.settle();
    expect(group.node(1).isLeader).toBe(false);
    expect(group.node(2).term).toBe(1);
  });

  it('9.6 with a majority of yes the election follows', () => {
    const group = three({ preVote: true });
    group.cut(3);
    group.lead(1);
    expect(group.node(1).term).toBe(2);
  });
});

describe('thesis 10.2.1 writing in parallel and pipelining', () => {
  const asyncMember = (): { node: RawNode; storage: MemoryStorage } => {
    const storage = new MemoryStorage();
    const rest = { votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const confState = { voters: [1, 2, 3], ...rest };
    storage.applySnapshot({ index: 1, term: 1, confState, data: emptyBytes });
    storage.setHardState({ term: 1, vote: 0, commit: 1 });
    const timing = { electionTicks: 10, heartbeatTicks: 1, random: () => 0 };
    const node = new RawNode({ id: 1, storage, applied: 1, asyncStorageWrites: true, ...timing });
    return { node, storage };
  };

  it('10.2.1 the leader sends entries while it writes them, but counts itself only after that', () => {
    const group = three();
    group.lead(1);
    const { node, storage } = asyncMember();
    node.campaign();
    const elect = node.ready().messages.find(({ to }) => to === LOCAL_APPEND_THREAD);
    storage.setHardState({ term: 2, vote: 1, commit: 1 });
    for (const response of elect?.responses ?? []) node.step(response);
    node.step({ ...vote(2), to: 1 });
    expect(node.isLeader).toBe(true);
    const ready = node.ready();
    // Sent at once, though nothing is written yet.
    expect(ready.messages.filter(({ type }) => type === 'MsgApp').map(({ to }) => to)).toEqual([
      2, 3,
    ]);
    const write = ready.messages.find(({ to }) => to === LOCAL_APPEND_THREAD);
    // One follower and the leader would be a majority; the leader has not written.
    node.step({ ...acknowledgement(2), to: 1 });
    expect(node.commit).toBe(1);
    storage.append(ready.entries);
    for (const response of write?.responses ?? []) node.step(response);
    expect(node.commit).toBe(2);
  });

  it('10.2.1 without the leader’s own write two followers are a majority', () => {
    const { node, storage } = asyncMember();
    node.campaign();
    const elect = node.ready().messages.find(({ to }) => to === LOCAL_APPEND_THREAD);
    storage.setHardState({ term: 2, vote: 1, commit: 1 });
    for (const response of elect?.responses ?? []) node.step(response);
    node.step({ ...vote(2), to: 1 });
    node.ready();
    node.step({ ...acknowledgement(2), to: 1 });
    node.step({ ...acknowledgement(3), to: 1 });
    expect(node.commit).toBe(2);
  });

  it('10.2.1 entries are sent without waiting for the answers to those before', () => {
    const group = three({ maxInflightMessages: 3 });
    group.lead(1);
    group.lost = ({ type }) => type === 'MsgAppResp';
    for (const text of ['a', 'b', 'c', 'd', 'e']) {
      group.propose(1, text);
      group.work(1);
    }
    const sent = group.wire.filter(({ to, entries }) => to === 2 && entries.length > 0);
    expect(sent.map(({ entries }) => entries.length)).toEqual([1, 1, 1]);
  });

  it('10.2.1 a refusal stops the pipeline, and one message at a time finds where to go on', () => {
    const group = three();
    group.lead(1);
    group.node(1).reportUnreachable(2);
    const progress = group
      .node(1)
      .status()
      .progress.find(({ id }) => id === 2);
    expect(progress?.state).toBe('probe');
    group.lost = ({ to }) => to === 2;
    group.propose(1, 'a');
    group.work(1);
    group.propose(1, 'b');
    group.work(1);
    const sent = group.sent.filter(
      ({ to, entries }) => to === 2 && entries.some(({ data }) => data.length > 0),
    );
    expect(sent).toHaveLength(1);
    group.lost = () => false;
    group.tick(1, 2);
    expect(group.applied(2)).toEqual(['a', 'b']);
  });
});

const fields = {
  logTerm: 0,
  index: 0,
  entries: [],
  commit: 0,
  vote: 0,
  reject: false,
  rejectHint: 0,
  snapshot: undefined,
  context: bytesOf(''),
  responses: [],
  term: 2,
};
const vote = (from: number) => ({ ...fields, type: 'MsgVoteResp', from }) as const;
const acknowledgement = (from: number) =>
  ({ ...fields, type: 'MsgAppResp', from, index: 2 }) as const;
