// Keeps the sets that sessions share up to date with the store: each change touches the items that it is
// about and nothing else. A set is there for as long as a session follows it.
import {
  desiredAlive,
  type Network,
  type Node,
  type StoreChange,
  type Task,
} from '../../../model/index.ts';
import type { Store, StoreView } from '../../store/index.ts';
import {
  hostItem,
  isPlaced,
  networkItem,
  serviceEndpointItem,
  taskEndpointItem,
} from './assignment-items.ts';
import { ALL_HOSTS, COMMON_HOSTS, isManager, meshNetworks, sharedSet } from './assignments.ts';

import { SharedSet, type ItemKey } from './shared-set.ts';

/** All shared sets, kept up to date change by change. */
export class SharedSets<Follower> {
  readonly #view: StoreView;
  readonly #touched: (set: SharedSet<Follower>) => void;
  readonly #sets = new Map<string, SharedSet<Follower>>();
  #mesh: readonly string[] | undefined;
  /** Tasks on networks for published ports, by their host. */
  #meshTasks: Map<string, Set<string>> | undefined;

  /**
   * `touched` hears of each set that has changed, and of those whose followers have to say up to where they are
   * because a task on it is to stop.
   */
  constructor(store: Store, touched: (set: SharedSet<Follower>) => void = () => {}) {
    this.#view = store.view;
    this.#touched = touched;
    store.watch((changes) => changes.forEach((change) => this.#observe(change)));
    store.onRestored(() => {
      this.#sets.clear();
      this.#mesh = undefined;
      this.#meshTasks = undefined;
    });
  }

  /** Ids of the networks for published ports. */
  get mesh(): readonly string[] {
    return (this.#mesh ??= meshNetworks(this.#view));
  }

  /** How many sets somebody follows. */
  get size(): number {
    return this.#sets.size;
  }

  follow(name: string, follower: Follower): SharedSet<Follower> {
    let set = this.#sets.get(name);
    if (set === undefined) {
      this.#sets.set(name, (set = new SharedSet(name, sharedSet(this.#view, name))));
      if (name === COMMON_HOSTS) this.#countMeshTasks();
    }
    set.followers.add(follower);
    return set;
  }

  unfollow(set: SharedSet<Follower>, follower: Follower): void {
    set.followers.delete(follower);
    if (set.followers.size === 0 && this.#sets.get(set.name) === set) this.#sets.delete(set.name);
  }

  #observe(change: StoreChange): void {
    if (change.table === 'network') this.#observeNetwork(change.before, change.after);
    // Most managers of a large cluster serve nobody who would want to know.
    if (this.#sets.size === 0) return;
    if (change.table === 'task') this.#observeTask(change.before, change.after);
    else if (change.table === 'node') this.#observeNode(change.before, change.after);
    else if (change.table === 'service') {
      const { before, after } = change;
      const ids = [before, after].flatMap((service) =>
        (service?.spec.TaskTemplate.Networks ?? []).map(({ Target }) => Target),
      );
      for (const id of new Set([...ids, ...this.mesh])) {
        const network = this.#view.get('network', id);
        const item = network?.vni !== undefined && after && serviceEndpointItem(network, after);
        const key = { kind: 'serviceEndpoint', key: `${id}/${(after ?? before)?.id ?? ''}` };
        this.#change(id, key, item || undefined);
      }
    }
  }

  #observeNetwork(before: Network | undefined, after: Network | undefined): void {
    const id = (after ?? before)?.id ?? '';
    const meshed = before?.spec.Ingress === true;
    if (meshed !== (after?.spec.Ingress === true)) {
      this.#mesh = undefined;
      this.#meshTasks = undefined;
      this.#renew(COMMON_HOSTS);
      if (this.#sets.has(COMMON_HOSTS)) this.#countMeshTasks();
    }
    // With its number come and go all that is on it.
    if (before?.vni !== after?.vni) this.#renew(id);
    else this.#change(id, { kind: 'network', key: id }, after && networkItem(after));
  }

  #observeTask(before: Task | undefined, after: Task | undefined): void {
    const task = after ?? before;
    if (task === undefined) return;
    const networks = new Set(
      [...(before?.networks ?? []), ...(after?.networks ?? [])].map(({ networkId }) => networkId),
    );
    for (const id of networks) {
      const set = this.#sets.get(id);
      if (set !== undefined) {
        const allocated = this.#view.get('network', id)?.vni !== undefined;
        const item = after && allocated ? taskEndpointItem(this.#view, id, after) : undefined;
        const changed = this.#change(id, { kind: 'taskEndpoint', key: `${id}/${task.id}` }, item);
        if (!changed && isStopping(before, after)) this.#touched(set);
      }
    }
    if (this.mesh.some((id) => networks.has(id))) this.#observeMeshTask(before, after);
  }

  #observeNode(before: Node | undefined, after: Node | undefined): void {
    const id = (after ?? before)?.id ?? '';
    const item = after && hostItem(after);
    this.#change(ALL_HOSTS, { kind: 'host', key: id }, item);
    this.#changeCommonHost(id);
    const isUp = (node: Node | undefined): boolean | undefined =>
      node && node.status.state !== 'down';
    if (isUp(before) === isUp(after)) return;
    for (const task of this.#view.tasksOfNode(id)) {
      for (const { networkId } of task.networks) {
        if (!this.#sets.has(networkId)) continue;
        if (this.#view.get('network', networkId)?.vni === undefined) continue;
        const key = { kind: 'taskEndpoint', key: `${networkId}/${task.id}` };
        this.#change(networkId, key, taskEndpointItem(this.#view, networkId, task));
      }
    }
  }

  #observeMeshTask(before: Task | undefined, after: Task | undefined): void {
    if (this.#meshTasks === undefined) return;
    for (const task of [before, after]) {
      const { id = '', nodeId } = task ?? {};
      if (nodeId === undefined) continue;
      const tasks = this.#meshTasks.get(nodeId) ?? new Set<string>();
      if (after?.nodeId === nodeId && this.#isMeshed(after)) tasks.add(id);
      else tasks.delete(id);
      if (tasks.size > 0) this.#meshTasks.set(nodeId, tasks);
      else this.#meshTasks.delete(nodeId);
      this.#changeCommonHost(nodeId);
    }
  }

  #isMeshed(task: Task): boolean {
    return isPlaced(task) && task.networks.some(({ networkId }) => this.mesh.includes(networkId));
  }

  #countMeshTasks(): void {
    const tasks = new Map<string, Set<string>>();
    for (const networkId of this.mesh) {
      for (const task of this.#view.tasksOfNetwork(networkId)) {
        const { id, nodeId } = task;
        if (nodeId === undefined || !isPlaced(task)) continue;
        tasks.set(nodeId, (tasks.get(nodeId) ?? new Set()).add(id));
      }
    }
    this.#meshTasks = tasks;
  }

  #changeCommonHost(nodeId: string): void {
    const node = this.#view.get('node', nodeId);
    const wanted = node !== undefined && (isManager(node) || this.#meshTasks?.has(nodeId) === true);
    this.#change(COMMON_HOSTS, { kind: 'host', key: nodeId }, wanted ? hostItem(node) : undefined);
  }

  /** Makes a set from nothing: what changes it is too much to be followed. */
  #renew(name: string): void {
    const set = this.#sets.get(name);
    if (set?.replace(sharedSet(this.#view, name)) === true) this.#touched(set);
  }

  #change(name: string, key: ItemKey, item: ReturnType<typeof hostItem>): boolean {
    const set = this.#sets.get(name);
    if (set === undefined) return false;
    const changed = item === undefined ? set.remove(key) : set.put(item);
    if (changed) this.#touched(set);
    return changed;
  }
}

/** On its way to an end: its hosts are asked up to where they are, also if they are told nothing new. */
function isStopping(before: Task | undefined, after: Task | undefined): boolean {
  if (after === undefined || desiredAlive(after)) return false;
  return before?.desiredState !== after.desiredState || before.status.state !== after.status.state;
}
