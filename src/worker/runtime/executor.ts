// The contract between the agent (which decides) and whatever runs containers (which acts).
//
// One controller belongs to one task. The agent calls, in this order and never two at once:
//
//   prepare  image present, volumes and network attached, container created, not started
//   start    process runs; with a HEALTHCHECK the promise resolves only when it is healthy, without
//            one when it listens on its published (or exposed) TCP ports, or does not within 2 s
//   wait     resolves when the process has ended, however that came about
//   connections  how many clients are being served: the agent asks before it stops a task
//   shutdown stop signal, grace period, then kill; resolves when the process is gone
//   remove   container, its files and network attachment are gone
//
// Every call may be repeated, and every call may come first: after a restart of the daemon the agent
// asks a fresh controller to go on where the container stands (`observe`). An error before `start` was
// called makes the task REJECTED, one after it FAILED; `SwarmError.temporary` ones are retried.
import type {
  NodeDescription,
  PayloadAssignment,
  RevisionAssignment,
  TaskAssignment,
} from '../../model/index.ts';

export interface TaskExit {
  readonly exitCode: number;
  /** Killed by the kernel for want of memory. */
  readonly oomKilled: boolean;
  /** Said to the user, e.g. "task: non-zero exit (137): OOM killed" or the failing health check's output. */
  readonly error?: string;
}

export interface ContainerObservation {
  readonly state: 'absent' | 'created' | 'running' | 'exited';
  readonly containerId?: string;
  readonly pid?: number;
  /** Running, and either healthy or without a health check. */
  readonly healthy?: boolean;
  readonly exit?: TaskExit;
}

export interface TaskController {
  /** What there is now, without changing anything. */
  observe(): Promise<ContainerObservation>;
  prepare(signal: AbortSignal): Promise<void>;
  start(signal: AbortSignal): Promise<void>;
  /** The end of the process; also when a health check declared it unhealthy (it is stopped first). */
  wait(signal: AbortSignal): Promise<TaskExit>;
  /** TCP connections from elsewhere to ports that the task listens on, as they are now. */
  connections(): Promise<number>;
  shutdown(): Promise<TaskExit>;
  remove(): Promise<void>;
}

export interface TaskContext {
  readonly task: TaskAssignment;
  readonly revision: RevisionAssignment;
  /** Looks up a secret or config that came with the assignments. */
  payload(id: string): PayloadAssignment | undefined;
  /** For templates such as {{.Node.Hostname}}. */
  readonly node: {
    readonly id: string;
    readonly hostname: string;
    readonly platform: { readonly architecture: string; readonly os: string };
  };
  /** A user's container (container-runtime.ts) instead of a task's: with its own name, no templates. */
  readonly container?: { readonly name: string };
}

export interface Executor {
  describe(): Promise<NodeDescription>;
  controller(context: TaskContext): TaskController;
  /** Ids of all tasks that have a container here, known to the agent or not. */
  listTasks(): Promise<string[]>;
  /** Removes a container for which no assignment is left. */
  removeTask(taskId: string): Promise<void>;
}

/**
 * What the executor needs of the network side. `attach` makes (or finds, after a restart) the task's
 * network namespace with all its interfaces and its resolver; it must be repeatable.
 */
export interface TaskNetworking {
  attach(task: TaskAssignment): Promise<TaskNamespace>;
  detach(taskId: string): Promise<void>;
}

export interface TaskNamespace {
  /** Path to be put into the OCI spec; undefined = the host's own network namespace. */
  readonly path: string | undefined;
  /** Address → names, for /etc/hosts beside localhost. */
  readonly hosts: readonly { readonly address: string; readonly names: readonly string[] }[];
  /** For /etc/resolv.conf, unless the spec sets its own. */
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}
