// What a leader does with a message.
import { decodeConfChange } from './conf-change.ts';
import { RaftError, invariant } from './errors.ts';
import type { Message } from './message.ts';
import type { Progress } from './progress.ts';
import type { RaftState } from './raft-state.ts';
import { acknowledgeRead, releasePostponedReads, requestRead } from './read-index.ts';
import { broadcastAppend, broadcastHeartbeat, maybeSendAppend, sendAppend } from './replication.ts';
import { emptyBytes, NONE, type Entry } from './types.ts';

/** Handles a message of the current term, or a local one. */
export function stepLeader(raft: RaftState, message: Message): void {
  switch (message.type) {
    case 'MsgBeat':
      broadcastHeartbeat(raft);
      return;
    case 'MsgCheckQuorum':
      checkQuorum(raft);
      return;
    case 'MsgProp':
      propose(raft, message);
      return;
    case 'MsgReadIndex':
      requestRead(raft, message);
      return;
    default:
  }
  const progress = raft.tracker.progress.get(message.from);
  if (progress === undefined) return;
  switch (message.type) {
    case 'MsgAppResp':
      progress.recentActive = true;
      if (message.reject) appendRejected(raft, message, progress);
      else appendAccepted(raft, message, progress);
      return;
    case 'MsgHeartbeatResp':
      progress.recentActive = true;
      progress.paused = false;
      // It may lack something that was lost on the way; the answer will tell.
      if (progress.match < raft.log.lastIndex() || progress.state === 'probe') {
        sendAppend(raft, message.from);
      }
      acknowledgeRead(raft, message);
      return;
    case 'MsgSnapStatus':
      snapshotSent(message, progress);
      return;
    case 'MsgUnreachable':
      // What was streamed is probably lost.
      if (progress.state === 'replicate') progress.becomeProbe();
      return;
    case 'MsgTransferLeader':
      transferLeadership(raft, message.from, progress);
      return;
    default:
  }
}

function checkQuorum(raft: RaftState): void {
  if (!raft.tracker.quorumActive()) raft.becomeFollower(raft.term, NONE);
  for (const [id, progress] of raft.tracker.progress) {
    if (id !== raft.id) progress.recentActive = false;
  }
}

function propose(raft: RaftState, message: Message): void {
  invariant(message.entries.length > 0, 'proposal without entries');
  // Whoever is no member (removed), or is handing over, takes nothing new.
  if (!raft.tracker.progress.has(raft.id) || raft.leadTransferee !== NONE) {
    throw new RaftError('proposalDropped');
  }
  const last = raft.log.lastIndex();
  const pendingBefore = raft.pendingConfIndex;
  const drafts = message.entries.map((entry, position) => {
    if (entry.type === 'normal') return entry;
    if (!confChangeFits(raft, entry)) return { type: 'normal' as const, data: emptyBytes };
    raft.pendingConfIndex = last + 1 + position;
    return entry;
  });
  if (!raft.appendAsLeader(drafts)) {
    raft.pendingConfIndex = pendingBefore;
    throw new RaftError('proposalDropped');
  }
  broadcastAppend(raft);
}

/** One change at a time, and in the joint phase only the one that leaves it. */
function confChangeFits(raft: RaftState, entry: Entry): boolean {
  if (raft.options.disableConfChangeValidation) return true;
  const wantsLeave = decodeConfChange(entry).changes.length === 0;
  const pending = raft.pendingConfIndex > raft.log.applied;
  return !pending && raft.tracker.isJoint === wantsLeave;
}

function appendRejected(raft: RaftState, message: Message, progress: Progress): void {
  let probe = message.rejectHint;
  if (message.logTerm > 0) {
    // The member's log ends (for us) with an entry of this term: ours must not be later there.
    probe = raft.log.findConflictByTerm(message.rejectHint, message.logTerm).index;
  }
  if (!progress.rejected(message.index, probe)) return;
  if (progress.state === 'replicate') progress.becomeProbe();
  sendAppend(raft, message.from);
}

function appendAccepted(raft: RaftState, message: Message, progress: Progress): void {
  // A probing member that acknowledges nothing new has still shown where the logs meet.
  const recovered = progress.match === message.index && progress.state === 'probe';
  if (!progress.acknowledged(message.index) && !recovered) return;
  advance(raft, message.index, progress);
  if (raft.maybeCommit()) {
    releasePostponedReads(raft);
    broadcastAppend(raft);
  } else if (raft.id !== message.from && progress.canBumpCommit(raft.log.committed)) {
    // Heartbeats would tell it as well, but later.
    sendAppend(raft, message.from);
  }
  if (raft.id === message.from) return;
  // The answer may have made room for several messages.
  while (maybeSendAppend(raft, message.from, false));
  if (message.from === raft.leadTransferee && progress.match === raft.log.lastIndex()) {
    raft.send({ type: 'MsgTimeoutNow', to: message.from });
  }
}

function advance(raft: RaftState, index: number, progress: Progress): void {
  if (progress.state === 'probe') {
    progress.becomeReplicate();
  } else if (progress.state === 'snapshot') {
    // Whatever snapshot it got, its log now meets ours.
    if (progress.match + 1 < raft.log.firstIndex()) return;
    progress.becomeProbe();
    progress.becomeReplicate();
  } else {
    progress.inflights.freeUpTo(index);
  }
}

function snapshotSent(message: Message, progress: Progress): void {
  if (progress.state !== 'snapshot') return;
  if (message.reject) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // After a success its answer comes by itself; after a failure the next heartbeat is soon enough.
  progress.paused = true;
}

function transferLeadership(raft: RaftState, to: number, progress: Progress): void {
  if (progress.isLearner || to === raft.leadTransferee) return;
  // A new wish replaces an older one.
  raft.leadTransferee = NONE;
  if (to === raft.id) return;
  // It must be done within one election time-out.
  raft.electionElapsed = 0;
  raft.leadTransferee = to;
  raft.lease.giveUp();
  if (progress.match === raft.log.lastIndex()) raft.send({ type: 'MsgTimeoutNow', to });
  else sendAppend(raft, to);
}
