// The contract between the keeper of users' containers (standalone/) and whatever runs them. Unlike that
// of a task such a container may run again and again: its files stay until it is removed. `key` is its
// name among the tasks of the runtime. Every call may be repeated, and may be the first after a crash.
import type { TaskContext, TaskExit } from './executor.ts';

/** Keys of users' containers begin with this, ids of tasks never do. */
export const USER_CONTAINER_PREFIX = 'container.';

export interface RunEnd extends TaskExit {
  /** Milliseconds since 1970. */
  readonly finishedAt: number;
}

/** How the last run stands. */
export interface ContainerRun {
  readonly state: 'absent' | 'created' | 'running' | 'exited';
  readonly pid: number;
  readonly startedAt: number | undefined;
  readonly end: RunEnd | undefined;
}

export interface ContainerLogLine {
  readonly stream: 'stdout' | 'stderr';
  /** RFC 3339 with nine digits, UTC: times compare as text. */
  readonly time: string;
  /** Without its newline; a long line comes in pieces, all but the last with `partial`. */
  readonly line: string;
  readonly partial: boolean;
}

export interface ContainerLogOptions {
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** Only the last so many lines; default all. */
  readonly tail?: number;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly until?: number;
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

export interface ContainerRuntime {
  containerId(key: string): string;
  /** Of an image that is here; undefined for one that is not. */
  imageId(reference: string): Promise<string | undefined>;
  /** Raises `invalid` for what is no signal. */
  checkSignal(signal: string): void;
  /** Network, volumes, files and container, after `renew`; not started. */
  prepare(context: TaskContext): Promise<void>;
  /** Resolves when the process runs, healthy or not. */
  start(key: string): Promise<void>;
  observe(key: string): Promise<ContainerRun>;
  health(key: string): Promise<'starting' | 'healthy' | 'unhealthy' | undefined>;
  volumes(key: string): Promise<readonly string[]>;
  /** The end of the present run; rejects when `signal` aborts. */
  wait(key: string, signal: AbortSignal): Promise<RunEnd>;
  /** Stop signal, grace period, then kill; absent values are the container's own. */
  stop(key: string, how: { readonly signal?: string; readonly graceMs?: number }): Promise<void>;
  kill(key: string, signal: string): Promise<void>;
  /** Forgets how the last run ended, so that another one can begin. */
  renew(key: string): Promise<void>;
  /** Container and files are gone; with `volumes` also the volumes that only it had. */
  remove(key: string, volumes: boolean): Promise<void>;
  logs(key: string, options: ContainerLogOptions): AsyncIterable<ContainerLogLine>;
}
