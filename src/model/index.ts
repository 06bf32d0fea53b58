// The objects of the cluster: immutable, without behaviour beyond arithmetic and matching.
export type * from './assignment.ts';
export type * from './objects.ts';
export type * from './spec.ts';
export {
  TASK_STATE,
  compareTaskStates,
  isTerminal,
  laterState,
  type TaskState,
} from './task-state.ts';
