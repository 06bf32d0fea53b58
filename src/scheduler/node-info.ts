// What the scheduler knows of each node, derived from the store: free resources, task counts, ports
// in use, recent failures. Rebuilt = incremental, so it may be thrown away at any time.
import {
  TASK_STATE,
  isTerminal,
  type Node,
  type PortConfig,
  type ServiceSpec,
  type Task,
} from '../model/index.ts';

/** SwarmKit's values: a node with this many recent failures of a service comes last for it. */
export const FAILURES_TO_AVOID = 5;
export const FAILURE_WINDOW_MS = 5 * 60_000;

export interface NodeInfo {
  readonly node: Node;
  readonly freeNanoCpus: number;
  readonly freeMemoryBytes: number;
  readonly taskCount: number;
  readonly tasksByService: ReadonlyMap<string, number>;
  /** `${protocol}/${published}` of ports in mode host. */
  readonly hostPorts: ReadonlySet<string>;
  /** Times of failures per revision. */
  readonly failures: ReadonlyMap<string, readonly number[]>;
}

/** What a task takes from its node. */
export interface Demand {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  readonly hostPorts: readonly string[];
  /** One of its networks is encrypted. */
  readonly encrypted?: boolean;
}

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

/** Sums up one node; `demand` looks up what a task takes. */
export function nodeInfo(
  node: Node,
  tasks: Iterable<Task>,
  demand: (task: Task) => Demand,
): NodeInfo {
  const resources = node.description?.resources;
  let freeNanoCpus = resources?.nanoCpus ?? 0;
  let freeMemoryBytes = resources?.memoryBytes ?? 0;
  let taskCount = 0;
  const tasksByService = new Map<string, number>();
  const hostPorts = new Set<string>();
  const failures = new Map<string, number[]>();
  for (const task of tasks) {
    if (task.status.state === 'failed' || task.status.state === 'rejected') {
      const times = failures.get(task.revisionId) ?? [];
      times.push(task.status.timestamp);
      failures.set(task.revisionId, times);
    }
    if (!occupies(task)) continue;
    const taken = demand(task);
    freeNanoCpus -= taken.nanoCpus;
    freeMemoryBytes -= taken.memoryBytes;
    for (const port of taken.hostPorts) hostPorts.add(port);
    taskCount++;
    tasksByService.set(task.serviceId, (tasksByService.get(task.serviceId) ?? 0) + 1);
  }
  return { node, freeNanoCpus, freeMemoryBytes, taskCount, tasksByService, hostPorts, failures };
}

/** Takes room on its node: placed and not known to have ended. */
export function occupies(task: Task): boolean {
  return TASK_STATE[task.status.state] >= TASK_STATE.assigned && !isTerminal(task.status.state);
}

/** The node after one more task of `serviceId` was placed on it. */
export function withTask(info: NodeInfo, serviceId: string, demand: Demand): NodeInfo {
  const tasksByService = new Map(info.tasksByService);
  tasksByService.set(serviceId, (tasksByService.get(serviceId) ?? 0) + 1);
  return {
    ...info,
    freeNanoCpus: info.freeNanoCpus - demand.nanoCpus,
    freeMemoryBytes: info.freeMemoryBytes - demand.memoryBytes,
    taskCount: info.taskCount + 1,
    tasksByService,
    hostPorts:
      demand.hostPorts.length > 0
        ? new Set([...info.hostPorts, ...demand.hostPorts])
        : info.hostPorts,
  };
}
