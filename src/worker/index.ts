// One node's work: assignments in, containers and networks out, statuses back.
export { Agent, type AgentOptions } from './agent.ts';
export type {
  ContainerObservation,
  Executor,
  TaskContext,
  TaskController,
  TaskExit,
  TaskNamespace,
  TaskNetworking,
} from './runtime/index.ts';
export { Session, type DispatcherConnection } from './session.ts';
export { AssignmentReceiver, emptyTables } from './assignment-set.ts';
