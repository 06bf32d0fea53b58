// The store's change language: what one Raft entry says. Actions of one transaction are applied
// together or not at all; transactions of one entry stand each for themselves. Everything that
// `apply` needs is in here: it reads no clock and draws no random number.
import {
  SwarmError,
  count,
  decoder,
  oneOf,
  optional,
  record,
  type Decoded,
  type Decoder,
  type TObject,
  type TProperties,
} from '../../base/index.ts';
import { ID, TABLES, TASK_STATUS, type TableName, type Tables } from './objects.ts';

/** An object without the fields that the store fills in. */
export type Draft<T> = Omit<T, StoreFields>;

const TABLE_NAME = oneOf(...(Object.keys(TABLES) as TableName[]));

type CreateActions = {
  [K in TableName]: {
    readonly kind: 'create';
    readonly table: K;
    readonly object: Draft<Tables[K]>;
  };
};

type UpdateActions = {
  [K in TableName]: {
    readonly kind: 'update';
    readonly table: K;
    readonly object: Draft<Tables[K]>;
    /** Refuses the transaction when the stored version is another one. */
    readonly ifVersion: number;
  };
};

const REMOVE = record({
  kind: oneOf('remove'),
  table: TABLE_NAME,
  id: ID,
  ifVersion: optional(count()),
});

/** Registers an agent; the entry's index becomes the epoch and replaces any older session. */
const SESSION = record({ kind: oneOf('session'), nodeId: ID, managerId: ID });

/**
 * An agent's word on a task. Silently dropped when the task is gone, belongs to another node, the
 * epoch is not the node's current one, the sequence is not higher or the state would go back.
 */
const TASK_STATUS_ACTION = record({
  kind: oneOf('taskStatus'),
  taskId: ID,
  nodeId: ID,
  status: TASK_STATUS,
});

const {
  version: _v,
  createdAt: _c,
  updatedAt: _u,
  specIndex: _s,
  number: _n,
  ...newNode
} = TABLES.node.properties;

/** Takes over `cluster.nextNodeNumber` as the number of a new node: counted in `apply`, so never twice. */
const ADD_NODE = record({ kind: oneOf('addNode'), object: record(newNode) });

/** One change of the state. What managers of a feature level do not know is not written under it. */
export type Action =
  | CreateActions[TableName]
  | UpdateActions[TableName]
  | Decoded<typeof REMOVE>
  | Decoded<typeof SESSION>
  | Decoded<typeof TASK_STATUS_ACTION>
  | Decoded<typeof ADD_NODE>;

const DRAFTS: { readonly [K in TableName]: Decoder<Draft<Tables[K]>> } = {
  cluster: draft(TABLES.cluster, 'cluster'),
  node: draft(TABLES.node, 'node'),
  session: draft(TABLES.session, 'session'),
  service: draft(TABLES.service, 'service'),
  revision: draft(TABLES.revision, 'revision'),
  task: draft(TABLES.task, 'task'),
  network: draft(TABLES.network, 'network'),
  secret: draft(TABLES.secret, 'secret'),
  config: draft(TABLES.config, 'config'),
  payload: draft(TABLES.payload, 'payload'),
  credential: draft(TABLES.credential, 'credential'),
};

type StoreFields = 'version' | 'createdAt' | 'updatedAt' | 'specIndex';

function draft<P extends TProperties>(schema: TObject<P>, what: string) {
  const { version: _v, createdAt: _c, updatedAt: _u, specIndex: _s, ...rest } = schema.properties;
  return decoder(record(rest), what);
}

const decodeUpdate = decoder(record({ ifVersion: count() }), 'update');
const decodeRemove = decoder(REMOVE, 'remove');
const decodeSession = decoder(SESSION, 'session');
const decodeStatus = decoder(TASK_STATUS_ACTION, 'status of a task');
const decodeAddNode = decoder(ADD_NODE, 'new node');

/**
 * An action of the log. Raises `invalid` for one that does not fit, and `dataLoss` for a kind or table
 * that this release does not have: to skip it would make this manager's state another one.
 */
export function decodeAction(value: unknown): Action {
  const { kind, table, object, ifVersion } = isRecord(value) ? value : {};
  switch (kind) {
    case 'create': {
      const name = tableName(table);
      return create(name, DRAFTS[name](object));
    }
    case 'update': {
      const name = tableName(table);
      return {
        ...create(name, DRAFTS[name](object)),
        kind,
        ...decodeUpdate({ ifVersion }),
      } as unknown as Action;
    }
    case 'remove':
      tableName(table);
      return decodeRemove(value);
    case 'session':
      return decodeSession(value);
    case 'taskStatus':
      return decodeStatus(value);
    case 'addNode':
      return decodeAddNode(value);
    default:
      throw new SwarmError(
        'dataLoss',
        `the kind of action "${String(kind)}" is not known to this release`,
      );
  }
}

/**
 * Makes ready what `decodeAction` needs, a piece with each step. It would do so by itself, all at once with
 * the first entry that has a service and tasks: for some hundred milliseconds.
 */
export function* prepareDecoders(): Generator<undefined> {
  const others = [decodeUpdate, decodeRemove, decodeSession, decodeStatus, decodeAddNode];
  for (const decode of [...Object.values(DRAFTS), ...others]) {
    decode.accepts(undefined);
    yield undefined;
  }
}

function tableName(name: unknown): TableName {
  if (typeof name === 'string' && isTableName(name)) return name;
  throw new SwarmError('dataLoss', `the table "${String(name)}" is not known to this release`);
}

/** Whether the name is that of a table of the state. */
export function isTableName(name: string): name is TableName {
  return Object.hasOwn(TABLES, name);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** Actions that are applied together or not at all, with the time (ms since 1970) that they count as. */
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
  const { version, createdAt: _created, updatedAt: _updated, specIndex: _index, ...draft } = object;
  return { kind: 'update', table, object: draft, ifVersion: version } as unknown as Action;
}

/** Removes `id`; with `ifVersion` only when unchanged. */
export function remove(table: TableName, id: string, ifVersion?: number): Action {
  return ifVersion === undefined
    ? { kind: 'remove', table, id }
    : { kind: 'remove', table, id, ifVersion };
}
