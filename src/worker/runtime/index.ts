// The contracts of what runs containers: for tasks, and for users.
export {
  type ContainerLogLine,
  type ContainerLogOptions,
  type ContainerRun,
  type ContainerRuntime,
  type RunEnd,
  USER_CONTAINER_PREFIX,
} from './container-runtime.ts';
export type {
  ContainerObservation,
  Executor,
  TaskContext,
  TaskController,
  TaskExit,
  TaskNamespace,
  TaskNetworking,
} from './executor.ts';
