// What managers and agents say to each other.
export { checkedAssignment } from './assignment-check.ts';
export { ASSIGNMENT_KINDS, TASK_ASSIGNMENT } from './assignment.ts';
export { AGENT_MESSAGE, DISPATCHER_MESSAGE, REPORTS_PER_MESSAGE } from './messages.ts';
export { TRACE_ANSWER, TRACE_QUESTION } from './trace.ts';
export type * from './assignment.ts';
export type * from './trace.ts';
export type * from './messages.ts';
