// What the daemon tells the resolver process, one JSON message a line, and what it hears back. The
// resolver keeps the whole table on disk and goes on alone when the daemon is gone.

/** Names of one network. */
export interface NetworkNames {
  readonly name: string;
  /** Name in small letters → addresses, in any order. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** Address → name for reverse look-ups. */
  readonly reverse: Readonly<Record<string, string>>;
  /** Question in small letters, as `_80._tcp.web` → SRV records; absent without any. */
  readonly services?: Readonly<Record<string, readonly ServiceRecord[]>>;
  /** The change from an earlier object, where it is known without comparing all names. */
  since?(before: NetworkNames): NamesChange | undefined;
}

export interface ServiceRecord {
  readonly port: number;
  /** A name of the network, without the network's own. */
  readonly target: string;
}

/** A task that the resolver serves inside its namespace. */
export interface ServedTask {
  /** Path of the network namespace. */
  readonly namespace: string;
  /** On 127.0.0.11, UDP and TCP. */
  readonly port: number;
  /** In the order in which they are searched. */
  readonly networks: readonly string[];
  /** False on internal networks only: names are a way out too. */
  readonly forward: boolean;
  /** Asked for names outside instead of the host's servers. */
  readonly servers?: readonly string[];
}

export interface AnswerTable {
  readonly networks: Readonly<Record<string, NetworkNames>>;
  readonly tasks: Readonly<Record<string, ServedTask>>;
}

/** `null` removes. */
export interface NamesChange {
  readonly name?: string;
  readonly names?: Readonly<Record<string, readonly string[] | null>>;
  readonly reverse?: Readonly<Record<string, string | null>>;
  readonly services?: Readonly<Record<string, readonly ServiceRecord[] | null>>;
}

export type ResolverRequest =
  /** The whole table; what is not in it is dropped. */
  | { readonly seq: number; readonly type: 'replace'; readonly table: AnswerTable }
  | {
      readonly seq: number;
      readonly type: 'change';
      readonly networks: Readonly<Record<string, NamesChange | null>>;
      readonly tasks: Readonly<Record<string, ServedTask | null>>;
    };

/** Sent once the request is in effect, sockets included. */
export interface ResolverReply {
  readonly seq: number;
  /** By task id: why it is not served. */
  readonly failures: Readonly<Record<string, string>>;
}

/** Longest line of the protocol. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

export const EMPTY_TABLE: AnswerTable = { networks: {}, tasks: {} };

/**
 * The table after a request. The names of networks that are in both are changed in place: one name among
 * ten thousand costs one name. The table before is not to be used any more.
 */
export function applyRequest(table: AnswerTable, request: ResolverRequest): AnswerTable {
  if (request.type === 'replace') return request.table;
  const networks: Record<string, NetworkNames> = { ...table.networks };
  for (const [id, change] of Object.entries(request.networks)) {
    if (change === null) delete networks[id];
    else networks[id] = changeNames(networks[id], change);
  }
  return { networks, tasks: patch({ ...table.tasks }, request.tasks) };
}

function changeNames(before: NetworkNames | undefined, change: NamesChange): NetworkNames {
  return {
    name: change.name ?? before?.name ?? '',
    names: patch(before?.names ?? {}, change.names ?? {}),
    reverse: patch(before?.reverse ?? {}, change.reverse ?? {}),
    services: patch(before?.services ?? {}, change.services ?? {}),
  };
}

function patch<T>(
  record: Record<string, T>,
  change: Readonly<Record<string, T | null>>,
): Record<string, T> {
  for (const [key, value] of Object.entries(change)) {
    if (value === null) delete record[key];
    else record[key] = value;
  }
  return record;
}

/** The change that turns one table into another, or undefined when they are the same. */
export function tableChange(
  before: AnswerTable,
  after: AnswerTable,
): Omit<Extract<ResolverRequest, { type: 'change' }>, 'seq' | 'type'> | undefined {
  const networks: Record<string, NamesChange | null> = {};
  for (const id of Object.keys(before.networks)) {
    if (!Object.hasOwn(after.networks, id)) networks[id] = null;
  }
  for (const [id, names] of Object.entries(after.networks)) {
    const old = before.networks[id];
    if (old === names) continue;
    const quick = old && names.since?.(old);
    const change = quick ?? {
      name: names.name,
      names: difference(old?.names ?? {}, names.names),
      reverse: difference(old?.reverse ?? {}, names.reverse),
      services: difference(old?.services ?? {}, names.services ?? {}),
    };
    const parts = [change.names, change.reverse, change.services];
    const size = parts.reduce((sum, part) => sum + Object.keys(part ?? {}).length, 0);
    if (old?.name !== names.name || size > 0) networks[id] = change;
  }
  const tasks = difference(before.tasks, after.tasks);
  if (Object.keys(networks).length + Object.keys(tasks).length === 0) return undefined;
  return { networks, tasks };
}

function difference<T>(
  before: Readonly<Record<string, T>>,
  after: Readonly<Record<string, T>>,
): Record<string, T | null> {
  const change: Record<string, T | null> = {};
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) change[key] = null;
  for (const [key, value] of Object.entries(after)) {
    if (!sameValue(before[key], value)) change[key] = value;
  }
  return change;
}

function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((item, index) => item === b[index]);
  }
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  return JSON.stringify(a) === JSON.stringify(b);
}
