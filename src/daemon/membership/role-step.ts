// What a node does next to be what the managers want it to be, as a pure function: certificate, Raft
// membership and the manager itself are changed one after another, and the process may be killed, or
// what is wanted changes, between any two of them.

export interface RoleState {
  /** What the managers want, as far as they have said it. */
  readonly wanted: 'manager' | 'worker' | undefined;
  /**
   * What the node's certificate says, and the managers' record of it: where they differ, because the
   * answer to a request for a certificate was lost, a worker's.
   */
  readonly certified: 'manager' | 'worker';
  /** A manager runs in this process. */
  readonly runs: boolean;
  /** Raft has told the manager that it is no member any more. */
  readonly removed: boolean;
  /** The leader has said that the Raft id of this node is no member's any more. */
  readonly refused: boolean;
  /** The managers name this node among themselves. */
  readonly listed: boolean;
}

export type RoleStep =
  /** Certificate, membership and process are as wanted. */
  | 'done'
  /** The managers take us out of Raft first. */
  | 'wait'
  /** Ask for a certificate: it comes with the role that is wanted now. */
  | 'renew'
  /** Join Raft under a new id. */
  | 'startManager'
  /** Stop the manager and forget its log and its Raft id: neither is ever used again. */
  | 'stopManager'
  /**
   * Ask to be added under the id we have: nothing happens if we are a member. A `conflict` says that
   * we were removed without hearing of it.
   */
  | 'confirm';

/**
 * The next step. A node that was demoted and promoted again before it noticed still has the Raft id
 * that was removed: that one has to go, whatever is wanted.
 *
 * A manager that Raft has removed goes on answering the others until the managers no longer list it, or
 * refuse it: only then they have all stored that they can decide without it. One of two that went at
 * once would leave the other, after a kill, with a log in which both still have to vote.
 */
export function nextRoleStep(state: RoleState): RoleStep {
  const { wanted, certified, runs, removed, refused, listed } = state;
  if (refused) return 'stopManager';
  if (wanted === undefined) return 'done';
  if (wanted === 'worker') {
    if (runs) return listed ? 'wait' : 'stopManager';
    return certified === 'worker' ? 'done' : 'renew';
  }
  if (certified === 'worker') return 'renew';
  if (!runs) return 'startManager';
  if (removed) return listed ? 'confirm' : 'stopManager';
  return listed ? 'done' : 'confirm';
}
