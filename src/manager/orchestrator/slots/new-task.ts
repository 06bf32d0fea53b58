// Makes task records, and the small changes that orchestrators make to them.
import { newId, type Random } from '../../../base/index.ts';
import {
  create,
  update,
  type Action,
  type Draft,
  type Service,
  type Task,
  type TaskState,
} from '../../../model/index.ts';

/** What makes one task differ from the next. */
export interface NewTaskOptions {
  /** Number of its slot; 0 in global services. */
  readonly slot: number;
  /** Global services choose the node themselves. */
  readonly nodeId?: string | undefined;
  readonly desiredState: TaskState;
  /** When it may run (ms since 1970). */
  readonly startAfter?: number | undefined;
  /** Id of the task whose end it waits for. */
  readonly replaces?: string | undefined;
}

/**
 * The action that creates one task of the service's current revision at `now` (ms since 1970). One that
 * needs no addresses has nothing to wait for but a node: the allocator has nothing to add to it.
 */
export function createTask(
  service: Service,
  options: NewTaskOptions,
  random: Random,
  now: number,
): Action {
  const task: Draft<Task> = {
    id: newId(random),
    serviceId: service.id,
    revisionId: service.revisionId,
    slot: options.slot,
    desiredState: options.desiredState,
    status: needsAddresses(service)
      ? { state: 'new', timestamp: now, message: 'created' }
      : { state: 'pending', timestamp: now, message: 'pending task scheduling' },
    networks: [],
    ...(options.nodeId === undefined ? {} : { nodeId: options.nodeId }),
    ...(options.startAfter === undefined ? {} : { startAfter: options.startAfter }),
    ...(options.replaces === undefined ? {} : { replaces: options.replaces }),
  };
  return create('task', task);
}

/** It is on networks: those that it names, and the mesh's when it publishes there. */
function needsAddresses({ spec, endpoint }: Service): boolean {
  const networks = spec.TaskTemplate.Networks ?? [];
  return networks.length > 0 || endpoint.ports.some((port) => port.PublishMode === 'ingress');
}

/** The action that asks for more of a task's end; desired state only ever grows. */
export function desire(task: Task, desiredState: TaskState): Action {
  return update('task', { ...task, desiredState });
}
