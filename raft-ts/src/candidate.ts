// What a candidate or pre-candidate does with a message.
import { countVote } from './election.ts';
import { RaftError } from './errors.ts';
import { acceptFromLeader } from './follower.ts';
import type { Message } from './message.ts';
import type { RaftState } from './raft-state.ts';

/** Handles a message of the current term, or a local one. */
export function stepCandidate(raft: RaftState, message: Message): void {
  switch (message.type) {
    case 'MsgProp':
      throw new RaftError('proposalDropped');
    case 'MsgApp':
    case 'MsgHeartbeat':
    case 'MsgSnap':
      // Somebody else has won this term.
      raft.becomeFollower(message.term, message.from);
      raft.lease.promise();
      acceptFromLeader(raft, message);
      return;
    case 'MsgVoteResp':
    case 'MsgPreVoteResp': {
      // Answers to the other question may be under way still.
      const expected = raft.role === 'preCandidate' ? 'MsgPreVoteResp' : 'MsgVoteResp';
      if (message.type === expected) countVote(raft, message);
      return;
    }
    default:
  }
}
