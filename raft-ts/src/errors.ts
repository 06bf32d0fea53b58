// What this package throws: `RaftError` for calls that cannot be served now, a plain Error for a
// broken invariant, after which the member must not go on.

/** Why a call was refused. */
export type RaftErrorReason =
  /** There is no leader, a leadership transfer is under way, or too much waits to be committed. */
  | 'proposalDropped'
  /** The message may only come from the host itself. */
  | 'localMessage'
  /** An answer from somebody who is not a member. */
  | 'unknownPeer'
  /** The membership change does not fit the current membership. */
  | 'confChange'
  | 'options';

const TEXT: Readonly<Record<RaftErrorReason, string>> = {
  proposalDropped: 'raft proposal dropped',
  localMessage: 'raft: cannot step raft local message',
  unknownPeer: 'raft: cannot step as peer not found',
  confChange: 'raft: impossible membership change',
  options: 'raft: bad options',
};

/** A refused call; the member is unharmed. */
export class RaftError extends Error {
  override readonly name = 'RaftError';
  readonly reason: RaftErrorReason;

  constructor(reason: RaftErrorReason, message?: string) {
    super(message ?? TEXT[reason]);
    this.reason = reason;
  }
}

/** Ends the member when something that must hold does not. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`raft invariant broken: ${message}`);
}
