// First part of `network trace`, from the store alone: which tasks are meant, which network they
// share, and to which tasks new connections go. Pure.
import { SwarmError } from '../../base/index.ts';
import {
  TASK_STATE,
  isPredefinedNetwork,
  type Network,
  type Node,
  type Service,
  type Task,
  type TraceStep,
} from '../../model/index.ts';
import { isActive } from '../dispatcher/index.ts';
import type { StoreView } from '../store/index.ts';

/** Tasks of a service whose hosts are looked at. */
const TARGETS_MAX = 3;

/** A task with its place and its address on the network that is traced. */
export interface TracedTask {
  readonly task: Task;
  readonly node: Node;
  readonly name: string;
  readonly address: string;
}

/** One way that a request could take. */
export interface TraceWay {
  readonly network: Network;
  readonly source: TracedTask;
  readonly targets: readonly TracedTask[];
  /** As the source would say it. */
  readonly name: string;
  readonly service: Service;
  /** Absent: the name leads to the tasks themselves. */
  readonly vip?: string;
  /** Of the service, or as asked for; undefined: what the task listens on. */
  readonly port: number | undefined;
}

/** Whom to ask what. */
export interface TracePlan {
  readonly steps: readonly TraceStep[];
  /** Undefined: it is broken already. */
  readonly way?: TraceWay;
}

interface Meant {
  readonly service: Service;
  readonly tasks: readonly Task[];
  /** One task was named. */
  readonly single: boolean;
}

/** Fails with `notFound` for names that nothing has. */
export function planTrace(
  view: StoreView,
  from: string,
  to: string,
  port: number | undefined,
): TracePlan {
  const steps: TraceStep[] = [];
  const broken = (text: string): TracePlan => ({
    steps: [...steps, { at: 'cluster', state: 'broken', text }],
  });
  const sources = meant(view, from);
  const running = sources.tasks.filter((task) => task.status.state === 'running');
  const [first] = running;
  if (first === undefined) return broken(`${from} has no running task: ${statesOf(sources.tasks)}`);
  const targets = meant(view, to);
  const network = commonNetwork(view, first, targets);
  if (network === undefined) {
    const [own, other] = [networkNames(view, [first]), networkNames(view, targets.tasks)];
    return broken(
      `${from} and ${to} have no network in common (${own}; ${other}): the name is not known there`,
    );
  }
  const source = traced(view, first, network);
  if (source === undefined)
    return broken(`task ${first.id} has no address on ${network.spec.Name}`);
  steps.push(ok(`${source.name} on ${hostOf(source.node)} asks for ${to} on ${network.spec.Name}`));
  const found = targets.tasks.flatMap((task) => traced(view, task, network) ?? []);
  const active = found.filter(({ task, node }) => isActive(task, node));
  const [target] = active;
  if (target === undefined) {
    return broken(
      `${to} has no active task on ${network.spec.Name}: ${statesOf(targets.tasks, view)}`,
    );
  }
  steps.push(ok(`${to} has ${active.length} active of ${targets.tasks.length} tasks there`));
  const vips = targets.service.endpoint.virtualIps;
  const vip = vips.find(({ networkId }) => networkId === network.id)?.address.split('/')[0];
  const way = {
    network,
    source,
    service: targets.service,
    targets: active.slice(0, TARGETS_MAX),
    name: targets.single ? target.name : targets.service.spec.Name,
    port: port ?? portOf(targets.service),
    ...(vip === undefined || targets.single ? {} : { vip }),
  };
  return { steps, way };
}

/** Name of a node as people know it. */
export function hostOf(node: Node): string {
  return node.description?.hostname ?? node.id;
}

function ok(text: string): TraceStep {
  return { at: 'cluster', state: 'ok', text };
}

/** A service by name or id, or a task by id, its beginning, or container name. */
function meant(view: StoreView, text: string): Meant {
  for (const service of view.all('service')) {
    if (service.id !== text && service.spec.Name !== text) continue;
    const tasks = [...view.tasksOfService(service.id)].filter(isPresent);
    return { service, tasks, single: false };
  }
  const id = text.split('.').at(-1) ?? '';
  const found = [...view.all('task')].filter((task) => {
    const name = `${view.get('service', task.serviceId)?.spec.Name ?? ''}.${task.slot}`;
    return task.id === id || name === text || (id.length >= 4 && task.id.startsWith(id));
  });
  const task = found.find(isPresent) ?? found[0];
  const service = view.get('service', task?.serviceId ?? '');
  if (task !== undefined && service !== undefined) return { service, tasks: [task], single: true };
  throw new SwarmError('notFound', `${text} is neither a service nor a task`);
}

function isPresent(task: Task): boolean {
  return TASK_STATE[task.desiredState] <= TASK_STATE.running;
}

function commonNetwork(
  view: StoreView,
  source: Task,
  { tasks, service }: Meant,
): Network | undefined {
  const theirs = new Set([
    ...tasks.flatMap((task) => task.networks.map(({ networkId }) => networkId)),
    ...service.endpoint.virtualIps.map(({ networkId }) => networkId),
  ]);
  for (const { networkId } of source.networks) {
    const network = view.get('network', networkId);
    // As in Docker nothing has a name on ingress.
    if (network === undefined || network.spec.Ingress === true) continue;
    if (!isPredefinedNetwork(networkId) && theirs.has(networkId)) return network;
  }
  return undefined;
}

function traced(view: StoreView, task: Task, network: Network): TracedTask | undefined {
  const node = view.get('node', task.nodeId ?? '');
  const service = view.get('service', task.serviceId)?.spec.Name ?? task.serviceId;
  const own = task.networks.find(({ networkId }) => networkId === network.id);
  const address = own?.addresses[0]?.split('/')[0];
  if (node === undefined || address === undefined) return undefined;
  const name = `${service}.${task.slot === 0 ? node.id : task.slot}.${task.id}`;
  return { task, node, name, address };
}

function portOf(service: Service): number | undefined {
  return service.endpoint.ports.find(({ Protocol }) => Protocol === 'tcp')?.TargetPort;
}

function networkNames(view: StoreView, tasks: readonly Task[]): string {
  const names = new Set(
    tasks.flatMap(({ networks }) =>
      networks.map(({ networkId }) => view.get('network', networkId)?.spec.Name ?? networkId),
    ),
  );
  return names.size === 0 ? 'no network' : [...names].sort().join(', ');
}

/** "2 running, 1 failed (exit status 1)"; tasks on hosts that are down are said to be. */
function statesOf(tasks: readonly Task[], view?: StoreView): string {
  const counts = new Map<string, number>();
  for (const { status, nodeId } of tasks) {
    const { error = '' } = status;
    const node = view?.get('node', nodeId ?? '');
    const down = node?.status.state === 'down' ? ` on ${hostOf(node)}, which is down` : '';
    const why = error === '' ? '' : ` (${error})`;
    const text = `${status.state}${down}${why}`;
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  if (counts.size === 0) return 'it has none';
  return Array.from(counts, ([text, count]) => `${count} ${text}`).join(', ');
}
