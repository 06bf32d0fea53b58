// All tables of the store with their indexes, and the read side that everyone uses: `StoreView`.
// Writes come from `apply.ts` alone.
import {
  type Network,
  type Revision,
  type Service,
  type TableName,
  type Tables,
  type Task,
} from '../../model/index.ts';
import { SlotIndex } from './slot-index.ts';

/** All tables, in the order of snapshots. */
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
  /** The tasks of a service by slot key (`slotKey`), those of a slot oldest first. */
  slotsOfService(serviceId: string): ReadonlyMap<string, readonly Task[]>;
  /** Ids of services that have tasks, also of services that were removed. */
  servicesWithTasks(): Iterable<string>;
  revisionsOfService(serviceId: string): Iterable<Revision>;
  /** Ids of services that have revisions, also of services that were removed. */
  servicesWithRevisions(): Iterable<string>;
  tasksOfNode(nodeId: string): Iterable<Task>;
  tasksOfNetwork(networkId: string): Iterable<Task>;
  /** How many tasks refer to a revision. */
  tasksOfRevision(revisionId: string): number;
  /** The one cluster object; undefined before `swarm init` was applied. */
  readonly cluster: Tables['cluster'] | undefined;
}

/** Tables whose objects are found by name. */
export type NamedTable = 'service' | 'network' | 'secret' | 'config';
const NAMED: ReadonlySet<string> = new Set<NamedTable>(['service', 'network', 'secret', 'config']);

type TableMaps = { [K in TableName]: Map<string, Tables[K]> };

/** The tables and their indexes. */
export class TableSet implements StoreView {
  index = 0;
  #maps: TableMaps = emptyMaps();
  #names = new Map<string, string>();
  readonly #bySlot = new SlotIndex();
  #byNode = new Map<string, Map<string, Task>>();
  #byNetwork = new Map<string, Map<string, Task>>();
  #byRevision = new Map<string, number>();
  #revisions = new Map<string, Map<string, Revision>>();

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
    return this.#bySlot.tasksOf(serviceId);
  }

  slotsOfService(serviceId: string): ReadonlyMap<string, readonly Task[]> {
    return this.#bySlot.slotsOf(serviceId);
  }

  servicesWithTasks(): Iterable<string> {
    return this.#bySlot.services();
  }

  revisionsOfService(serviceId: string): Iterable<Revision> {
    return this.#revisions.get(serviceId)?.values() ?? [];
  }

  servicesWithRevisions(): Iterable<string> {
    return this.#revisions.keys();
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
    this.#map(table).set(object.id, object);
    if (table === 'task') {
      this.#indexTask(before as Task | undefined, object as Task);
      return;
    }
    if (before !== undefined) this.#unindex(table, before);
    this.#index(table, object);
  }

  /** For `apply` only. */
  drop(table: TableName, id: string): void {
    const before = this.get(table, id);
    if (before === undefined) return;
    if (table === 'task') this.#indexTask(before as Task, undefined);
    else this.#unindex(table, before);
    this.#map(table).delete(id);
  }

  clear(): void {
    this.#maps = emptyMaps();
    for (const index of [this.#names, this.#byNode, this.#byNetwork, this.#byRevision]) {
      index.clear();
    }
    this.#bySlot.clear();
    this.#revisions.clear();
    this.index = 0;
  }

  /** The objects of one table as of now: later writes don't show in it. Costs a copy of references. */
  freeze<K extends TableName>(table: K): Iterable<Tables[K]> {
    return [...this.#map(table).values()];
  }

  #map<K extends TableName>(table: K): Map<string, Tables[K]> {
    return this.#maps[table];
  }

  #index(table: TableName, object: Tables[TableName]): void {
    if (NAMED.has(table)) {
      this.#names.set(nameKey(table, (object as Service | Network).spec.Name), object.id);
    } else if (table === 'revision') {
      const revision = object as Revision;
      link(this.#revisions, revision.serviceId, revision);
    }
  }

  #unindex(table: TableName, object: Tables[TableName]): void {
    if (NAMED.has(table)) this.#names.delete(nameKey(table, (object as Service).spec.Name));
    else if (table === 'revision') {
      unlink(this.#revisions, (object as Revision).serviceId, object.id);
    }
  }

  /** What stays as it was in a task stays in its index: most changes are new statuses. */
  #indexTask(before: Task | undefined, after: Task | undefined): void {
    if (before !== undefined && after !== undefined) this.#bySlot.replace(before, after);
    else if (after !== undefined) this.#bySlot.add(after);
    else if (before !== undefined) this.#bySlot.remove(before);
    if (before?.nodeId !== undefined && before.nodeId !== after?.nodeId) {
      unlink(this.#byNode, before.nodeId, before.id);
    }
    if (after?.nodeId !== undefined) link(this.#byNode, after.nodeId, after);
    if (before?.networks !== after?.networks) {
      for (const { networkId } of before?.networks ?? []) {
        if (before) unlink(this.#byNetwork, networkId, before.id);
      }
    }
    for (const { networkId } of after?.networks ?? []) {
      if (after) link(this.#byNetwork, networkId, after);
    }
    if (before?.revisionId === after?.revisionId) return;
    if (before !== undefined) this.#count(before.revisionId, -1);
    if (after !== undefined) this.#count(after.revisionId, 1);
  }

  #count(revisionId: string, by: number): void {
    const tasks = this.tasksOfRevision(revisionId) + by;
    if (tasks === 0) this.#byRevision.delete(revisionId);
    else this.#byRevision.set(revisionId, tasks);
  }
}

function nameKey(table: string, name: string): string {
  return `${table}\0${name.toLowerCase()}`;
}

type Index<T> = Map<string, Map<string, T>>;

function link<T extends { readonly id: string }>(index: Index<T>, key: string, object: T): void {
  let objects = index.get(key);
  if (objects === undefined) index.set(key, (objects = new Map()));
  objects.set(object.id, object);
}

function unlink<T>(index: Index<T>, key: string, id: string): void {
  const objects = index.get(key);
  objects?.delete(id);
  if (objects?.size === 0) index.delete(key);
}

function emptyMaps(): TableMaps {
  return {
    cluster: new Map(),
    node: new Map(),
    session: new Map(),
    service: new Map(),
    revision: new Map(),
    task: new Map(),
    network: new Map(),
    secret: new Map(),
    config: new Map(),
    payload: new Map(),
    credential: new Map(),
  };
}
