// What a follower does with a message, and how any member takes over a leader's entries,
// heartbeats and snapshots.
import { restoreMembership } from './conf-change.ts';
import { startElection } from './election.ts';
import { RaftError } from './errors.ts';
import { switchMembership } from './membership.ts';
import type { Message } from './message.ts';
import type { RaftState } from './raft-state.ts';
import { NONE, type Snapshot } from './types.ts';

/** Handles a message of the current term, or a local one. */
export function stepFollower(raft: RaftState, message: Message): void {
  switch (message.type) {
    case 'MsgProp':
      if (raft.lead === NONE || raft.options.disableProposalForwarding) {
        throw new RaftError('proposalDropped');
      }
      raft.send({ ...message, to: raft.lead });
      return;
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      raft.electionElapsed = 0;
      raft.lead = message.from;
      raft.lease.promise();
      acceptFromLeader(raft, message);
      return;
    case 'MsgTransferLeader':
      if (raft.lead !== NONE) raft.send({ ...message, to: raft.lead, term: raft.term });
      return;
    case 'MsgForgetLeader':
      // With leases the leader counts on being remembered.
      if (raft.options.readOnlyMode !== 'leaseBased') raft.lead = NONE;
      return;
    case 'MsgTimeoutNow':
      // No pre-vote: the leader itself asked for it.
      startElection(raft, 'transfer');
      return;
    case 'MsgReadIndex':
      if (raft.lead !== NONE) raft.send({ ...message, to: raft.lead });
      return;
    case 'MsgReadIndexResp':
      raft.readStates.push({ index: message.index, context: message.context });
      return;
    default:
  }
}

/** Takes a message that only the leader of this term can have sent. */
export function acceptFromLeader(raft: RaftState, message: Message): void {
  if (message.type === 'MsgApp') acceptEntries(raft, message);
  else if (message.type === 'MsgHeartbeat') acceptHeartbeat(raft, message);
  else if (message.type === 'MsgSnap') acceptSnapshot(raft, message);
}

function acceptEntries(raft: RaftState, message: Message): void {
  const { log } = raft;
  if (message.index < log.committed) {
    // Everything up to our commit index is the leader's as well.
    raft.send({ type: 'MsgAppResp', to: message.from, index: log.committed });
    return;
  }
  const previous = { index: message.index, term: message.logTerm };
  const last = log.maybeAppend(previous, message.entries, message.commit);
  if (last !== undefined) {
    raft.send({ type: 'MsgAppResp', to: message.from, index: last });
    return;
  }
  // The hint spares the leader one round trip per index: whatever is beyond it in our log is of a
  // later term than the leader's entry, so the logs cannot meet there.
  const hint = log.findConflictByTerm(Math.min(message.index, log.lastIndex()), message.logTerm);
  raft.send({
    type: 'MsgAppResp',
    to: message.from,
    index: message.index,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  });
}

function acceptHeartbeat(raft: RaftState, message: Message): void {
  raft.log.commitTo(message.commit);
  raft.send({ type: 'MsgHeartbeatResp', to: message.from, context: message.context });
}

function acceptSnapshot(raft: RaftState, message: Message): void {
  const restored = message.snapshot !== undefined && restore(raft, message.snapshot);
  const index = restored ? raft.log.lastIndex() : raft.log.committed;
  raft.send({ type: 'MsgAppResp', to: message.from, index });
}

/** Replaces log and membership by a snapshot; false when it is of no use. */
function restore(raft: RaftState, snapshot: Snapshot): boolean {
  if (snapshot.index <= raft.log.committed || raft.role !== 'follower') return false;
  const { voters, learners, votersOutgoing } = snapshot.confState;
  // Learners-to-be are voters of the outgoing half, so these three lists are everybody.
  if (![...voters, ...learners, ...votersOutgoing].includes(raft.id)) return false;
  if (raft.log.matches({ index: snapshot.index, term: snapshot.term })) {
    // We have all of it: only the news that it is committed is taken.
    raft.log.commitTo(snapshot.index);
    return false;
  }
  raft.log.restore(snapshot);
  switchMembership(raft, restoreMembership(raft.tracker, snapshot.confState, snapshot.index));
  raft.tracker.progress.get(raft.id)?.acknowledged(snapshot.index);
  return true;
}
