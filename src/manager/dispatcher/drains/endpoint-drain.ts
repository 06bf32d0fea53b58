// The hosts of one network that may send something new to a task that is to stop, and the tasks that wait
// for their word. Kept up to date change by change: an acknowledgement costs a look at one host, and all
// hosts are looked at only when the oldest of those that wait has come to its end.
import { isPredefinedNetwork, type Task } from '../../../model/index.ts';
import type { StoreView } from '../../store/index.ts';
import { isPlaced } from '../sets/index.ts';

/** Up to which index a host has applied its set; undefined when it has not said anything yet. */
export type AppliedIndex = (nodeId: string) => number | undefined;

/** A task that waits until all hosts have applied `since`. */
export interface Draining {
  readonly since: number;
  /** No host of the network sends it anything new. */
  readonly done: (drain: NetworkDrain) => void;
}

/** Ids of the networks whose hosts may send to the task; one for published ports stands for all. */
export function drainedNetworks(view: StoreView, task: Task): string[] {
  const ids = task.networks
    .map(({ networkId }) => networkId)
    .filter((id) => !isPredefinedNetwork(id));
  const mesh = ids.find((id) => isMesh(view, id));
  return mesh === undefined ? [...new Set(ids)] : [mesh];
}

function isMesh(view: StoreView, networkId: string): boolean {
  return view.get('network', networkId)?.spec.Ingress === true;
}

/** Which hosts of one network have applied how much. */
export class NetworkDrain {
  readonly #view: StoreView;
  readonly #networkId: string;
  readonly #applied: AppliedIndex;
  /** With how many tasks each host is on the network; for published ports each host is, whatever runs. */
  readonly #tasks: Map<string, number> | undefined;
  /** Those of them that are up. Nothing reaches a task through others that would not fail anyway. */
  readonly #hosts = new Set<string>();
  /** By `since`, lowest first. */
  readonly #waiting: Draining[] = [];
  /** Hosts that the first of those that wait waits for. */
  #behind = new Set<string>();

  /** As of the view. */
  constructor(view: StoreView, networkId: string, applied: AppliedIndex) {
    this.#view = view;
    this.#networkId = networkId;
    this.#applied = applied;
    if (isMesh(view, networkId)) {
      for (const { id } of view.all('node')) this.nodeChanged(id);
      return;
    }
    this.#tasks = new Map();
    for (const task of view.tasksOfNetwork(networkId)) this.#count(task, 1);
    for (const id of this.#tasks.keys()) this.nodeChanged(id);
  }

  /** Whether somebody waits. */
  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  /** Ids of the hosts that are told the network's endpoints and are up. */
  get hosts(): ReadonlySet<string> {
    return this.#hosts;
  }

  /** Ids of the hosts that have not said that they act on the state of `since`. */
  missing(since: number): string[] {
    return [...this.#hosts].filter((id) => (this.#applied(id) ?? -1) < since);
  }

  /** Calls `done`, at once where nobody is to be waited for. */
  add(draining: Draining): void {
    let at = this.#waiting.length;
    while (at > 0 && (this.#waiting[at - 1]?.since ?? 0) > draining.since) at--;
    this.#waiting.splice(at, 0, draining);
    if (at === 0) this.#look();
  }

  /** It waits no longer. */
  remove(draining: Draining): void {
    const at = this.#waiting.indexOf(draining);
    if (at < 0) return;
    this.#waiting.splice(at, 1);
    if (at === 0) this.#look();
  }

  /** A host has applied what `index` says. */
  acknowledged(nodeId: string, index: number): void {
    const since = this.#waiting[0]?.since;
    if (since !== undefined && index >= since) this.#settled(nodeId);
  }

  /** A node came, went, is down or up again. */
  nodeChanged(nodeId: string): void {
    const node = this.#view.get('node', nodeId);
    const isUp = node !== undefined && node.status.state !== 'down';
    if (isUp && (this.#tasks?.has(nodeId) ?? true)) {
      if (this.#hosts.has(nodeId)) return;
      this.#hosts.add(nodeId);
      const since = this.#waiting[0]?.since;
      if (since !== undefined && (this.#applied(nodeId) ?? -1) < since) this.#behind.add(nodeId);
    } else {
      this.#hosts.delete(nodeId);
      this.#settled(nodeId);
    }
  }

  taskChanged(before: Task | undefined, after: Task | undefined): void {
    if (this.#tasks === undefined) return;
    this.#count(before, -1);
    this.#count(after, 1);
    for (const nodeId of new Set([before?.nodeId, after?.nodeId])) {
      if (nodeId !== undefined) this.nodeChanged(nodeId);
    }
  }

  #count(task: Task | undefined, by: 1 | -1): void {
    if (this.#tasks === undefined || !isPlaced(task)) return;
    const { nodeId, networks } = task;
    if (nodeId === undefined) return;
    if (!networks.some(({ networkId }) => networkId === this.#networkId)) return;
    const count = (this.#tasks.get(nodeId) ?? 0) + by;
    if (count > 0) this.#tasks.set(nodeId, count);
    else this.#tasks.delete(nodeId);
  }

  #settled(nodeId: string): void {
    if (this.#behind.delete(nodeId) && this.#behind.size === 0) this.#look();
  }

  /** Ends the wait of all that have nobody to wait for, and finds out whom the next one waits for. */
  #look(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      this.#behind = new Set(this.missing(first.since));
      if (this.#behind.size > 0) return;
      let floor = Infinity;
      for (const id of this.#hosts) floor = Math.min(floor, this.#applied(id) ?? -1);
      const over = this.#waiting.findIndex(({ since }) => since > floor);
      const done = this.#waiting.splice(0, over < 0 ? this.#waiting.length : over);
      for (const one of done) one.done(this);
    }
    this.#behind.clear();
  }
}
