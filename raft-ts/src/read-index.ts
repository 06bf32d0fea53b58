// Linearizable reads at the leader (Ongaro §6.4): the commit index, once it is sure that nobody
// else can have committed more.
import type { Message } from './message.ts';
import type { RaftState } from './raft-state.ts';
import { majorityVote } from './quorum.ts';
import { broadcastHeartbeatWith } from './replication.ts';
import { NONE } from './types.ts';

/** Takes a read request. */
export function requestRead(raft: RaftState, message: Message): void {
  if (!raft.committedInTerm) {
    // An earlier leader may have committed more than we know of; so may we, before a restart.
    raft.postponedReads.push(message);
  } else {
    confirmRead(raft, message);
  }
}

/** The first commit of the term has come: takes up what had to wait for it. */
export function releasePostponedReads(raft: RaftState): void {
  if (raft.postponedReads.length === 0 || !raft.committedInTerm) return;
  const messages = raft.postponedReads;
  raft.postponedReads = [];
  for (const message of messages) confirmRead(raft, message);
}

function confirmRead(raft: RaftState, message: Message): void {
  // The only voter asks nobody; a leader that has lost its vote to the only voter must.
  const isAlone = raft.tracker.isSingleton && raft.tracker.isVoter(raft.id);
  if (isAlone || raft.lease.isHeld) {
    answerRead(raft, message, raft.log.committed);
    return;
  }
  raft.readRequests.add(message, raft.log.committed, raft.lease.now);
  raft.readRequests.acknowledge(raft.id, message.context);
  broadcastHeartbeatWith(raft, message.context);
}

/** A member confirmed our leadership. */
export function acknowledgeRead(raft: RaftState, message: Message): void {
  if (message.context.length === 0) return;
  const acks = raft.readRequests.acknowledge(message.from, message.context);
  if (acks === undefined) return;
  const { incoming, outgoing } = raft.tracker.membership.voters;
  const acked = (id: number): boolean | undefined => (acks.has(id) ? true : undefined);
  if (majorityVote(incoming, acked) !== 'won' || majorityVote(outgoing, acked) !== 'won') return;
  const confirmed = raft.readRequests.takeUpTo(message.context);
  // The heartbeat that a quorum has answered went out after this request came in.
  raft.lease.extend(confirmed.at(-1)?.askedAt ?? 0);
  for (const request of confirmed) {
    answerRead(raft, request.message, request.index);
  }
}

function answerRead(raft: RaftState, request: Message, index: number): void {
  if (request.from === NONE || request.from === raft.id) {
    raft.readStates.push({ index, context: request.context });
  } else {
    raft.send({ type: 'MsgReadIndexResp', to: request.from, index, context: request.context });
  }
}
