// Snapshots on disk: the membership, then the state in pieces, then a closing record. Written aside,
// synced and renamed, so that a file under its own name is always complete. Streams both ways.
import type { Snapshot } from 'raft-ts';
import { SwarmError, type Disk, type Random } from '../../../base/index.ts';
import { SNAPSHOT_CHUNK_BYTES, SNAPSHOTS_KEPT } from '../contract/index.ts';
import { decodeSnapshot, encodeSnapshot } from '../wire/index.ts';
import {
  decodeFileHeader,
  encodeFileHeader,
  encodeRecord,
  FILE_HEADER_BYTES,
  readRecord,
  recordSize,
  sealerOf,
} from './record.ts';
import { SALT_BYTES, type Sealer } from './sealing.ts';

/** Where snapshots are, and what they need. */
export interface SnapshotStoreOptions {
  readonly disk: Disk;
  readonly random: Random;
  readonly directory: string;
  /** 32 bytes. */
  readonly dataKey: Uint8Array;
  /** Default SNAPSHOTS_KEPT. */
  readonly kept?: number;
}

/** A complete snapshot that does not count yet. */
export interface SnapshotDraft {
  readonly index: number;
  readonly path: string;
}

// The head holds all members, those that were removed too.
const HEAD_BYTES_MAX = 1024 * 1024;
const META = 0;
const CHUNK = 1;
const END = 2;

/** The snapshots of one manager. */
export class SnapshotStore {
  readonly #options: SnapshotStoreOptions;
  #drafts = 0;

  constructor(options: SnapshotStoreOptions) {
    this.#options = options;
  }

  /** Removes what a crash left half done, and gives the newest snapshot's head. */
  async open(): Promise<Snapshot | undefined> {
    const { disk, directory } = this.#options;
    await disk.makeDirectory(directory);
    for (const name of await disk.list(directory)) {
      if (name.startsWith('snapshot-') && name.endsWith('.tmp')) {
        await disk.remove(`${directory}/${name}`);
      }
    }
    const newest = (await this.#indexes()).at(-1);
    if (newest === undefined) return undefined;
    // The process before may have been killed between renaming it and making the name durable.
    await disk.syncDirectory(directory);
    await this.#removeSuperfluous();
    const reader = await SnapshotReader.open(this.#options, this.#path(newest));
    try {
      return await reader.head();
    } finally {
      await reader.close();
    }
  }

  /** Writes everything aside. `snapshot.data` is small and kept with the head. */
  async write(snapshot: Snapshot, chunks: AsyncIterable<Uint8Array>): Promise<SnapshotDraft> {
    const { disk, directory, random, dataKey } = this.#options;
    const path = `${directory}/snapshot-${++this.#drafts}.tmp`;
    const header = {
      kind: 'snapshot' as const,
      number: snapshot.index,
      salt: random.bytes(SALT_BYTES),
    };
    const file = await disk.open(path, { create: true });
    try {
      await file.truncate(0);
      await file.write(0, [encodeFileHeader(header)]);
      const sealer = sealerOf(dataKey, header);
      let position = FILE_HEADER_BYTES;
      let ordinal = 0;
      const put = async (kind: number, content: Uint8Array): Promise<void> => {
        const plain = tagged(kind, content);
        await file.write(position, encodeRecord(sealer, ordinal, plain));
        position += recordSize(plain.length);
        ordinal++;
      };
      await put(META, encodeSnapshot(snapshot));
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += SNAPSHOT_CHUNK_BYTES) {
          await put(CHUNK, chunk.subarray(at, at + SNAPSHOT_CHUNK_BYTES));
        }
      }
      await put(END, new Uint8Array(0));
      await file.sync();
    } catch (error) {
      // The first error is the one to tell; what is left of the draft the next one replaces.
      await disk.remove(path).catch(() => {});
      throw error;
    } finally {
      await file.close();
    }
    return { index: snapshot.index, path };
  }

  /** Makes a draft the newest snapshot, durably, and removes those that it makes superfluous. */
  async publish(draft: SnapshotDraft): Promise<void> {
    const { disk, directory } = this.#options;
    await disk.rename(draft.path, this.#path(draft.index));
    await disk.syncDirectory(directory);
    await this.#removeSuperfluous();
  }

  async #removeSuperfluous(): Promise<void> {
    const { disk, directory } = this.#options;
    const indexes = await this.#indexes();
    const superfluous = indexes.slice(0, -(this.#options.kept ?? SNAPSHOTS_KEPT));
    for (const index of superfluous) await disk.remove(this.#path(index));
    if (superfluous.length > 0) await disk.syncDirectory(directory);
  }

  async discard(draft: SnapshotDraft): Promise<void> {
    await this.#options.disk.remove(draft.path);
  }

  /** The state as of `index`. Throws `notFound` when a newer one has replaced it, or `dataLoss`. */
  async *read(index: number): AsyncGenerator<Uint8Array> {
    const reader = await SnapshotReader.open(this.#options, this.#path(index));
    try {
      await reader.head();
      for (let chunk = await reader.chunk(); chunk !== undefined; chunk = await reader.chunk()) {
        yield chunk;
      }
    } finally {
      await reader.close();
    }
  }

  async #indexes(): Promise<number[]> {
    const names = await this.#options.disk.list(this.#options.directory);
    const indexes = names.flatMap((name) => {
      const match = /^snapshot-([0-9a-f]{16})\.snap$/.exec(name);
      return match?.[1] === undefined ? [] : [Number.parseInt(match[1], 16)];
    });
    return indexes.sort((a, b) => a - b);
  }

  #path(index: number): string {
    const name = index.toString(16).padStart(16, '0');
    return `${this.#options.directory}/snapshot-${name}.snap`;
  }
}

function tagged(kind: number, content: Uint8Array): Uint8Array {
  const plain = new Uint8Array(1 + content.length);
  plain[0] = kind;
  plain.set(content, 1);
  return plain;
}

type OpenFile = Awaited<ReturnType<Disk['open']>>;

/** Reads one file record by record. */
class SnapshotReader {
  readonly #path: string;
  readonly #file: OpenFile;
  readonly #sealer: Sealer;
  #position = FILE_HEADER_BYTES;
  #ordinal = 0;

  private constructor(path: string, file: OpenFile, sealer: Sealer) {
    this.#path = path;
    this.#file = file;
    this.#sealer = sealer;
  }

  static async open(options: SnapshotStoreOptions, path: string): Promise<SnapshotReader> {
    const file = await options.disk.open(path);
    const header = decodeFileHeader(path, await file.read(0, FILE_HEADER_BYTES));
    if (header === undefined || header.kind !== 'snapshot') {
      await file.close();
      throw new SwarmError('dataLoss', `${path} is damaged at offset 0: not a snapshot`);
    }
    return new SnapshotReader(path, file, sealerOf(options.dataKey, header));
  }

  async head(): Promise<Snapshot> {
    const { kind, content } = await this.#next(HEAD_BYTES_MAX);
    if (kind !== META) throw this.#incomplete();
    return decodeSnapshot(content);
  }

  /** Undefined after the last one. */
  async chunk(): Promise<Uint8Array | undefined> {
    const { kind, content } = await this.#next(SNAPSHOT_CHUNK_BYTES + 1);
    if (kind === END) return undefined;
    if (kind !== CHUNK) throw this.#incomplete();
    return content;
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #next(bytesMax: number): Promise<{ kind: number; content: Uint8Array }> {
    const window = await this.#file.read(this.#position, recordSize(bytesMax));
    const reading = readRecord(this.#path, window, 0, this.#ordinal, this.#sealer, this.#position);
    if (reading.kind !== 'record') throw this.#incomplete();
    this.#position += reading.next;
    this.#ordinal++;
    return { kind: reading.plain[0] ?? END, content: reading.plain.subarray(1) };
  }

  #incomplete(): SwarmError {
    return new SwarmError(
      'dataLoss',
      `${this.#path} is damaged at offset ${this.#position}: it ends too early`,
    );
  }
}
