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
} from './executor.ts';
export type { DispatcherConnection } from './session.ts';
