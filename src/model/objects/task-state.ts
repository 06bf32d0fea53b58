// The life of a task. The numbers are SwarmKit's, 64 apart; a task's observed state only ever grows,
// so of two observations the larger one is the later one (a Lamport clock).

/** States of a task in the order in which they come (SwarmKit’s numbers). */
export const TASK_STATE = {
  new: 0,
  pending: 64,
  assigned: 192,
  accepted: 256,
  preparing: 320,
  ready: 384,
  starting: 448,
  running: 512,
  complete: 576,
  shutdown: 640,
  failed: 704,
  rejected: 768,
  remove: 800,
  orphaned: 832,
} as const;

/** See TASK_STATE. */
export type TaskState = keyof typeof TASK_STATE;

/** All of them, in their order. */
export const TASK_STATES: readonly TaskState[] = [
  'new',
  'pending',
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
  'complete',
  'shutdown',
  'failed',
  'rejected',
  'remove',
  'orphaned',
];

/** Negative, zero or positive as `a` comes before, with or after `b`. */
export function compareTaskStates(a: TaskState, b: TaskState): number {
  return TASK_STATE[a] - TASK_STATE[b];
}

/** True once nothing of the task runs any more (or is known to). */
export function isTerminal(state: TaskState): boolean {
  return TASK_STATE[state] > TASK_STATE.running;
}

/** The later of two observed states. */
export function laterState(a: TaskState, b: TaskState): TaskState {
  return compareTaskStates(a, b) >= 0 ? a : b;
}
