// Reading the log at the start: every segment in order, a torn end cut off, anything else that is
// not as it was written refused.
import { emptyHardState, type Entry, type EntryId, type HardState } from 'raft-ts';
import { SwarmError } from '../../../base/index.ts';
import { decodeFileHeader, FILE_HEADER_BYTES, readRecord, sealerOf } from './record.ts';
import {
  preparedPath,
  segmentNumber,
  segmentPath,
  Wal,
  type WalOptions,
  type WalSegment,
} from './wal.ts';
import { decodeWalRecord, type WalRecord } from './wal-record.ts';

/** What the log says. */
export interface RecoveredLog {
  readonly hardState: HardState;
  /** The last snapshot that took the place of the log, if any did. */
  readonly snapshot: EntryId | undefined;
  /** The index before the first of `entries`. */
  readonly previousIndex: number;
  readonly entries: readonly Entry[];
  /** True when nothing was ever written. */
  readonly empty: boolean;
}

const REWRITE_BYTES = 1024 * 1024;

/** Reads the log, and gives the end to write on with: always a segment of its own. */
export async function openWal(options: WalOptions): Promise<{ wal: Wal; log: RecoveredLog }> {
  const { disk, directory } = options;
  await disk.makeDirectory(directory);
  await disk.remove(preparedPath(directory));
  const numbers = (await disk.list(directory)).flatMap((name) => segmentNumber(name) ?? []);
  numbers.sort((a, b) => a - b);
  const state = new Replay();
  const segments: WalSegment[] = [];
  for (const [position, number] of numbers.entries()) {
    const path = segmentPath(directory, number);
    const before = numbers[position - 1];
    if (before !== undefined && number !== before + 1) {
      throw new SwarmError('dataLoss', `${segmentPath(directory, before + 1)} is missing`);
    }
    const last = position === numbers.length - 1;
    segments.push(await replaySegment(options, { path, number, last }, state));
  }
  const newest = segments.at(-1);
  if (newest !== undefined) await makeDurable(options, newest.path);
  const log = state.result(numbers.length === 0);
  return { wal: new Wal(options, segments, log), log };
}

async function replaySegment(
  options: WalOptions,
  { path, number, last }: { path: string; number: number; last: boolean },
  state: Replay,
): Promise<WalSegment> {
  const bytes = (await options.disk.readFile(path)) ?? new Uint8Array(0);
  const header = decodeFileHeader(path, bytes);
  if (header === undefined || header.kind !== 'log' || header.number !== number) {
    throw new SwarmError(
      'dataLoss',
      `${path} is damaged at offset 0: not the segment it should be`,
    );
  }
  const sealer = sealerOf(options.dataKey, header);
  const segment: WalSegment = { number, path, lastIndex: 0, opened: false };
  let position = FILE_HEADER_BYTES;
  for (let ordinal = 0; ; ordinal++) {
    const reading = readRecord(path, bytes, position, ordinal, sealer);
    if (reading.kind === 'end') return segment;
    if (reading.kind === 'torn') {
      if (!last) {
        throw new SwarmError('dataLoss', `${path} is damaged at offset ${position}: cut short`);
      }
      await cutOff(options, path, position);
      return segment;
    }
    const record = decodeWalRecord(reading.plain);
    checkOwner(options, path, ordinal, record);
    segment.opened = true;
    segment.lastIndex = Math.max(segment.lastIndex, state.take(path, record));
    position = reading.next;
  }
}

/** The end must be clean before a later segment exists: there, it would count as damage. */
async function cutOff(options: WalOptions, path: string, position: number): Promise<void> {
  const file = await options.disk.open(path);
  await file.truncate(position);
  await file.sync();
  await file.close();
}

/**
 * What was read may be in the kernel's memory only: the process before may have been killed between
 * write and sync, or have ended because of a failed sync, after which the kernel takes the pages for
 * written. Writing the same bytes again makes them count as unwritten; no byte on disk that was good
 * before changes. Only the newest segment can be concerned, and the names of files.
 */
async function makeDurable(options: WalOptions, path: string): Promise<void> {
  const { disk, directory } = options;
  const file = await disk.open(path);
  try {
    const size = await file.size();
    for (let at = 0; at < size; at += REWRITE_BYTES) {
      await file.write(at, [await file.read(at, REWRITE_BYTES)]);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.syncDirectory(directory);
}

function checkOwner(options: WalOptions, path: string, ordinal: number, record: WalRecord): void {
  if (ordinal === 0 && record.raftId !== options.raftId) {
    throw new SwarmError(
      'precondition',
      `${path} belongs to raft member ${record.raftId ?? 0}, this manager is ${options.raftId}: ` +
        'its data directory is another manager’s',
    );
  }
}

/** The log as the records build it up. */
class Replay {
  #hardState: HardState = emptyHardState;
  #snapshot: EntryId | undefined;
  #previousIndex = 0;
  #entries: Entry[] = [];

  /** Returns the highest index that the record names. */
  take(path: string, record: WalRecord): number {
    if (record.hardState !== undefined) this.#hardState = record.hardState;
    if (record.snapshot !== undefined) this.#reset(record.snapshot);
    let highest = record.snapshot?.index ?? 0;
    for (const entry of record.entries) {
      this.#put(path, entry);
      highest = Math.max(highest, entry.index);
    }
    return highest;
  }

  #reset(snapshot: EntryId): void {
    this.#snapshot = snapshot;
    const at = snapshot.index - this.#previousIndex - 1;
    // The start of a segment repeats the last snapshot: what follows it then is still good.
    if (at < 0 || this.#entries[at]?.term === snapshot.term) return;
    this.#previousIndex = snapshot.index;
    this.#entries = [];
  }

  #put(path: string, entry: Entry): void {
    // The first segment left may begin anywhere before the snapshot.
    if (this.#entries.length === 0 && entry.index > this.#previousIndex + 1) {
      this.#previousIndex = entry.index - 1;
    }
    const at = entry.index - this.#previousIndex - 1;
    if (at < 0) return;
    if (at > this.#entries.length) {
      throw new SwarmError('dataLoss', `${path} has a gap before entry ${entry.index}`);
    }
    this.#entries.length = at;
    this.#entries.push(entry);
  }

  result(empty: boolean): RecoveredLog {
    return {
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      previousIndex: this.#previousIndex,
      entries: this.#entries,
      empty,
    };
  }
}
