// All tables of the store with their indexes, and the read side that everyone uses: `StoreView`.
// Writes come from `apply.ts` alone.
import type { Network, Service, TableName, Tables, Task } from '../../model/index.ts';
import { ChunkedMap } from './chunked-map.ts';

export const TABLE_NAMES: readonly TableName[] = [
  'cluster',
  'node',
  'session',
  'service',
  'revision',
  'task',
  'network',
  'secret',
  'config',
  'payload',
  'credential',
];

/** Reads of the state as of the last applied entry; synchronous, so a caller sees one moment. */
export interface StoreView {
  /** Raft index of the last applied entry. */
  readonly index: number;
  get<K extends TableName>(table: K, id: string): Tables[K] | undefined;
  /** Every object, in no particular order. */
  all<K extends TableName>(table: K): Iterable<Tables[K]>;
  count(table: TableName): number;
  /** Names are unique per table, compared without case; only tables whose objects have names. */
  byName<K extends NamedTable>(table: K, name: string): Tables[K] | undefined;
  tasksOfService(serviceId: string): Iterable<Task>;
  tasksOfNode(nodeId: string): Iterable<Task>;
  tasksOfNetwork(networkId: string): Iterable<Task>;
  tasksOfRevision(revisionId: string): number;
  /** The one cluster object; undefined before `swarm init` was applied. */
  readonly cluster: Tables['cluster'] | undefined;
}

export type NamedTable = 'service' | 'network' | 'secret' | 'config';
const NAMED: ReadonlySet<string> = new Set<NamedTable>(['service', 'network', 'secret', 'config']);

type TableMaps = { [K in TableName]: ChunkedMap<Tables[K]> };

export class TableSet implements StoreView {
  index = 0;
  #maps: TableMaps = emptyMaps();
  #names = new Map<string, string>();
  #byService = new Map<string, Map<string, Task>>();
  #byNode = new Map<string, Map<string, Task>>();
  #byNetwork = new Map<string, Map<string, Task>>();
  #byRevision = new Map<string, number>();

  get<K extends TableName>(table: K, id: string): Tables[K] | undefined {
    return this.#map(table).get(id);
  }

  all<K extends TableName>(table: K): Iterable<Tables[K]> {
    return this.#map(table).values();
  }

  count(table: TableName): number {
    return this.#map(table).size;
  }

  byName<K extends NamedTable>(table: K, name: string): Tables[K] | undefined {
    const id = this.#names.get(nameKey(table, name));
    return id === undefined ? undefined : this.get(table, id);
  }

  tasksOfService(serviceId: string): Iterable<Task> {
    return this.#byService.get(serviceId)?.values() ?? [];
  }

  tasksOfNode(nodeId: string): Iterable<Task> {
    return this.#byNode.get(nodeId)?.values() ?? [];
  }

  tasksOfNetwork(networkId: string): Iterable<Task> {
    return this.#byNetwork.get(networkId)?.values() ?? [];
  }

  tasksOfRevision(revisionId: string): number {
    return this.#byRevision.get(revisionId) ?? 0;
  }

  get cluster(): Tables['cluster'] | undefined {
    for (const cluster of this.#maps.cluster.values()) return cluster;
    return undefined;
  }

  /** For `apply` and `restore` only. */
  put<K extends TableName>(table: K, object: Tables[K]): void {
    const before = this.get(table, object.id);
    if (before !== undefined) this.#unindex(table, before);
    this.#map(table).set(object.id, object);
    this.#index(table, object);
  }

  /** For `apply` only. */
  drop(table: TableName, id: string): void {
    const before = this.get(table, id);
    if (before === undefined) return;
    this.#unindex(table, before);
    this.#map(table).delete(id);
  }

  clear(): void {
    this.#maps = emptyMaps();
    for (const index of [this.#names, this.#byService, this.#byNode, this.#byNetwork])
      index.clear();
    this.#byRevision.clear();
    this.index = 0;
  }

  /** A frozen view of one table, see ChunkedMap.freeze. */
  freeze<K extends TableName>(table: K): Iterable<Tables[K]> {
    return this.#map(table).freeze();
  }

  #map<K extends TableName>(table: K): ChunkedMap<Tables[K]> {
    return this.#maps[table];
  }

  #index(table: TableName, object: Tables[TableName]): void {
    if (NAMED.has(table)) {
      this.#names.set(nameKey(table, (object as Service | Network).spec.Name), object.id);
    }
    if (table !== 'task') return;
    const task = object as Task;
    link(this.#byService, task.serviceId, task);
    if (task.nodeId !== undefined) link(this.#byNode, task.nodeId, task);
    for (const network of task.networks) link(this.#byNetwork, network.networkId, task);
    this.#byRevision.set(task.revisionId, this.tasksOfRevision(task.revisionId) + 1);
  }

  #unindex(table: TableName, object: Tables[TableName]): void {
    if (NAMED.has(table)) this.#names.delete(nameKey(table, (object as Service).spec.Name));
    if (table !== 'task') return;
    const task = object as Task;
    unlink(this.#byService, task.serviceId, task.id);
    if (task.nodeId !== undefined) unlink(this.#byNode, task.nodeId, task.id);
    for (const network of task.networks) unlink(this.#byNetwork, network.networkId, task.id);
    const left = this.tasksOfRevision(task.revisionId) - 1;
    if (left === 0) this.#byRevision.delete(task.revisionId);
    else this.#byRevision.set(task.revisionId, left);
  }
}

function nameKey(table: string, name: string): string {
  return `${table}\0${name.toLowerCase()}`;
}

function link(index: Map<string, Map<string, Task>>, key: string, task: Task): void {
  let tasks = index.get(key);
  if (tasks === undefined) index.set(key, (tasks = new Map()));
  tasks.set(task.id, task);
}

function unlink(index: Map<string, Map<string, Task>>, key: string, taskId: string): void {
  const tasks = index.get(key);
  tasks?.delete(taskId);
  if (tasks?.size === 0) index.delete(key);
}

function emptyMaps(): TableMaps {
  return {
    cluster: new ChunkedMap(),
    node: new ChunkedMap(),
    session: new ChunkedMap(),
    service: new ChunkedMap(),
    revision: new ChunkedMap(),
    task: new ChunkedMap(),
    network: new ChunkedMap(),
    secret: new ChunkedMap(),
    config: new ChunkedMap(),
    payload: new ChunkedMap(),
    credential: new ChunkedMap(),
  };
}
