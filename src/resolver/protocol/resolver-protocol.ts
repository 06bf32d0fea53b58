// What the daemon tells the resolver process, one JSON message a line, and what it hears back. The
// resolver keeps the whole table on disk and goes on alone when the daemon is gone.

import {
  SwarmError,
  boolean,
  count,
  decoder,
  list,
  map,
  nullable,
  oneOf,
  optional,
  parseJson,
  record,
  text,
  type Decoded,
} from '../../base/index.ts';

/** Names, addresses and tasks of one message; far beyond what one host has to do with. */
const ENTRIES_MAX = 1_000_000;
const WORD = text(4096);
const ADDRESSES = list(text(64));

const SERVICE_RECORD = record({
  port: count(65_535),
  /** A name of the network, without the network's own. */
  target: WORD,
});
export type ServiceRecord = Decoded<typeof SERVICE_RECORD>;

const NETWORK_NAMES = record({
  name: WORD,
  /** Name in small letters → addresses, in any order. */
  names: map(ADDRESSES, ENTRIES_MAX),
  /** Address → name for reverse look-ups. */
  reverse: map(WORD, ENTRIES_MAX),
  /** Question in small letters, as `_80._tcp.web` → SRV records; absent without any. */
  services: optional(map(list(SERVICE_RECORD), ENTRIES_MAX)),
});
/** Names of one network. */
export interface NetworkNames extends Decoded<typeof NETWORK_NAMES> {
  /** The change from an earlier object, where it is known without comparing all names. */
  since?(before: NetworkNames): NamesChange | undefined;
}

/** A task that the resolver serves inside its namespace. */
const SERVED_TASK = record({
  /** Path of the network namespace. */
  namespace: WORD,
  /** On 127.0.0.11, UDP and TCP. */
  port: count(65_535),
  /** In the order in which they are searched. */
  networks: list(WORD),
  /** False on internal networks only: names are a way out too. */
  forward: boolean(),
  /** Asked for names outside instead of the host's servers. */
  servers: optional(list(text(64))),
});
export type ServedTask = Decoded<typeof SERVED_TASK>;

const ANSWER_TABLE = record({
  networks: map(NETWORK_NAMES, ENTRIES_MAX),
  tasks: map(SERVED_TASK, ENTRIES_MAX),
});
export interface AnswerTable {
  readonly networks: Readonly<Record<string, NetworkNames>>;
  readonly tasks: Readonly<Record<string, ServedTask>>;
}

/** `null` removes. */
const NAMES_CHANGE = record({
  name: optional(WORD),
  names: optional(map(nullable(ADDRESSES), ENTRIES_MAX)),
  reverse: optional(map(nullable(WORD), ENTRIES_MAX)),
  services: optional(map(nullable(list(SERVICE_RECORD)), ENTRIES_MAX)),
});
export type NamesChange = Decoded<typeof NAMES_CHANGE>;

const REPLACE = record({ seq: count(), type: oneOf('replace'), table: ANSWER_TABLE });
const CHANGE = record({
  seq: count(),
  type: oneOf('change'),
  networks: map(nullable(NAMES_CHANGE), ENTRIES_MAX),
  tasks: map(nullable(SERVED_TASK), ENTRIES_MAX),
});

export type ResolverRequest =
  /** The whole table; what is not in it is dropped. */
  | { readonly seq: number; readonly type: 'replace'; readonly table: AnswerTable }
  | Decoded<typeof CHANGE>;

/** Sent once the request is in effect, sockets included. */
const REPLY = record({
  seq: count(),
  /** By task id: why it is not served. */
  failures: map(text(), ENTRIES_MAX),
});
export type ResolverReply = Decoded<typeof REPLY>;

const WHAT = 'message of the resolver';
const decodeReplace = decoder(REPLACE, WHAT);
const decodeChange = decoder(CHANGE, WHAT);
const decodeReply = decoder(REPLY, WHAT);
const decodeTable = decoder(ANSWER_TABLE, 'table of the resolver', { code: 'dataLoss' });

/** One line of the daemon's. Raises `invalid`. */
export function parseRequest(line: string): ResolverRequest {
  const value = parseJson(line, WHAT, { length: MAX_LINE_BYTES });
  // Asked first: a decoder drops what it does not know.
  const changes = typeof value === 'object' && value !== null && 'type' in value;
  return changes && value.type === 'change' ? decodeChange(value) : decodeReplace(value);
}

/** One line of the resolver's. Raises `invalid`. */
export function parseReply(line: string): ResolverReply {
  return decodeReply.json(line);
}

/** What the resolver kept on disk. Raises `dataLoss`. */
export function parseTable(json: string): AnswerTable {
  return decodeTable.json(json);
}

const RESOLVER_CONFIG = record({
  addon: WORD,
  resolvConf: WORD,
  socket: WORD,
  table: WORD,
  pid: WORD,
});
export type ResolverConfig = Decoded<typeof RESOLVER_CONFIG>;
const decodeConfig = decoder(RESOLVER_CONFIG, 'argument of the resolver');

/** The argument that the resolver is started with. Raises `invalid`. */
export function parseConfig(argument: string | undefined): ResolverConfig {
  if (argument === undefined) throw new SwarmError('invalid', 'the resolver needs an argument');
  return decodeConfig.json(argument);
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
