// A `Storage` in memory: for tests, and as the cache of a host that keeps its log in files.
import { invariant } from './errors.ts';
import type { Storage } from './storage.ts';
import {
  emptyBytes,
  emptyConfState,
  emptyHardState,
  limitSize,
  type ConfState,
  type Entry,
  type HardState,
  type Snapshot,
} from './types.ts';

/** The log after the last snapshot or compaction, the hard state and the snapshot. */
export class MemoryStorage implements Storage {
  #hardState: HardState = emptyHardState;
  #snapshot: Snapshot = { index: 0, term: 0, confState: emptyConfState, data: emptyBytes };
  // The entry before the first one: known by term only.
  #previous = { index: 0, term: 0 };
  #entries: Entry[] = [];

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.confState };
  }

  firstIndex(): number {
    return this.#previous.index + 1;
  }

  lastIndex(): number {
    return this.#previous.index + this.#entries.length;
  }

  term(index: number): number | undefined {
    if (index === this.#previous.index) return this.#previous.term;
    return this.#entries[index - this.#previous.index - 1]?.term;
  }

  entries(low: number, high: number, maxBytes: number): readonly Entry[] | undefined {
    const first = this.firstIndex();
    if (low < first || high > this.lastIndex() + 1) return undefined;
    return limitSize(this.#entries.slice(low - first, high - first), maxBytes);
  }

  snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** Adds entries; those already held from the first one's index on are replaced. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    invariant(first.index <= this.lastIndex() + 1, `log has a gap before entry ${first.index}`);
    // Entries that a snapshot already covers are left out.
    const covered = Math.max(0, this.firstIndex() - first.index);
    const kept = first.index + covered - this.firstIndex();
    if (kept < this.#entries.length) this.#entries.length = kept;
    for (let i = covered; i < entries.length; i++) {
      const entry = entries[i];
      if (entry !== undefined) this.#entries.push(entry);
    }
  }

  /** A snapshot of the leader replaces the whole log; an older one than ours is ignored. */
  applySnapshot(snapshot: Snapshot): boolean {
    if (snapshot.index <= this.#snapshot.index) return false;
    this.#snapshot = snapshot;
    this.#previous = { index: snapshot.index, term: snapshot.term };
    this.#entries = [];
    return true;
  }

  /** Records a snapshot of our own state machine; the log stays until it is compacted. */
  createSnapshot(index: number, confState: ConfState, data: Uint8Array): Snapshot | undefined {
    if (index <= this.#snapshot.index) return undefined;
    const term = this.term(index);
    invariant(term !== undefined, `snapshot at ${index}, the log ends at ${this.lastIndex()}`);
    this.#snapshot = { index, term, confState, data };
    return this.#snapshot;
  }

  /** Drops the entries up to and with `index`. */
  compact(index: number): void {
    if (index <= this.#previous.index) return;
    const term = this.term(index);
    invariant(term !== undefined, `compaction at ${index}, the log ends at ${this.lastIndex()}`);
    this.#entries = this.#entries.slice(index - this.#previous.index);
    this.#previous = { index, term };
  }
}
