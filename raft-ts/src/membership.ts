// A member takes over a new membership: by an applied change, or from a snapshot.
import type { NextMembership } from './conf-change.ts';
import type { RaftState } from './raft-state.ts';
import { broadcastAppend, maybeSendAppend } from './replication.ts';
import { NONE, type ConfState } from './types.ts';

/** Puts the membership in force; a leader tells everybody what follows from it. */
export function switchMembership(raft: RaftState, next: NextMembership): ConfState {
  const { tracker } = raft;
  tracker.membership = next.membership;
  tracker.progress = next.progress;
  const confState = tracker.confState();
  const own = tracker.progress.get(raft.id);
  raft.isLearner = own?.isLearner === true;
  raft.lease.restart();
  if (raft.role !== 'leader') {
    // Whoever has lost its vote must not win by the votes that are still on their way.
    if (raft.role !== 'follower' && !raft.promotable) raft.becomeFollower(raft.term, NONE);
    return confState;
  }
  if (own === undefined || own.isLearner) {
    // The leader was removed. It goes on unless told to step down: entries may still need it.
    if (raft.options.stepDownOnRemoval) raft.becomeFollower(raft.term, NONE);
    return confState;
  }
  if (confState.voters.length === 0) return confState;
  if (raft.maybeCommit()) {
    // Fewer voters: more may be committed at once.
    broadcastAppend(raft);
  } else {
    // New members get what they lack without waiting for the next proposal.
    for (const id of tracker.ids) if (id !== raft.id) maybeSendAppend(raft, id, false);
  }
  if (raft.leadTransferee !== NONE && !tracker.isVoter(raft.leadTransferee)) {
    raft.leadTransferee = NONE;
  }
  return confState;
}
