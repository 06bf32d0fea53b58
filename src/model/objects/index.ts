// The cluster's objects as managers keep them, the actions that change them, and the levels of both.
export {
  type Action,
  type Draft,
  type StoreChange,
  type Transaction,
  create,
  decodeAction,
  isTableName,
  prepareDecoders,
  remove,
  update,
} from './action.ts';
export { type Constraint, matchesConstraints, parseConstraint, valueOf } from './constraint.ts';
export { FEATURE_LEVEL, levelProblem } from './feature-level.ts';
export { createJoinToken, parseJoinToken, tokenMatchesRoot } from './join-token.ts';
export { nodeAddresses } from './node-addresses.ts';
export {
  ADDRESS,
  HOST_ENCRYPTION,
  HOST_PORT,
  ID,
  LABEL,
  MESSAGE_MAX,
  NETWORK_SUBNET,
  NODE_DESCRIPTION,
  REPORTED_STATUS,
  TABLES,
  TASK_ATTACHMENT,
  TASK_NETWORK,
  TASK_STATUS,
  specIndexOf,
} from './objects.ts';
export {
  createRevision,
  currentAsPrevious,
  previousBesideTasks,
  rolledBack,
  tasksDiffer,
  tasksDifferBesidePlacement,
} from './service-versions.ts';
export {
  TASK_STATE,
  TASK_STATES,
  type TaskState,
  compareTaskStates,
  isTerminal,
  laterState,
} from './task-state.ts';
export {
  compareAge,
  containerName,
  desiredAlive,
  endedAt,
  hasFailed,
  shortened,
  slotKey,
  taskName,
} from './task.ts';
export type * from './objects.ts';
