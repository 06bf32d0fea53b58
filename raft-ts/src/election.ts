// Elections: when a member may stand for leader, how it asks, and who gets its vote.
import type { Message } from './message.ts';
import { voteResponseOf } from './message.ts';
import type { RaftState } from './raft-state.ts';
import { broadcastAppend } from './replication.ts';
import { emptyBytes, NO_LIMIT, NONE } from './types.ts';

/** A pre-election asks first; a transfer overrides the leases that protect the old leader. */
export type CampaignKind = 'preElection' | 'election' | 'transfer';

const TRANSFER_CONTEXT = new TextEncoder().encode('CampaignTransfer');

/** Stands for leader, unless this member is leader already or may not be. */
export function startElection(raft: RaftState, kind: CampaignKind): void {
  if (raft.role === 'leader' || !raft.promotable) return;
  // It might win by a majority that is already replaced.
  if (hasUnappliedConfChange(raft)) return;
  // It promised its leader not to, whoever wishes it.
  if (kind !== 'transfer' && raft.lease.isPromised) return;
  campaign(raft, kind);
}

function hasUnappliedConfChange(raft: RaftState): boolean {
  const { log } = raft;
  const entries = log.slice(log.applied + 1, log.committed + 1, NO_LIMIT) ?? [];
  return entries.some((entry) => entry.type !== 'normal');
}

function campaign(raft: RaftState, kind: CampaignKind): void {
  const pre = kind === 'preElection';
  if (pre) raft.becomePreCandidate();
  else raft.becomeCandidate();
  // A pre-vote is about the term that would follow, without entering it.
  const term = pre ? raft.term + 1 : raft.term;
  const type = pre ? 'MsgPreVote' : 'MsgVote';
  const last = raft.log.lastEntry();
  for (const to of raft.tracker.voterIds) {
    if (to === raft.id) {
      // Our own vote counts once it is on stable storage, like everybody's.
      raft.send({ type: voteResponseOf(type), to, term });
      continue;
    }
    const context = kind === 'transfer' ? TRANSFER_CONTEXT : emptyBytes;
    raft.send({ type, to, term, index: last.index, logTerm: last.term, context });
  }
}

/** True when a vote request must be ignored: the leader was heard recently, and it is no transfer. */
export function leaderHoldsLease(raft: RaftState, message: Message): boolean {
  if (sameBytes(message.context, TRANSFER_CONTEXT)) return false;
  if (raft.lease.isPromised) return true;
  const { checkQuorum, electionTicks } = raft.options;
  return checkQuorum && raft.lead !== NONE && raft.electionElapsed < electionTicks;
}

/** Answers a vote or pre-vote request of our term, or a pre-vote of a later one. */
export function answerVoteRequest(raft: RaftState, message: Message): void {
  const pre = message.type === 'MsgPreVote';
  const type = pre ? 'MsgPreVoteResp' : 'MsgVoteResp';
  const mayVote =
    raft.vote === message.from ||
    (raft.vote === NONE && raft.lead === NONE) ||
    (pre && message.term > raft.term);
  // A learner votes too when asked: the candidate may know of its promotion before it does.
  if (!mayVote || !raft.log.isUpToDate({ term: message.logTerm, index: message.index })) {
    raft.send({ type, to: message.from, term: raft.term, reject: true, ...knowledge(raft) });
    return;
  }
  raft.send({ type, to: message.from, term: message.term });
  if (!pre) {
    raft.electionElapsed = 0;
    raft.vote = message.from;
  }
}

/**
 * What a member without a vote adds to its refusal: its commit index. The candidate may go by an older
 * membership, in which it needs our vote, and may have in its log the very change that took it from
 * us; if our log is longer we refuse, and cannot stand ourselves. Once it knows that the change is
 * committed it does not need us.
 */
function knowledge(raft: RaftState): Pick<Message, 'index' | 'logTerm' | 'commit'> | undefined {
  if (raft.tracker.isVoter(raft.id)) return undefined;
  const { committed } = raft.log;
  return { index: committed, logTerm: raft.log.term(committed) ?? 0, commit: committed };
}

/** Counts an answer and acts once the vote is decided. */
export function countVote(raft: RaftState, message: Message): void {
  raft.tracker.recordVote(message.from, !message.reject);
  const result = raft.tracker.voteResult();
  if (result === 'won') {
    if (raft.role === 'preCandidate') {
      campaign(raft, 'election');
    } else {
      raft.becomeLeader();
      broadcastAppend(raft);
    }
  } else if (result === 'lost') {
    raft.becomeFollower(raft.term, NONE);
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, position) => byte === b[position]);
}
