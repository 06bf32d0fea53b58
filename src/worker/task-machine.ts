// The life of one task on its node, as a pure function: what is wanted, how far the task is, and what
// the container looks like → the one next step. No step is ever taken twice for the same observation,
// and a task that has ended is never started again.
import { TASK_STATE, isTerminal, type TaskState } from '../model/index.ts';
import type { ContainerObservation } from './runtime/index.ts';

export type TaskStep =
  /** Image, network, container; then state ready. */
  | { readonly kind: 'prepare' }
  /** Nothing to do until the desired state grows. */
  | { readonly kind: 'hold' }
  | { readonly kind: 'start' }
  /** It runs: wait for its end. */
  | { readonly kind: 'wait' }
  | { readonly kind: 'shutdown' }
  /** The container ended, or was lost; report that. */
  | { readonly kind: 'ended' }
  /** Ended and reported: nothing to do until the assignment goes. */
  | { readonly kind: 'done' };

/** `state` is the last observed state that was reported. */
export function nextStep(
  desired: TaskState,
  state: TaskState,
  container: ContainerObservation,
): TaskStep {
  if (isTerminal(state)) return { kind: 'done' };
  if (TASK_STATE[desired] >= TASK_STATE.shutdown) return { kind: 'shutdown' };
  switch (container.state) {
    case 'absent':
      // A container that was there and is gone was not stopped by us: its task has failed.
      return TASK_STATE[state] >= TASK_STATE.starting ? { kind: 'ended' } : { kind: 'prepare' };
    case 'created':
      if (TASK_STATE[state] >= TASK_STATE.running) return { kind: 'ended' };
      return TASK_STATE[desired] >= TASK_STATE.running ? { kind: 'start' } : { kind: 'hold' };
    case 'running':
      return TASK_STATE[state] >= TASK_STATE.running ? { kind: 'wait' } : { kind: 'start' };
    case 'exited':
      return { kind: 'ended' };
  }
}
