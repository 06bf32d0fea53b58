// How the managers use raft-ts.
import type { RaftOptions, Storage } from 'raft-ts';
import type { Random } from '../../../base/index.ts';
import {
  APPEND_MESSAGE_BYTES,
  INFLIGHT_BYTES_MAX,
  INFLIGHT_MESSAGES_MAX,
  UNAPPLIED_BYTES_MAX,
  UNCOMMITTED_BYTES_MAX,
  type ConsensusOptions,
} from '../contract/index.ts';

/** The options of one member whose state machine is at `applied`. */
export function raftOptions(
  options: ConsensusOptions,
  random: Random,
  storage: Storage,
  applied: number,
): RaftOptions {
  return {
    id: options.self.raftId,
    electionTicks: options.electionTicks,
    heartbeatTicks: options.heartbeatTicks,
    storage,
    applied,
    random: (bound) => random.below(bound),
    // The log is written, and entries are applied, while raft goes on.
    asyncStorageWrites: true,
    // A member that comes back after a cut does not disturb the leader.
    preVote: true,
    // A leader that is cut off stops taking changes, and knows it.
    checkQuorum: true,
    stepDownOnRemoval: true,
    // The layer above asks the leader: it must know the outcome.
    disableProposalForwarding: true,
    maxSizePerMessage: APPEND_MESSAGE_BYTES,
    maxCommittedSizePerReady: UNAPPLIED_BYTES_MAX,
    maxUncommittedSize: UNCOMMITTED_BYTES_MAX,
    maxInflightMessages: INFLIGHT_MESSAGES_MAX,
    maxInflightBytes: INFLIGHT_BYTES_MAX,
  };
}
