// The store's change language: what one Raft entry says. Actions of one transaction are applied
// together or not at all; transactions of one entry stand each for themselves. Everything that
// `apply` needs is in here: it reads no clock and draws no random number.
import type { Tables, TableName, TaskStatus } from './objects.ts';

/** An object without the fields that the store fills in. */
export type Draft<T> = Omit<T, 'version' | 'createdAt' | 'updatedAt'>;

type CreateAction = {
  [K in TableName]: {
    readonly kind: 'create';
    readonly table: K;
    readonly object: Draft<Tables[K]>;
  };
}[TableName];

type UpdateAction = {
  [K in TableName]: {
    readonly kind: 'update';
    readonly table: K;
    readonly object: Draft<Tables[K]>;
    /** Refuses the transaction when the stored version is another one. */
    readonly ifVersion: number;
  };
}[TableName];

interface RemoveAction {
  readonly kind: 'remove';
  readonly table: TableName;
  readonly id: string;
  readonly ifVersion?: number;
}

/** Registers an agent; the entry's index becomes the epoch and replaces any older session. */
interface SessionAction {
  readonly kind: 'session';
  readonly nodeId: string;
  readonly managerId: string;
}

/**
 * An agent's word on a task. Silently dropped when the task is gone, belongs to another node, the
 * epoch is not the node's current one, the sequence is not higher or the state would go back.
 */
interface TaskStatusAction {
  readonly kind: 'taskStatus';
  readonly taskId: string;
  readonly nodeId: string;
  readonly status: TaskStatus;
}

/** Takes over `cluster.nextNodeNumber` as the number of a new node: counted in `apply`, so never twice. */
interface AddNodeAction {
  readonly kind: 'addNode';
  readonly object: Omit<Draft<Tables['node']>, 'number'>;
}

export type Action =
  CreateAction | UpdateAction | RemoveAction | SessionAction | TaskStatusAction | AddNodeAction;

export interface Transaction {
  readonly actions: readonly Action[];
  /** Milliseconds since 1970, from the proposer: becomes createdAt/updatedAt. */
  readonly time: number;
}

/** One committed change of one object, as watchers see it. */
export type StoreChange = {
  [K in TableName]: {
    readonly table: K;
    readonly index: number;
    readonly before: Tables[K] | undefined;
    readonly after: Tables[K] | undefined;
  };
}[TableName];

/** Shorthands that keep the types of table and object together. */
export function create<K extends TableName>(table: K, object: Draft<Tables[K]>): Action {
  return { kind: 'create', table, object } as unknown as Action;
}

/** Replaces `object`, refused when it changed since it was read. */
export function update<K extends TableName>(table: K, object: Tables[K]): Action {
  const { version, createdAt: _created, updatedAt: _updated, ...draft } = object;
  return { kind: 'update', table, object: draft, ifVersion: version } as unknown as Action;
}

/** Removes `id`; with `ifVersion` only when unchanged. */
export function remove(table: TableName, id: string, ifVersion?: number): Action {
  return ifVersion === undefined
    ? { kind: 'remove', table, id }
    : { kind: 'remove', table, id, ifVersion };
}
