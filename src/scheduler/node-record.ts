// What the scheduler knows of a node: free resources, its tasks, ports in use, recent failures. Kept up
// task by task, and by the task's id: to say the same twice changes nothing, and what was said of a task
// earlier is taken back whatever it was.
import {
  TASK_STATE,
  isTerminal,
  type Node,
  type PortConfig,
  type ServiceSpec,
  type Task,
} from '../model/index.ts';

/** SwarmKit's values: a node with this many recent failures of a revision comes last for it. */
export const FAILURES_TO_AVOID = 5;
/** How long a failure counts, in milliseconds. */
export const FAILURE_WINDOW_MS = 5 * 60_000;

/** What a task takes from its node, and asks of it. */
export interface Demand {
  /** Billionths of a processor. */
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  /** `${protocol}/${published}` of ports in mode host. */
  readonly hostPorts: readonly string[];
  /** One of its networks is encrypted. */
  readonly encrypted?: boolean;
}

/** What tasks of a spec take; `ports` are those that the service was granted. */
export function demandOf(spec: ServiceSpec, ports: readonly PortConfig[]): Demand {
  const reservations = spec.TaskTemplate.Resources?.Reservations;
  return {
    nanoCpus: reservations?.NanoCPUs ?? 0,
    memoryBytes: reservations?.MemoryBytes ?? 0,
    hostPorts: ports
      .filter((port) => port.PublishMode === 'host' && (port.PublishedPort ?? 0) > 0)
      .map((port) => `${port.Protocol}/${port.PublishedPort}`),
  };
}

/** Takes room on its node: placed and not known to have ended. */
export function occupies(task: Task): boolean {
  return TASK_STATE[task.status.state] >= TASK_STATE.assigned && !isTerminal(task.status.state);
}

interface Taken {
  readonly serviceId: string;
  readonly demand: Demand;
}

/** One node and what is on it. */
export class NodeRecord {
  /** Replaced when the node changes; its tasks stay. */
  node: Node;
  /** By task id. */
  readonly #taken = new Map<string, Taken>();
  readonly #byService = new Map<string, number>();
  /** How many tasks have a port: while one stops, its successor may be there. */
  readonly #hostPorts = new Map<string, number>();
  /** By revision, then by task: when it failed. */
  readonly #failures = new Map<string, Map<string, number>>();
  /** Revision of each task that has failed. */
  readonly #failed = new Map<string, string>();
  #nanoCpus = 0;
  #memoryBytes = 0;

  constructor(node: Node) {
    this.node = node;
  }

  get freeNanoCpus(): number {
    return (this.node.description?.resources.nanoCpus ?? 0) - this.#nanoCpus;
  }

  get freeMemoryBytes(): number {
    return (this.node.description?.resources.memoryBytes ?? 0) - this.#memoryBytes;
  }

  /** Tasks that occupy it. */
  get taskCount(): number {
    return this.#taken.size;
  }

  /** How many of them are of this service. */
  tasksOf(serviceId: string): number {
    return this.#byService.get(serviceId) ?? 0;
  }

  /** Whether one of its tasks has this port (`${protocol}/${published}`). */
  hasPort(port: string): boolean {
    return this.#hostPorts.has(port);
  }

  /** Whether tasks of the revision keep failing here; `now` in ms since 1970. */
  avoids(revisionId: string, now: number): boolean {
    const times = this.#failures.get(revisionId);
    if (times === undefined || times.size < FAILURES_TO_AVOID) return false;
    let recent = 0;
    for (const time of times.values()) if (time > now - FAILURE_WINDOW_MS) recent++;
    return recent >= FAILURES_TO_AVOID;
  }

  /** The state of a task that is on this node; whether that changes anything that placements go by. */
  put(task: Task, demand: Demand): boolean {
    const { id, serviceId, status } = task;
    const forgot = this.#forgetFailure(id);
    const failed = status.state === 'failed' || status.state === 'rejected';
    if (failed) this.#addFailure(id, task.revisionId, status.timestamp);
    if (!occupies(task)) return this.#giveBack(id) || forgot || failed;
    const known = this.#taken.get(id);
    const same = known?.serviceId === serviceId && isSame(known.demand, demand);
    if (!same) this.take(id, serviceId, demand);
    return !same || forgot;
  }

  /** A task that is not on this node, or that is no more; whether it was known. */
  remove(taskId: string): boolean {
    const forgot = this.#forgetFailure(taskId);
    return this.#giveBack(taskId) || forgot;
  }

  /** Room for a task that was placed here. */
  take(taskId: string, serviceId: string, demand: Demand): void {
    if (this.#taken.has(taskId)) this.#giveBack(taskId);
    this.#taken.set(taskId, { serviceId, demand });
    this.#byService.set(serviceId, this.tasksOf(serviceId) + 1);
    this.#nanoCpus += demand.nanoCpus;
    this.#memoryBytes += demand.memoryBytes;
    for (const port of demand.hostPorts) {
      this.#hostPorts.set(port, (this.#hostPorts.get(port) ?? 0) + 1);
    }
  }

  #giveBack(taskId: string): boolean {
    const taken = this.#taken.get(taskId);
    if (taken === undefined) return false;
    const { serviceId, demand } = taken;
    this.#taken.delete(taskId);
    countDown(this.#byService, serviceId);
    this.#nanoCpus -= demand.nanoCpus;
    this.#memoryBytes -= demand.memoryBytes;
    for (const port of demand.hostPorts) countDown(this.#hostPorts, port);
    return true;
  }

  #addFailure(taskId: string, revisionId: string, time: number): void {
    this.#failed.set(taskId, revisionId);
    let times = this.#failures.get(revisionId);
    if (times === undefined) this.#failures.set(revisionId, (times = new Map()));
    times.set(taskId, time);
  }

  #forgetFailure(taskId: string): boolean {
    const revisionId = this.#failed.get(taskId);
    if (revisionId === undefined) return false;
    this.#failed.delete(taskId);
    const times = this.#failures.get(revisionId);
    times?.delete(taskId);
    if (times?.size === 0) this.#failures.delete(revisionId);
    return true;
  }
}

function isSame(a: Demand, b: Demand): boolean {
  return (
    a.nanoCpus === b.nanoCpus &&
    a.memoryBytes === b.memoryBytes &&
    a.hostPorts.length === b.hostPorts.length &&
    a.hostPorts.every((port, i) => port === b.hostPorts[i])
  );
}

function countDown(counts: Map<string, number>, key: string): void {
  const left = (counts.get(key) ?? 0) - 1;
  if (left > 0) counts.set(key, left);
  else counts.delete(key);
}
