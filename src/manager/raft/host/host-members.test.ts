// Learners that become voters: what is refused is tried again, what is broken is told.
import { emptyConfState } from 'raft-ts';
import { settle } from 'sim';
import { expect, it } from 'vitest';
import { SwarmError } from '../../../base/index.ts';
import { HostMembers, type HostMembersPorts } from './host-members.ts';
import { encodeMembers } from '../wire/index.ts';

const learner = { raftId: 2, nodeId: 'n2', address: '10.0.0.2:2378' };

function hostWhoseNode(proposeConfChange: () => void): HostMembers {
  const near = { id: 2, isLearner: true, recentActive: true, state: 'replicate', match: 9 };
  const node = {
    isLeader: true,
    lastIndex: 9,
    term: 1,
    status: () => ({ progress: [near], lastIndex: 9 }),
    proposeConfChange,
  };
  const ports: HostMembersPorts = {
    node: node as never,
    self: { raftId: 1, nodeId: 'n1', address: '10.0.0.1:2378' },
    confState: { ...emptyConfState, voters: [1], learners: [2] },
    table: encodeMembers([learner]),
    joining: [],
    active: () => [1, 2],
    peersChanged: () => {},
    changed: () => {},
  };
  return new HostMembers(ports);
}

it.each([
  [new SwarmError('unavailable', 'not now'), 0],
  [new TypeError('a rule of raft is broken'), 1],
])('%s', async (error, told) => {
  const failures: unknown[] = [];
  const members = hostWhoseNode(() => {
    throw error;
  });
  members.promoteLearners((failure) => failures.push(failure));
  await settle();
  expect(failures).toHaveLength(told);
});
