// The write-ahead log: segments of preallocated room, one sealed record for each batch, one write and
// one sync a batch. Whoever calls `append` gathers what waits; a batch is durable as a whole or not
// at all.
import type { Entry, EntryId, HardState } from 'raft-ts';
import { assert, SwarmError, type Disk, type DiskFile, type Random } from '../../../base/index.ts';
import { RECORD_BYTES_MAX, WAL_SEGMENT_BYTES } from '../contract/index.ts';
import {
  encodeFileHeader,
  encodeRecord,
  FILE_HEADER_BYTES,
  recordSize,
  sealerOf,
  type FileHeader,
} from './record.ts';
import { SALT_BYTES, type Sealer } from './sealing.ts';
import { encodeWalRecord, type WalRecord } from './wal-record.ts';

/** Where a log is, and what it needs. */
export interface WalOptions {
  readonly disk: Disk;
  readonly random: Random;
  readonly directory: string;
  /** 32 bytes. */
  readonly dataKey: Uint8Array;
  /** Whose log this is; a log of another member is refused. */
  readonly raftId: number;
  /** Default WAL_SEGMENT_BYTES. */
  readonly segmentBytes?: number;
}

/** What one sync makes durable. */
export interface WalBatch {
  readonly hardState: HardState | undefined;
  /** Later entries replace earlier ones from their index on. */
  readonly entries: readonly Entry[];
  /** A snapshot of the leader, complete on disk, that takes the place of the log. */
  readonly snapshot: EntryId | undefined;
}

/** A segment that exists. */
export interface WalSegment {
  readonly number: number;
  readonly path: string;
  /** The highest index ever written to it. */
  lastIndex: number;
  /** Its first record, which says what earlier segments said, is durable. */
  opened: boolean;
}

/** What a new segment repeats, so that older ones can go. */
export interface WalPosition {
  readonly hardState: HardState;
  readonly snapshot: EntryId | undefined;
}

interface OpenSegment extends WalSegment {
  readonly file: DiskFile;
  readonly sealer: Sealer;
  readonly size: number;
  position: number;
  ordinal: number;
}

const ZEROES_BYTES = 1024 * 1024;

/** The writing end; made by `openWal` once everything written before has been read. */
export class Wal {
  readonly #options: WalOptions;
  readonly #segmentBytes: number;
  #segments: WalSegment[];
  #hardState: HardState;
  #snapshot: EntryId | undefined;
  #current: OpenSegment | undefined;
  // Made ahead, because filling it with zeros takes longer than a sync.
  #prepared: Promise<OpenSegment> | undefined;
  #broken: unknown;

  constructor(options: WalOptions, segments: readonly WalSegment[], position: WalPosition) {
    this.#options = options;
    this.#segmentBytes = options.segmentBytes ?? WAL_SEGMENT_BYTES;
    this.#segments = [...segments];
    this.#hardState = position.hardState;
    this.#snapshot = position.snapshot;
  }

  /** What was last made durable. */
  get hardState(): HardState {
    return this.#hardState;
  }

  /**
   * Makes a batch durable. One call at a time. Once it has rejected, every later call does too: what
   * the disk holds is then unknown, and the manager must stop.
   */
  async append(batch: WalBatch): Promise<void> {
    if (this.#broken !== undefined) throw this.#broken;
    try {
      await this.#append(batch);
    } catch (error) {
      this.#broken = error;
      throw error;
    }
  }

  async #append(batch: WalBatch): Promise<void> {
    this.#hardState = batch.hardState ?? this.#hardState;
    this.#snapshot = batch.snapshot ?? this.#snapshot;
    let plain = encodeWalRecord(batch);
    let segment = this.#current;
    const full =
      segment !== undefined && segment.position + recordSize(plain.length) > segment.size;
    if (segment === undefined || full) {
      segment = await this.#nextSegment();
      plain = encodeWalRecord(this.#opening(batch));
    }
    if (plain.length > RECORD_BYTES_MAX) {
      throw new SwarmError('exhausted', `log batch of ${plain.length} bytes is too large`);
    }
    const record = encodeRecord(segment.sealer, segment.ordinal, plain);
    await segment.file.write(segment.position, record);
    await segment.file.sync();
    segment.opened = true;
    segment.ordinal++;
    segment.position += recordSize(plain.length);
    for (const entry of batch.entries) {
      segment.lastIndex = Math.max(segment.lastIndex, entry.index);
    }
    segment.lastIndex = Math.max(segment.lastIndex, batch.snapshot?.index ?? 0);
  }

  /** The first record of a segment says everything that earlier ones said, but for entries. */
  #opening(batch: WalBatch): WalRecord {
    return {
      raftId: this.#options.raftId,
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      entries: batch.entries,
    };
  }

  /** Removes segments that hold nothing after `index`; a snapshot at `index` must be durable. */
  async dropUpTo(index: number): Promise<void> {
    while (this.#segments.length > 1) {
      const [oldest, ...later] = this.#segments;
      // Until a later one says who was voted for, this one alone does.
      if (oldest === undefined || !later.some(({ opened }) => opened)) return;
      if (oldest.lastIndex > index) return;
      await this.#options.disk.remove(oldest.path);
      await this.#options.disk.syncDirectory(this.#options.directory);
      this.#segments.shift();
    }
  }

  /** Ends writing; what was appended is durable already. */
  async close(): Promise<void> {
    await this.#current?.file.close();
    if (this.#prepared === undefined) return;
    const prepared = await this.#prepared.catch(() => undefined);
    await prepared?.file.close();
    this.#current = undefined;
    this.#prepared = undefined;
  }

  async #nextSegment(): Promise<OpenSegment> {
    const { disk, directory } = this.#options;
    const number = (this.#segments.at(-1)?.number ?? 0) + 1;
    const prepared = await (this.#prepared ?? this.#prepare(number));
    assert(prepared.number === number, `segment ${prepared.number} prepared, ${number} is next`);
    await this.#current?.file.close();
    await disk.rename(preparedPath(directory), prepared.path);
    await disk.syncDirectory(directory);
    this.#current = prepared;
    this.#segments.push(prepared);
    this.#prepared = this.#prepare(number + 1);
    // Its failure belongs to the append that needs it.
    this.#prepared.catch(() => {});
    return prepared;
  }

  async #prepare(number: number): Promise<OpenSegment> {
    const { disk, directory, random, dataKey } = this.#options;
    const header: FileHeader = { kind: 'log', number, salt: random.bytes(SALT_BYTES) };
    const file = await disk.open(preparedPath(directory), { create: true });
    // Written, not only reserved: a later write then changes no metadata, which halves a sync.
    const zeroes = new Uint8Array(Math.min(ZEROES_BYTES, this.#segmentBytes));
    for (let at = 0; at < this.#segmentBytes; at += zeroes.length) {
      await file.write(at, [zeroes.subarray(0, this.#segmentBytes - at)]);
    }
    await file.write(0, [encodeFileHeader(header)]);
    await file.sync();
    await file.close();
    return {
      number,
      path: segmentPath(directory, number),
      lastIndex: 0,
      opened: false,
      file: await disk.open(preparedPath(directory), { durable: true }),
      sealer: sealerOf(dataKey, header),
      size: this.#segmentBytes,
      position: FILE_HEADER_BYTES,
      ordinal: 0,
    };
  }
}

/** The segment that is being made ready. */
export function preparedPath(directory: string): string {
  return `${directory}/wal-next.tmp`;
}

/** Where a segment is. */
export function segmentPath(directory: string, number: number): string {
  return `${directory}/wal-${number.toString(16).padStart(16, '0')}.log`;
}

/** The number in a segment's name; undefined for other files. */
export function segmentNumber(name: string): number | undefined {
  const match = /^wal-([0-9a-f]{16})\.log$/.exec(name);
  return match?.[1] === undefined ? undefined : Number.parseInt(match[1], 16);
}
