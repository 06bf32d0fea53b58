// The tail of the log that is not (known to be) on stable storage: entries, and a snapshot from the
// leader. Entries are first new, then in progress (handed to the host), then stable and dropped.
import { invariant } from './errors.ts';
import type { Entry, EntryId, Snapshot } from './types.ts';

/** The unstable tail; `offset` is the index of its first entry. */
export class Unstable {
  snapshot: Snapshot | undefined;
  #snapshotInProgress = false;
  #entries: Entry[] = [];
  #offset: number;
  // From this index on the host has not been handed the entries.
  #offsetInProgress: number;

  constructor(offset: number) {
    this.#offset = offset;
    this.#offsetInProgress = offset;
  }

  get offset(): number {
    return this.#offset;
  }

  get hasEntries(): boolean {
    return this.#entries.length > 0;
  }

  /** The index that the log starts at, if a snapshot decides it. */
  firstIndex(): number | undefined {
    return this.snapshot === undefined ? undefined : this.snapshot.index + 1;
  }

  lastIndex(): number | undefined {
    if (this.#entries.length > 0) return this.#offset + this.#entries.length - 1;
    return this.snapshot?.index;
  }

  term(index: number): number | undefined {
    if (index >= this.#offset) return this.#entries[index - this.#offset]?.term;
    return this.snapshot?.index === index ? this.snapshot.term : undefined;
  }

  /** Entries not yet handed to the host. */
  nextEntries(): readonly Entry[] {
    return this.#entries.slice(this.#offsetInProgress - this.#offset);
  }

  /** The snapshot, if not yet handed to the host. */
  nextSnapshot(): Snapshot | undefined {
    return this.#snapshotInProgress ? undefined : this.snapshot;
  }

  get hasNext(): boolean {
    return this.#offsetInProgress < this.#offset + this.#entries.length;
  }

  /** The host has taken everything there is. */
  accept(): void {
    this.#offsetInProgress = this.#offset + this.#entries.length;
    if (this.snapshot !== undefined) this.#snapshotInProgress = true;
  }

  /**
   * Entries up to `id` are stable. An entry that was replaced meanwhile (another term) is not: its
   * successor's own write will say so.
   */
  stableTo(id: EntryId): void {
    if (id.index < this.#offset || this.term(id.index) !== id.term) return;
    this.#entries = this.#entries.slice(id.index + 1 - this.#offset);
    this.#offset = id.index + 1;
    this.#offsetInProgress = Math.max(this.#offsetInProgress, this.#offset);
  }

  stableSnapshotTo(index: number): void {
    if (this.snapshot?.index !== index) return;
    this.snapshot = undefined;
    this.#snapshotInProgress = false;
  }

  /** Starts over behind a snapshot of the leader. */
  restore(snapshot: Snapshot): void {
    this.#offset = snapshot.index + 1;
    this.#offsetInProgress = this.#offset;
    this.#entries = [];
    this.snapshot = snapshot;
    this.#snapshotInProgress = false;
  }

  /** Adds entries, replacing whatever is held from the first one's index on. */
  append(entries: readonly Entry[]): void {
    const from = entries[0]?.index;
    if (from === undefined) return;
    const end = this.#offset + this.#entries.length;
    if (from <= this.#offset) {
      // Even stable entries are replaced: the host must write these anew.
      this.#entries = [];
      this.#offset = from;
      this.#offsetInProgress = from;
    } else if (from < end) {
      // A new array: the host may still hold a part of the old one.
      this.#entries = this.#entries.slice(0, from - this.#offset);
      this.#offsetInProgress = Math.min(this.#offsetInProgress, from);
    } else {
      invariant(from === end, `unstable log ends before ${end}, got ${from}`);
    }
    for (const entry of entries) this.#entries.push(entry);
  }

  slice(low: number, high: number): readonly Entry[] {
    const end = this.#offset + this.#entries.length;
    invariant(low >= this.#offset && high <= end, `unstable slice ${low}..${high} out of bounds`);
    return this.#entries.slice(low - this.#offset, high - this.#offset);
  }
}
