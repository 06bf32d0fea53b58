// The form of a Raft entry and of a snapshot: format and feature level first, then JSON. JSON because
// it is as fast as protobuf in this runtime and because a record can be read by a person in an
// emergency. Everything is decoded when it is read: a log outlives the release that wrote it.
import {
  SwarmError,
  count,
  decoder,
  list,
  messageOf,
  number,
  optional,
  parseJson,
  record,
  text,
  unknown,
  type Decoder,
} from '../../base/index.ts';
import {
  FEATURE_LEVEL,
  TABLES,
  decodeAction,
  isTableName,
  type Action,
  type TableName,
  type Tables,
  type Transaction,
} from '../../model/index.ts';
import { legacyAction, legacyObject } from './legacy.ts';

/** Raised whenever older managers could not read what newer ones write. */
export const FORMAT_VERSION = 1;
/** Actions of one transaction, and transactions of one entry; writers stay far below. */
const ACTIONS_MAX = 100_000;
const TRANSACTIONS_MAX = 10_000;

const ENTRY = record({
  /** Format version. */
  v: count(),
  /** Feature level that it was written under; absent: 0. */
  l: optional(count()),
  /** Which store instance proposed it, so that it alone resolves its promises. */
  by: text(256),
  /** Counted by the proposer. */
  seq: count(),
  tx: list(record({ actions: list(unknown(), ACTIONS_MAX), time: number() }), TRANSACTIONS_MAX),
});
const decodeEnvelope = decoder(ENTRY, 'log entry', { code: 'dataLoss' });

/** A transaction as it was read, or why it can't be one. */
export type ReadTransaction =
  | { readonly transaction: Transaction; readonly problem?: undefined }
  | { readonly transaction?: undefined; readonly problem: string };

/** One entry of the log, read. */
export interface Entry {
  readonly level: number;
  readonly by: string;
  readonly seq: number;
  readonly tx: readonly ReadTransaction[];
}

const encoder = new TextEncoder();

/** The bytes of an entry. */
export function encodeEntry(entry: {
  readonly level: number;
  readonly by: string;
  readonly seq: number;
  readonly tx: readonly Transaction[];
}): Uint8Array {
  const { level, by, seq, tx } = entry;
  const levelled = level === 0 ? {} : { l: level };
  return encoder.encode(JSON.stringify({ v: FORMAT_VERSION, ...levelled, by, seq, tx }));
}

/**
 * Raises `dataLoss` for a format, level or kind of action that this release doesn't know: the manager
 * has to stop, not to guess. A transaction of a known kind that does not fit is refused alone.
 */
export function decodeEntry(payload: Uint8Array): Entry {
  const { v, l = 0, by, seq, tx } = decodeEnvelope.json(payload);
  checkFormat(v, l, 'the log entry');
  return { level: l, by, seq, tx: tx.map((one) => decodeTransaction(l, one)) };
}

function decodeTransaction(
  level: number,
  { actions, time }: { readonly actions: readonly unknown[]; readonly time: number },
): ReadTransaction {
  try {
    return { transaction: { actions: actions.map((one) => decodeOne(level, one)), time } };
  } catch (error) {
    if (error instanceof SwarmError && error.code === 'dataLoss') throw error;
    return { problem: messageOf(error) };
  }
}

function decodeOne(level: number, action: unknown): Action {
  return decodeAction(level === 0 ? legacyAction(action) : action);
}

const HEADER = record({ v: count(), l: optional(count()), index: count() });
const decodeHeader = decoder(HEADER, 'head of the snapshot', { code: 'dataLoss' });
const decodeLine = decoder(record({ t: text(64), o: unknown() }), 'line of the snapshot', {
  code: 'dataLoss',
});

/** One line of a snapshot: an object and the table that it is in. */
export type SnapshotLine = {
  [K in TableName]: { readonly table: K; readonly object: Tables[K] };
}[TableName];

const OBJECTS: { readonly [K in TableName]: Decoder<Tables[K]> } = {
  cluster: decoder(TABLES.cluster, 'cluster', { code: 'dataLoss' }),
  node: decoder(TABLES.node, 'node', { code: 'dataLoss' }),
  session: decoder(TABLES.session, 'session', { code: 'dataLoss' }),
  service: decoder(TABLES.service, 'service', { code: 'dataLoss' }),
  revision: decoder(TABLES.revision, 'revision', { code: 'dataLoss' }),
  task: decoder(TABLES.task, 'task', { code: 'dataLoss' }),
  network: decoder(TABLES.network, 'network', { code: 'dataLoss' }),
  secret: decoder(TABLES.secret, 'secret', { code: 'dataLoss' }),
  config: decoder(TABLES.config, 'config', { code: 'dataLoss' }),
  payload: decoder(TABLES.payload, 'payload', { code: 'dataLoss' }),
  credential: decoder(TABLES.credential, 'credential', { code: 'dataLoss' }),
};

/** Lines of a snapshot, grouped into chunks of about 64 KiB. */
export function* encodeSnapshot(
  index: number,
  level: number,
  tables: Iterable<{ table: TableName; objects: Iterable<Tables[TableName]> }>,
): Generator<Uint8Array> {
  const levelled = level === 0 ? {} : { l: level };
  let text = `${JSON.stringify({ v: FORMAT_VERSION, ...levelled, index })}\n`;
  for (const { table, objects } of tables) {
    for (const object of objects) {
      text += `${JSON.stringify({ t: table, o: object })}\n`;
      if (text.length >= 65_536) {
        yield encoder.encode(text);
        text = '';
      }
    }
  }
  if (text.length > 0) yield encoder.encode(text);
}

/**
 * Calls `put` for every object of a snapshot; raises `dataLoss` for an unknown format or level, and
 * for an object that can't be one.
 */
export async function decodeSnapshot(
  chunks: AsyncIterable<Uint8Array>,
  put: (line: SnapshotLine) => void,
): Promise<void> {
  const streamDecoder = new TextDecoder();
  let rest = '';
  let level: number | undefined;
  const take = (line: string): void => {
    if (level !== undefined) return put(decodeObject(level, line));
    const { v, l = 0 } = decodeHeader.json(line);
    checkFormat(v, l, 'the snapshot');
    level = l;
  };
  for await (const chunk of chunks) {
    const lines = (rest + streamDecoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  }
  if (level === undefined || rest !== '') {
    throw new SwarmError('dataLoss', 'the snapshot is cut short');
  }
}

function decodeObject(level: number, line: string): SnapshotLine {
  const { t, o } = decodeLine(parseJson(line, 'line of the snapshot', { code: 'dataLoss' }));
  if (!isTableName(t)) {
    throw new SwarmError('dataLoss', `the table "${t}" is not known to this release`);
  }
  const object = level === 0 && !OBJECTS[t].accepts(o) ? legacyObject(t, o) : o;
  return { table: t, object: OBJECTS[t](object) } as SnapshotLine;
}

function checkFormat(version: number, level: number, what: string): void {
  const known = version === FORMAT_VERSION && level <= FEATURE_LEVEL;
  if (known) return;
  throw new SwarmError(
    'dataLoss',
    `${what} has format ${version} and feature level ${level}; this release reads format ` +
      `${FORMAT_VERSION} and levels up to ${FEATURE_LEVEL}: run the release that wrote it, or a newer one`,
  );
}
