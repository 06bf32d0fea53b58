// /services/{id}/logs and /tasks/{id}/logs: lines of all tasks of a service from all nodes in one
// stream of frames. With follow, tasks that are made later join in.
import type { ServerResponse } from 'node:http';
import { find } from '../../manager/index.ts';
import { TASK_STATE, type Task } from '../../model/index.ts';
import type { LogQuery, ManagerBackend } from '../backend.ts';
import type { Reply, Request, Route } from '../router.ts';
import { manager } from './context.ts';
import { LogOutput, outputOptions, parseLogQuery, pump, streamType } from './log-stream.ts';

export const logRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/services/{id:service}/logs', handler: serviceLogs },
  { method: 'GET', pattern: '/tasks/{id:task}/logs', handler: taskLogs },
];

/** Tasks of one service whose logs are read at once. */
const TASKS_MAX = 1_000;

function serviceLogs(request: Request, response: ServerResponse): Promise<Reply> {
  const { manager: backend } = manager(request);
  const service = find(backend.view, 'service', request.params['id'] ?? '');
  const tasks = (): readonly Task[] => [...backend.view.tasksOfService(service.id)];
  return stream(
    request,
    response,
    backend,
    tasks,
    service.spec.TaskTemplate.ContainerSpec.TTY === true,
  );
}

function taskLogs(request: Request, response: ServerResponse): Promise<Reply> {
  const { manager: backend } = manager(request);
  const { id, revisionId } = find(backend.view, 'task', request.params['id'] ?? '');
  const tasks = (): readonly Task[] => [backend.view.get('task', id)].flatMap((task) => task ?? []);
  const tty =
    backend.view.get('revision', revisionId)?.spec.TaskTemplate.ContainerSpec.TTY === true;
  return stream(request, response, backend, tasks, tty);
}

async function stream(
  request: Request,
  response: ServerResponse,
  backend: ManagerBackend,
  tasks: () => readonly Task[],
  tty: boolean,
): Promise<Reply> {
  const query = parseLogQuery(request);
  const output = new LogOutput(response, outputOptions(request, tty));
  const abort = new AbortController();
  response.once('close', () => abort.abort());
  response.writeHead(200, { 'Content-Type': streamType(request, tty) });
  response.flushHeaders();
  const readers = new Map<string, Promise<void>>();
  const add = (): void => {
    for (const task of tasks()) {
      const placed =
        task.nodeId !== undefined && TASK_STATE[task.status.state] >= TASK_STATE.starting;
      if (!placed || readers.has(task.id) || readers.size >= TASKS_MAX) continue;
      readers.set(task.id, read(backend, task, query, output, abort.signal));
    }
  };
  add();
  if (query.follow) {
    const stop = backend.changes(add);
    await new Promise<void>((resolve) => abort.signal.addEventListener('abort', () => resolve()));
    stop();
  }
  await Promise.all(readers.values());
  response.end();
  return 'handled';
}

function read(
  backend: ManagerBackend,
  task: Task,
  query: LogQuery,
  output: LogOutput,
  signal: AbortSignal,
): Promise<void> {
  const lines = backend.taskLogs(task.id, query, signal);
  return pump(lines, output, signal, { details: detailsOf(task), name: `task ${task.id}` });
}

/** Sorted by key, as clients expect it. */
function detailsOf(task: Task): string {
  return [
    `com.docker.swarm.node.id=${task.nodeId ?? ''}`,
    `com.docker.swarm.service.id=${task.serviceId}`,
    `com.docker.swarm.task.id=${task.id}`,
  ].join(',');
}
