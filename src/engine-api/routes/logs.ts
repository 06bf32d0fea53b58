// /services/{id}/logs and /tasks/{id}/logs: lines of all tasks of a service from all nodes in one
// stream of frames. With follow, tasks that are made later join in.
import type { ServerResponse } from 'node:http';
import { SwarmError, messageOf } from '../../base/index.ts';
import { find } from '../../manager/index.ts';
import { TASK_STATE, type Task } from '../../model/index.ts';
import type { LogLine, LogQuery, ManagerBackend } from '../backend.ts';
import type { Reply, Request, Route } from '../router.ts';
import { MULTIPLEXED, RAW, frame } from '../stream.ts';
import { flag, manager } from './context.ts';

export const logRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/services/{id}/logs', handler: serviceLogs },
  { method: 'GET', pattern: '/tasks/{id}/logs', handler: taskLogs },
];

/** Tasks of one service whose logs are read at once. */
const TASKS_MAX = 1_000;
/** Since API 1.42 the type says whether frames are used. */
const VERSION_WITH_TYPES = 1042;

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
  const query = parseQuery(request);
  const output = new LogOutput(request, response, tty);
  const abort = new AbortController();
  response.once('close', () => abort.abort());
  const type = tty ? RAW : MULTIPLEXED;
  response.writeHead(200, { 'Content-Type': request.version >= VERSION_WITH_TYPES ? type : RAW });
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

async function read(
  backend: ManagerBackend,
  task: Task,
  query: LogQuery,
  output: LogOutput,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const line of backend.taskLogs(task.id, query, signal)) {
      if (signal.aborted) return;
      await output.write(task, line);
    }
  } catch (error) {
    if (!signal.aborted) output.problem(`task ${task.id}: ${messageOf(error)}`);
  }
}

class LogOutput {
  readonly #response: ServerResponse;
  readonly #timestamps: boolean;
  readonly #details: boolean;
  readonly #tty: boolean;

  constructor(request: Request, response: ServerResponse, tty: boolean) {
    this.#response = response;
    this.#timestamps = flag(request, 'timestamps');
    this.#details = flag(request, 'details');
    this.#tty = tty;
  }

  /** Waits when the client is slow, so that nothing piles up here. */
  async write(task: Task, line: LogLine): Promise<void> {
    const time = this.#timestamps ? `${line.time} ` : '';
    const details = this.#details ? `${detailsOf(task)} ` : '';
    const prefix = new TextEncoder().encode(time + details);
    const payload = new Uint8Array(prefix.length + line.text.length);
    payload.set(prefix);
    payload.set(line.text, prefix.length);
    const goesOn = this.#response.write(this.#tty ? payload : frame(line.stream, payload));
    if (goesOn || this.#response.destroyed) return;
    await new Promise<void>((resolve) => {
      this.#response.once('drain', resolve);
      this.#response.once('close', resolve);
    });
  }

  problem(message: string): void {
    if (!this.#tty) this.#response.write(frame(3, new TextEncoder().encode(`${message}\n`)));
  }
}

/** Sorted by key, as clients expect it. */
function detailsOf(task: Task): string {
  return [
    `com.docker.swarm.node.id=${task.nodeId ?? ''}`,
    `com.docker.swarm.service.id=${task.serviceId}`,
    `com.docker.swarm.task.id=${task.id}`,
  ].join(',');
}

function parseQuery(request: Request): LogQuery {
  const stdout = flag(request, 'stdout');
  const stderr = flag(request, 'stderr');
  if (!stdout && !stderr) {
    throw new SwarmError('invalid', 'Bad parameters: you must choose at least one stream');
  }
  const tail = request.query.get('tail') ?? 'all';
  return {
    follow: flag(request, 'follow'),
    stdout,
    stderr,
    tail: /^\d+$/.test(tail) ? Number(tail) : -1,
    since: timeOf(request, 'since'),
    until: timeOf(request, 'until'),
  };
}

/** Unix seconds with a fraction, or RFC 3339; 0 when absent. */
function timeOf(request: Request, name: string): number {
  const text = request.query.get(name) ?? '';
  if (text === '') return 0;
  const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(ms)) throw new SwarmError('invalid', `invalid value for "${name}": ${text}`);
  return ms;
}
