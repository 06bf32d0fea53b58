// The options of a member, checked and completed.
import { RaftError } from './errors.ts';
import type { Storage } from './storage.ts';
import { NO_LIMIT } from './types.ts';

/** `safe` asks a quorum for every read; `leaseBased` trusts clocks and needs `checkQuorum`. */
export type ReadOnlyMode = 'safe' | 'leaseBased';

/** What a member is made of. Ticks are the host's: the core knows no other time. */
export interface RaftOptions {
  /** Positive and unique in the group for ever. */
  readonly id: number;
  /** Ticks without a word from the leader until an election; e.g. ten times `heartbeatTicks`. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly storage: Storage;
  /** Index up to which the state machine already is; set it when restarting from its own state. */
  readonly applied?: number;
  /** An integer in [0, bound), for the spread of election time-outs. */
  readonly random: (bound: number) => number;
  /** The host writes and applies concurrently and is driven by messages; see `RawNode`. */
  readonly asyncStorageWrites?: boolean;
  /** Bytes of entries in one append message. Default: no limit. */
  readonly maxSizePerMessage?: number;
  /** Bytes of entries handed out to be applied at a time. Default: `maxSizePerMessage`. */
  readonly maxCommittedSizePerReady?: number;
  /** Bytes of payload waiting to be committed at the leader, beyond which proposals are dropped. */
  readonly maxUncommittedSize?: number;
  /** Append messages on their way to one member. Default 256. */
  readonly maxInflightMessages?: number;
  /** Bytes on their way to one member; 0 (the default) means no limit. */
  readonly maxInflightBytes?: number;
  /** The leader steps down when it has not heard a quorum for an election time-out. */
  readonly checkQuorum?: boolean;
  /** Asks whether an election could be won before raising the term (Ongaro §9.6). */
  readonly preVote?: boolean;
  readonly readOnlyMode?: ReadOnlyMode;
  /** Followers drop proposals instead of sending them to the leader. */
  readonly disableProposalForwarding?: boolean;
  /** Takes any membership change into the log, fitting or not; for owners that check themselves. */
  readonly disableConfChangeValidation?: boolean;
  /**
   * A leader that is removed, or made a learner, becomes a follower when that is applied. Others may
   * then not know yet that the change is committed: where the leader is among several voters that one
   * change takes out, leave this off and hand leadership over afterwards, or the group may be left
   * with voters that cannot win.
   */
  readonly stepDownOnRemoval?: boolean;
}

/** With all defaults filled in. */
export type CompleteRaftOptions = Required<RaftOptions>;

/** Throws `options` for values that cannot work. */
export function completeOptions(options: RaftOptions): CompleteRaftOptions {
  const maxSizePerMessage = options.maxSizePerMessage ?? NO_LIMIT;
  const complete: CompleteRaftOptions = {
    applied: 0,
    asyncStorageWrites: false,
    maxCommittedSizePerReady: maxSizePerMessage,
    maxUncommittedSize: NO_LIMIT,
    maxInflightMessages: 256,
    maxInflightBytes: 0,
    checkQuorum: false,
    preVote: false,
    readOnlyMode: 'safe',
    disableProposalForwarding: false,
    disableConfChangeValidation: false,
    stepDownOnRemoval: false,
    ...options,
    maxSizePerMessage,
  };
  require(Number.isSafeInteger(options.id) && options.id > 0, 'id must be a positive integer');
  require(complete.heartbeatTicks > 0, 'heartbeatTicks must be above 0');
  require(complete.electionTicks >
    complete.heartbeatTicks, 'electionTicks must be above heartbeatTicks');
  require(complete.maxInflightMessages > 0, 'maxInflightMessages must be above 0');
  require(complete.maxInflightBytes === 0 ||
    complete.maxInflightBytes >=
      complete.maxSizePerMessage, 'maxInflightBytes must be at least maxSizePerMessage');
  require(complete.readOnlyMode === 'safe' ||
    complete.checkQuorum, 'readOnlyMode leaseBased needs checkQuorum');
  return complete;
}

function require(condition: boolean, message: string): void {
  if (!condition) throw new RaftError('options', `raft: ${message}`);
}
