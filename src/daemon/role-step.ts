// What a node does next to be what the managers want it to be, as a pure function: certificate, Raft
// membership and the manager itself are changed one after another, and the process may be killed, or
// the wish change, between any two of them.

export interface RoleState {
  /** What the managers want, as far as they have said it. */
  readonly wanted: 'manager' | 'worker' | undefined;
  /** What the node's certificate says. */
  readonly certified: 'manager' | 'worker';
  /** A manager runs in this process. */
  readonly runs: boolean;
  /** The Raft id this node has is no member's any more, whether its manager runs or not. */
  readonly removed: boolean;
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
 */
export function nextRoleStep(state: RoleState): RoleStep {
  const { wanted, certified, runs, removed, listed } = state;
  if (removed) return 'stopManager';
  if (wanted === undefined) return 'done';
  if (wanted === 'worker') {
    if (runs) return listed ? 'wait' : 'stopManager';
    return certified === 'worker' ? 'done' : 'renew';
  }
  if (certified === 'worker') return 'renew';
  if (!runs) return 'startManager';
  return listed ? 'done' : 'confirm';
}
