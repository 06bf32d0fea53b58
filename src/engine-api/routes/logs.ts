// /services/{id}/logs and /tasks/{id}/logs: lines of all tasks of a service from all nodes in one
// stream of frames. With follow, tasks that are made later join in, until no line can come any more. A node that is away takes its own
// lines with it and no others.
import { deferred } from '../../base/async/index.ts';
import type { ServerResponse } from 'node:http';
import { TASK_STATE, isTerminal, type Task } from '../../model/index.ts';
import type { ManagerBackend } from '../backend/index.ts';
import type { Reply, Request, Route } from '../http/index.ts';
import { manager } from '../requests/index.ts';
import {
  LogOutput,
  TaskLogReader,
  outputOptions,
  parseLogQuery,
  streamType,
} from '../streams/index.ts';

export const logRoutes: readonly Route[] = [
  {
    method: 'GET',
    pattern: '/services/{id:service}/logs',
    permission: 'log.read',
    handler: serviceLogs,
  },
  { method: 'GET', pattern: '/tasks/{id:task}/logs', permission: 'log.read', handler: taskLogs },
];

/** Tasks of one service whose logs are read at once. */
const TASKS_MAX = 1_000;

function serviceLogs(request: Request, response: ServerResponse): Promise<Reply> {
  const { manager: backend } = manager(request);
  const service = backend.queries.find('service', request.params['id'] ?? '');
  const tasks = (): readonly Task[] => backend.queries.tasksOfService(service.id);
  const isOver = (): boolean => backend.queries.service(service.id) === undefined;
  const tty = service.spec.TaskTemplate.ContainerSpec.TTY === true;
  return stream(request, response, backend, { tasks, isOver }, tty);
}

function taskLogs(request: Request, response: ServerResponse): Promise<Reply> {
  const { manager: backend } = manager(request);
  const { id, revisionId } = backend.queries.find('task', request.params['id'] ?? '');
  const tasks = (): readonly Task[] => [backend.queries.task(id)].flatMap((task) => task ?? []);
  const tty =
    backend.queries.revisionOf({ revisionId })?.spec.TaskTemplate.ContainerSpec.TTY === true;
  const isOver = (): boolean => tasks().every((task) => isTerminal(task.status.state));
  return stream(request, response, backend, { tasks, isOver }, tty);
}

/** Whose lines are read. */
interface Source {
  readonly tasks: () => readonly Task[];
  /** No further task will come; those that are read end by themselves. */
  readonly isOver: () => boolean;
}

async function stream(
  request: Request,
  response: ServerResponse,
  backend: ManagerBackend,
  { tasks, isOver }: Source,
  tty: boolean,
): Promise<Reply> {
  const query = parseLogQuery(request);
  const output = new LogOutput(response, outputOptions(request, tty));
  const abort = new AbortController();
  response.once('close', () => abort.abort());
  response.writeHead(200, { 'Content-Type': streamType(request, tty) });
  response.flushHeaders();
  const readers = new Map<string, Promise<void>>();
  const reasons = new Set<string>();
  const read = async (task: Task): Promise<void> => {
    const { signal } = abort;
    const details = detailsOf(task);
    const reader = new TaskLogReader({ backend, task, query, output, details, signal });
    const reason = await reader.run();
    if (reason !== undefined) reasons.add(reason);
  };
  const add = (): void => {
    for (const task of tasks()) {
      const placed =
        task.nodeId !== undefined && TASK_STATE[task.status.state] >= TASK_STATE.starting;
      if (!placed || readers.has(task.id)) continue;
      if (readers.size >= TASKS_MAX) reasons.add(`only ${TASKS_MAX} tasks are read at once`);
      else readers.set(task.id, read(task));
    }
  };
  add();
  if (query.follow) {
    const ended = deferred();
    const over = (): void => ended.resolve();
    const look = (): void => {
      add();
      if (abort.signal.aborted || isOver()) over();
    };
    const stop = backend.changes(look);
    abort.signal.addEventListener('abort', over);
    look();
    await ended.promise;
    stop();
  }
  await Promise.all(readers.values());
  // At the end: a client that reads an error reads no further.
  if (reasons.size > 0 && !abort.signal.aborted) output.problem(incomplete(reasons));
  response.end();
  return 'handled';
}

const REASONS_MAX = 10;

/** Docker's words. */
function incomplete(reasons: ReadonlySet<string>): string {
  const shown = [...reasons].slice(0, REASONS_MAX).join(', ');
  const more = reasons.size > REASONS_MAX ? `, and ${reasons.size - REASONS_MAX} more` : '';
  return `warning: incomplete log stream. some logs could not be retrieved for the following reasons: ${shown}${more}`;
}

/** Sorted by key, as clients expect it. */
function detailsOf(task: Task): string {
  return [
    `com.docker.swarm.node.id=${task.nodeId ?? ''}`,
    `com.docker.swarm.service.id=${task.serviceId}`,
    `com.docker.swarm.task.id=${task.id}`,
  ].join(',');
}
