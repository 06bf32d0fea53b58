// Small questions about tasks that several parts ask.
import { MESSAGE_MAX, type Task, type TaskStatus } from './objects.ts';
import { TASK_STATE } from './task-state.ts';

/** The orchestrators still want it: desired state is ready, running or complete. */
export function desiredAlive(task: Task): boolean {
  return TASK_STATE[task.desiredState] <= TASK_STATE.complete;
}

/** It ended on its own with an error. */
export function hasFailed(task: Task): boolean {
  return task.status.state === 'failed' || task.status.state === 'rejected';
}

/**
 * When it ended, in the managers' time (ms since 1970): its node's clock may be wrong by hours. Also a
 * status that the managers wrote themselves has their time.
 */
export function endedAt({ status }: Task): number {
  return status.endedSince ?? status.timestamp;
}

/** As managers take it: the beginning of a long message says what matters. */
export function shortened({ message, error, ...status }: TaskStatus): TaskStatus {
  return {
    ...status,
    message: message.slice(0, MESSAGE_MAX),
    ...(error === undefined ? {} : { error: error.slice(0, MESSAGE_MAX) }),
  };
}

/** As `docker service ps` shows it: `web.3`, or `web.<node id>` for global services. */
export function taskName(
  serviceName: string,
  task: { slot: number; nodeId?: string | undefined },
): string {
  return `${serviceName}.${task.slot > 0 ? task.slot : (task.nodeId ?? '')}`;
}

/** Name of the container of a task, as Docker's executor names it. */
export function containerName(
  serviceName: string,
  task: { id: string; slot: number; nodeId?: string | undefined },
): string {
  return `${taskName(serviceName, task)}.${task.id}`;
}

/** What a task fills in its service: the number of its slot, or in global services its node's id. */
export function slotKey(task: Pick<Task, 'slot' | 'nodeId'>): string {
  return task.slot > 0 ? String(task.slot) : (task.nodeId ?? '');
}

/** Older tasks first; the id decides between tasks of one entry. */
export function compareAge(a: Task, b: Task): number {
  return (a.createdIndex ?? 0) - (b.createdIndex ?? 0) || (a.id < b.id ? -1 : 1);
}
