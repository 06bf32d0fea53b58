// Applies transactions to the tables: deterministic, synchronous, the same on every manager. A
// transaction that can't be applied changes nothing and says why.
import type { ErrorCode } from '../../base/index.ts';
import {
  compareTaskStates,
  desiredAlive,
  isTerminal,
  specIndexOf,
  type Action,
  type Meta,
  type StoreChange,
  type TableName,
  type Tables,
  type Task,
  type TaskState,
  type TaskStatus,
  type Transaction,
} from '../../model/index.ts';
import type { NamedTable, TableSet } from './tables.ts';

/** What became of a transaction: applied as a whole, or refused as a whole. */
export type TransactionResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: ErrorCode; readonly message: string };

const OK: TransactionResult = { ok: true };

/** Where in the log an entry is, and the feature level that it was written under. */
export interface EntryPosition {
  readonly index: number;
  readonly level: number;
}

/** Applies one transaction of the entry at `position`; changes are appended to `changes`. */
export function applyTransaction(
  tables: TableSet,
  position: EntryPosition,
  transaction: Transaction,
  changes: StoreChange[],
): TransactionResult {
  for (const action of transaction.actions) {
    const problem = check(tables, action);
    if (problem !== undefined) return problem;
  }
  for (const action of transaction.actions) {
    const change = perform(tables, position, transaction.time, action);
    if (change !== undefined) changes.push(change);
  }
  return OK;
}

function refuse(code: ErrorCode, message: string): TransactionResult {
  return { ok: false, code, message };
}

function check(tables: TableSet, action: Action): TransactionResult | undefined {
  switch (action.kind) {
    case 'create':
      return checkCreate(tables, action.table, action.object);
    case 'update':
      return checkVersion(tables, action.table, action.object.id, action.ifVersion);
    case 'remove':
      if (tables.get(action.table, action.id) === undefined) {
        return refuse('notFound', `${action.table} ${action.id} not found`);
      }
      return action.ifVersion === undefined
        ? undefined
        : checkVersion(tables, action.table, action.id, action.ifVersion);
    case 'session':
      return tables.get('node', action.nodeId) === undefined
        ? refuse('notFound', `node ${action.nodeId} not found`)
        : undefined;
    case 'addNode':
      return checkCreate(tables, 'node', action.object);
    case 'taskStatus':
      return undefined;
  }
}

function checkCreate(
  tables: TableSet,
  table: TableName,
  object: { readonly id: string },
): TransactionResult | undefined {
  if (tables.get(table, object.id) !== undefined) {
    return refuse('conflict', `${table} ${object.id} already exists`);
  }
  const name = nameOf(table, object);
  if (name !== undefined && tables.byName(table as NamedTable, name) !== undefined) {
    return refuse(
      'conflict',
      `name conflicts with an existing object: ${table} ${name} already exists`,
    );
  }
  return undefined;
}

function checkVersion(
  tables: TableSet,
  table: TableName,
  id: string,
  version: number,
): TransactionResult | undefined {
  const stored = tables.get(table, id);
  if (stored === undefined) return refuse('notFound', `${table} ${id} not found`);
  if (stored.version !== version) return refuse('outOfSequence', 'update out of sequence');
  return undefined;
}

function nameOf(table: TableName, object: object): string | undefined {
  if (table !== 'service' && table !== 'network' && table !== 'secret' && table !== 'config') {
    return undefined;
  }
  return (object as { spec: { Name: string } }).spec.Name;
}

function perform(
  tables: TableSet,
  position: EntryPosition,
  time: number,
  action: Action,
): StoreChange | undefined {
  const { index } = position;
  switch (action.kind) {
    case 'create':
      return write(tables, action.table, {
        ...action.object,
        version: index,
        createdAt: time,
        updatedAt: time,
        ...(position.level === 0 ? {} : { specIndex: index }),
        ...(action.table === 'task' ? { createdIndex: index } : {}),
      } as Tables[TableName]);
    case 'update': {
      const before = tables.get(action.table, action.object.id);
      return write(tables, action.table, {
        ...action.object,
        version: index,
        createdAt: before?.createdAt ?? time,
        updatedAt: time,
        ...specIndex(before, action.object, position),
        ...(action.table === 'task' ? marks(action.object as Task, before as Task, index) : {}),
      } as Tables[TableName]);
    }
    case 'remove': {
      const before = tables.get(action.table, action.id);
      tables.drop(action.table, action.id);
      return { table: action.table, index, before, after: undefined } as StoreChange;
    }
    case 'session':
      return write(tables, 'session', {
        id: action.nodeId,
        epoch: index,
        managerId: action.managerId,
        ...metaOf(tables.get('session', action.nodeId), index, time),
      });
    case 'taskStatus':
      return performTaskStatus(tables, position, time, action);
    case 'addNode':
      return performAddNode(tables, position, time, action);
  }
}

/**
 * What users' updates are compared with: the place in the log of the last change of the spec. A service
 * counts its changes, also those to the same spec.
 */
function specIndex(
  before: Meta | undefined,
  after: object,
  { index, level }: EntryPosition,
): Pick<Meta, 'specIndex'> {
  if (level === 0 || before === undefined) return {};
  return { specIndex: specKey(before) === specKey(after) ? specIndexOf(before) : index };
}

function specKey(object: object): string {
  if ('specVersion' in object) return String(object.specVersion);
  return 'spec' in object ? JSON.stringify(object.spec) : '';
}

/** The first desired state that ends a task is numbered, too: hosts acknowledge that they act on it. */
function marks(
  task: Task,
  before: Task | undefined,
  index: number,
): Pick<Task, 'createdIndex' | 'stoppingSince'> {
  return {
    createdIndex: before?.createdIndex ?? index,
    ...(desiredAlive(task) ? {} : { stoppingSince: task.stoppingSince ?? index }),
  };
}

function performTaskStatus(
  tables: TableSet,
  { index, level }: EntryPosition,
  time: number,
  action: Extract<Action, { kind: 'taskStatus' }>,
): StoreChange | undefined {
  const task = tables.get('task', action.taskId);
  if (task === undefined || task.nodeId !== action.nodeId) return undefined;
  if (!supersedes(tables, task, action)) return undefined;
  // An end is an end: what has done its work must not be run again because it was then asked to stop.
  const over = level > 0 && isTerminal(task.status.state);
  if (over && action.status.state !== task.status.state) return undefined;
  const status = { ...action.status, ...lifecycleTimestamps(task, action.status.state, time) };
  return write(tables, 'task', { ...task, status, ...metaOf(task, index, time) });
}

/** In the managers' time: a node whose clock is wrong must not hold up an update, or hide a failure. */
function lifecycleTimestamps(
  { status }: Task,
  state: TaskState,
  time: number,
): Pick<TaskStatus, 'runningSince' | 'endedSince'> {
  const runningSince = status.runningSince ?? (state === 'running' ? time : undefined);
  const endedSince = status.endedSince ?? (isTerminal(state) ? time : undefined);
  return {
    ...(runningSince === undefined ? {} : { runningSince }),
    ...(endedSince === undefined ? {} : { endedSince }),
  };
}

/** Epoch and sequence order the reports of one agent; the state never goes back whatever they say. */
function supersedes(
  tables: TableSet,
  task: Task,
  action: Extract<Action, { kind: 'taskStatus' }>,
): boolean {
  const { epoch = 0, sequence = 0, state } = action.status;
  if (tables.get('session', action.nodeId)?.epoch !== epoch) return false;
  if (compareTaskStates(state, task.status.state) < 0) return false;
  const stored = task.status;
  return stored.epoch === undefined || epoch > stored.epoch || sequence > (stored.sequence ?? 0);
}

/** The number of a new node comes from the cluster's counter, both change in the same entry. */
function performAddNode(
  tables: TableSet,
  { index, level }: EntryPosition,
  time: number,
  action: Extract<Action, { kind: 'addNode' }>,
): StoreChange {
  const cluster = tables.cluster;
  const number = cluster?.nextNodeNumber ?? 1;
  if (cluster !== undefined) {
    tables.put('cluster', { ...cluster, nextNodeNumber: number + 1 });
  }
  const specIndexes = level === 0 ? {} : { specIndex: index };
  return write(tables, 'node', {
    ...action.object,
    number,
    ...specIndexes,
    ...metaOf(undefined, index, time),
  });
}

function metaOf(before: Meta | undefined, index: number, time: number): Omit<Meta, 'id'> {
  return { version: index, createdAt: before?.createdAt ?? time, updatedAt: time };
}

function write<K extends TableName>(tables: TableSet, table: K, object: Tables[K]): StoreChange {
  const before = tables.get(table, object.id);
  tables.put(table, object);
  return { table, index: object.version, before, after: object } as StoreChange;
}
