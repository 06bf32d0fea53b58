// The form of a Raft entry and of a snapshot: a format version first, then JSON. JSON because it is
// as fast as protobuf in this runtime and because a record can be read by a person in an emergency.
import { SwarmError } from '../../base/index.ts';
import type { TableName, Tables, Transaction } from '../../model/index.ts';

/** Raised whenever older managers could not read what newer ones write. */
export const FORMAT_VERSION = 1;

export interface Entry {
  /** Format version. */
  readonly v: number;
  /** Which store instance proposed it, so that it alone resolves its promises. */
  readonly by: string;
  /** Counted by the proposer. */
  readonly seq: number;
  readonly tx: readonly Transaction[];
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeEntry(entry: Omit<Entry, 'v'>): Uint8Array {
  return encoder.encode(JSON.stringify({ v: FORMAT_VERSION, ...entry }));
}

/** Raises `dataLoss` for a format this release doesn't know: the manager has to stop, not to guess. */
export function decodeEntry(payload: Uint8Array): Entry {
  const entry = JSON.parse(decoder.decode(payload)) as Entry;
  checkFormat(entry.v, 'log entry');
  return entry;
}

interface SnapshotHeader {
  readonly v: number;
  readonly index: number;
}

type SnapshotLine = { [K in TableName]: { readonly t: K; readonly o: Tables[K] } }[TableName];

/** Lines of a snapshot, grouped into chunks of about 64 KiB. */
export function* encodeSnapshot(
  index: number,
  tables: Iterable<{ table: TableName; objects: Iterable<Tables[TableName]> }>,
): Generator<Uint8Array> {
  let text = `${JSON.stringify({ v: FORMAT_VERSION, index } satisfies SnapshotHeader)}\n`;
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

/** Calls `put` for every object of a snapshot; raises `dataLoss` for an unknown format. */
export async function decodeSnapshot(
  chunks: AsyncIterable<Uint8Array>,
  put: (line: SnapshotLine) => void,
): Promise<void> {
  const streamDecoder = new TextDecoder();
  let rest = '';
  let first = true;
  const take = (line: string): void => {
    if (first) checkFormat((JSON.parse(line) as SnapshotHeader).v, 'snapshot');
    else put(JSON.parse(line) as SnapshotLine);
    first = false;
  };
  for await (const chunk of chunks) {
    const lines = (rest + streamDecoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(take);
  }
  if (first || rest !== '') throw new SwarmError('dataLoss', 'the snapshot is cut short');
}

function checkFormat(version: number, what: string): void {
  if (version === FORMAT_VERSION) return;
  throw new SwarmError(
    'dataLoss',
    `${what} has format ${version}, this release reads ${FORMAT_VERSION}; run the release that wrote it`,
  );
}
