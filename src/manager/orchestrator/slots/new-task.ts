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

export interface NewTaskOptions {
  readonly slot: number;
  /** Global services choose the node themselves. */
  readonly nodeId?: string | undefined;
  readonly desiredState: TaskState;
  readonly startAfter?: number | undefined;
  readonly replaces?: string | undefined;
}

/** The action that creates one task of the service's current revision. */
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
    status: { state: 'new', timestamp: now, message: 'created' },
    networks: [],
    ...(options.nodeId === undefined ? {} : { nodeId: options.nodeId }),
    ...(options.startAfter === undefined ? {} : { startAfter: options.startAfter }),
    ...(options.replaces === undefined ? {} : { replaces: options.replaces }),
  };
  return create('task', task);
}

/** Desired state only ever grows. */
export function desire(task: Task, desiredState: TaskState): Action {
  return update('task', { ...task, desiredState });
}
