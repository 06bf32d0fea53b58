// A member's disk: what was written, and what of it survives a crash. Records reach the disk in the
// order they were written; a crash keeps all that was synced and any first part of the rest.
import type { Prng } from 'sim';
import {
  emptyBytes,
  emptyConfState,
  emptyHardState,
  type ConfState,
  type Entry,
  type HardState,
  type Snapshot,
  type Storage,
} from '../../src/index.ts';

/** A hard state and a snapshot are one record; every entry is one. */
type Record =
  { readonly hardState: HardState | undefined; readonly snapshot: Snapshot | undefined } | Entry;

/** The log in one of its two forms. */
class LogFile {
  hardState: HardState = emptyHardState;
  snapshot: Snapshot = { index: 0, term: 0, confState: emptyConfState, data: emptyBytes };
  previousIndex = 0;
  previousTerm = 0;
  entries: Entry[] = [];

  get lastIndex(): number {
    return this.previousIndex + this.entries.length;
  }

  write(record: Record): void {
    if ('index' in record) {
      this.#writeEntry(record);
      return;
    }
    const { hardState, snapshot } = record;
    if (hardState !== undefined) this.hardState = hardState;
    if (snapshot === undefined || snapshot.index <= this.snapshot.index) return;
    this.snapshot = snapshot;
    this.previousIndex = snapshot.index;
    this.previousTerm = snapshot.term;
    this.entries = [];
  }

  #writeEntry(entry: Entry): void {
    const position = entry.index - this.previousIndex - 1;
    if (position < 0) return;
    if (position > this.entries.length) throw new Error(`the log has a gap before ${entry.index}`);
    this.entries.length = position;
    this.entries.push(entry);
  }

  compact(index: number): void {
    if (index <= this.previousIndex || index > this.lastIndex) return;
    const term = this.entries[index - this.previousIndex - 1]?.term;
    if (term === undefined) return;
    this.entries = this.entries.slice(index - this.previousIndex);
    this.previousIndex = index;
    this.previousTerm = term;
  }

  copyFrom(other: LogFile): void {
    this.hardState = other.hardState;
    this.snapshot = other.snapshot;
    this.previousIndex = other.previousIndex;
    this.previousTerm = other.previousTerm;
    this.entries = other.entries.slice();
  }
}

/** The storage that a member's core reads, and its host writes and syncs. */
export class StableStorage implements Storage {
  readonly #written = new LogFile();
  readonly #durable = new LogFile();
  #unsynced: Record[] = [];
  /** Called when the core wants a snapshot; may take a newer one, or refuse for now. */
  beforeSnapshot: () => boolean = () => true;

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#written.hardState, confState: this.#written.snapshot.confState };
  }

  firstIndex(): number {
    return this.#written.previousIndex + 1;
  }

  lastIndex(): number {
    return this.#written.lastIndex;
  }

  term(index: number): number | undefined {
    const log = this.#written;
    if (index === log.previousIndex) return log.previousTerm;
    return log.entries[index - log.previousIndex - 1]?.term;
  }

  entries(low: number, high: number, maxBytes: number): readonly Entry[] | undefined {
    const { previousIndex, entries, lastIndex } = this.#written;
    if (low <= previousIndex || high > lastIndex + 1) return undefined;
    const found = entries.slice(low - previousIndex - 1, high - previousIndex - 1);
    let bytes = 0;
    for (const [position, entry] of found.entries()) {
      bytes += entry.data.length + 16;
      if (position > 0 && bytes > maxBytes) return found.slice(0, position);
    }
    return found;
  }

  snapshot(): Snapshot | undefined {
    return this.beforeSnapshot() ? this.#written.snapshot : undefined;
  }

  /** The newest snapshot as it lies on the disk. */
  get current(): Snapshot {
    return this.#written.snapshot;
  }

  /** The state that a crash would leave at least. */
  get durable(): { readonly hardState: HardState; readonly lastIndex: number } {
    return this.#durable;
  }

  /** Writes without syncing; the hard state goes before the entries. */
  write(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    snapshot: Snapshot | undefined,
  ): void {
    if (hardState !== undefined || snapshot !== undefined) this.#add({ hardState, snapshot });
    for (const entry of entries) this.#add(entry);
  }

  #add(record: Record): void {
    this.#written.write(record);
    this.#unsynced.push(record);
  }

  sync(): void {
    for (const record of this.#unsynced) this.#durable.write(record);
    this.#unsynced = [];
  }

  /** A snapshot of our own is written aside and renamed: it is there at once, or not at all. */
  saveSnapshot(snapshot: Snapshot): void {
    if (snapshot.index <= this.#written.snapshot.index) return;
    if (snapshot.index > this.#durable.lastIndex) {
      throw new Error(`snapshot at ${snapshot.index}, the disk ends at ${this.#durable.lastIndex}`);
    }
    this.#written.snapshot = snapshot;
    this.#durable.snapshot = snapshot;
  }

  /** Drops entries that a snapshot covers. */
  compact(index: number): void {
    const upTo = Math.min(index, this.#durable.snapshot.index);
    this.#written.compact(upTo);
    this.#durable.compact(upTo);
  }

  /** The machine lost its power. */
  crash(prng: Prng): void {
    const kept = this.#unsynced.slice(0, prng.below(this.#unsynced.length + 1));
    for (const record of kept) this.#durable.write(record);
    this.#unsynced = [];
    const { hardState, lastIndex } = this.#durable;
    // A commit index that reached the disk before its entries did says too much.
    const commit = Math.min(hardState.commit, lastIndex);
    this.#durable.hardState = { ...hardState, commit };
    this.#written.copyFrom(this.#durable);
  }
}
