// The log as a member sees it: the stable part in the host's storage, the unstable tail, and how
// far it is committed, being applied, and applied.
import { invariant } from './errors.ts';
import type { Storage } from './storage.ts';
import { limitSize, NO_LIMIT, sizeOf, type Entry, type EntryId, type Snapshot } from './types.ts';
import { Unstable } from './unstable.ts';

/** One member's log. */
export class RaftLog {
  readonly unstable: Unstable;
  readonly #storage: Storage;
  readonly #maxApplyingBytes: number;
  #committed: number;
  #applying: number;
  #applied: number;
  #applyingBytes = 0;
  // Too much has been handed out to be applied: wait until some of it is.
  #applyingPaused = false;

  constructor(storage: Storage, maxApplyingBytes: number) {
    this.#storage = storage;
    this.#maxApplyingBytes = maxApplyingBytes;
    this.unstable = new Unstable(storage.lastIndex() + 1);
    const before = storage.firstIndex() - 1;
    this.#committed = before;
    this.#applying = before;
    this.#applied = before;
  }

  get committed(): number {
    return this.#committed;
  }

  get applied(): number {
    return this.#applied;
  }

  get applying(): number {
    return this.#applying;
  }

  firstIndex(): number {
    return this.unstable.firstIndex() ?? this.#storage.firstIndex();
  }

  lastIndex(): number {
    return this.unstable.lastIndex() ?? this.#storage.lastIndex();
  }

  lastEntry(): EntryId {
    const index = this.lastIndex();
    const term = this.term(index);
    invariant(term !== undefined, `no term for the last entry ${index}`);
    return { term, index };
  }

  /** Undefined when the entry is compacted or beyond the end. */
  term(index: number): number | undefined {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined) return unstable;
    if (index + 1 < this.firstIndex() || index > this.lastIndex()) return undefined;
    return this.#storage.term(index);
  }

  matches(id: EntryId): boolean {
    return this.term(id.index) === id.term;
  }

  /** The rule of votes: a log is as good as ours if it ends with a later term, or as far in the same. */
  isUpToDate(candidate: EntryId): boolean {
    const last = this.lastEntry();
    return (
      candidate.term > last.term || (candidate.term === last.term && candidate.index >= last.index)
    );
  }

  /** Adds the leader's own entries. Returns the new last index. */
  append(entries: readonly Entry[]): number {
    const first = entries[0];
    if (first !== undefined) {
      invariant(
        first.index > this.#committed,
        `entry ${first.index} would replace a committed one`,
      );
      this.unstable.append(entries);
    }
    return this.lastIndex();
  }

  /**
   * Adds a leader's entries after `previous`; entries held already are kept. Returns the index of
   * the last one, or undefined when our log does not contain `previous`.
   */
  maybeAppend(previous: EntryId, entries: readonly Entry[], commit: number): number | undefined {
    if (!this.matches(previous)) return undefined;
    const last = previous.index + entries.length;
    const conflict = entries.findIndex((entry) => !this.matches(entry));
    if (conflict >= 0) this.append(entries.slice(conflict));
    this.commitTo(Math.min(commit, last));
    return last;
  }

  /** The last entry at or before `index` whose term does not exceed `term`: where logs may meet. */
  findConflictByTerm(index: number, term: number): EntryId {
    for (let at = index; at > 0; at--) {
      const ours = this.term(at);
      if (ours === undefined) return { index: at, term: 0 };
      if (ours <= term) return { index: at, term: ours };
    }
    return { index: 0, term: 0 };
  }

  commitTo(index: number): void {
    if (index <= this.#committed) return;
    invariant(index <= this.lastIndex(), `commit ${index} is beyond the log; was the log lost?`);
    this.#committed = index;
  }

  /** Commits up to `id` if it is ours; entries of earlier terms only go along (Raft §5.4.2). */
  maybeCommit(id: EntryId): boolean {
    if (id.term === 0 || id.index <= this.#committed || !this.matches(id)) return false;
    this.commitTo(id.index);
    return true;
  }

  /** Committed entries not yet handed out; `allowUnstable` if they need not be stable first. */
  nextCommittedEntries(allowUnstable: boolean): readonly Entry[] {
    if (!this.#mayApply) return [];
    const low = this.#applying + 1;
    const high = this.#appliableIndex(allowUnstable) + 1;
    if (low >= high) return [];
    const entries = this.slice(low, high, this.#maxApplyingBytes - this.#applyingBytes);
    invariant(entries !== undefined, `committed entries from ${low} on are missing`);
    return entries;
  }

  hasNextCommittedEntries(allowUnstable: boolean): boolean {
    return this.#mayApply && this.#appliableIndex(allowUnstable) > this.#applying;
  }

  /** The host was handed these entries. */
  acceptApplying(entries: readonly Entry[], allowUnstable: boolean): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.#applying = last.index;
    this.#applyingBytes += sizeOf(entries);
    this.#applyingPaused =
      this.#applyingBytes >= this.#maxApplyingBytes ||
      last.index < this.#appliableIndex(allowUnstable);
  }

  /** The host has applied everything up to `index`; `bytes` of what was handed out. */
  appliedTo(index: number, bytes: number): void {
    invariant(
      index >= this.#applied && index <= this.#committed,
      `applied ${index}, but ${this.#applied} was applied and ${this.#committed} is committed`,
    );
    this.#applied = index;
    this.#applying = Math.max(this.#applying, index);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyingBytes;
  }

  restore(snapshot: Snapshot): void {
    this.#committed = snapshot.index;
    this.unstable.restore(snapshot);
  }

  snapshot(): Snapshot | undefined {
    return this.unstable.snapshot ?? this.#storage.snapshot();
  }

  /** Entries from `index` to the end. Undefined when compacted. */
  entriesFrom(index: number, maxBytes: number): readonly Entry[] | undefined {
    if (index > this.lastIndex()) return [];
    return this.slice(index, this.lastIndex() + 1, maxBytes);
  }

  /** Everything held; for display. */
  allEntries(): readonly Entry[] {
    return this.entriesFrom(this.firstIndex(), NO_LIMIT) ?? [];
  }

  /** Entries in [low, high) within `maxBytes`, but at least one. Undefined when compacted. */
  slice(low: number, high: number, maxBytes: number): readonly Entry[] | undefined {
    if (low < this.firstIndex()) return undefined;
    if (low >= high) return [];
    const { offset } = this.unstable;
    if (low >= offset) return limitSize(this.unstable.slice(low, high), maxBytes);
    const cut = Math.min(high, offset);
    const stable = this.#storage.entries(low, cut, maxBytes);
    if (stable === undefined || high <= offset || stable.length < cut - low) return stable;
    const size = sizeOf(stable);
    if (size >= maxBytes) return stable;
    const rest = limitSize(this.unstable.slice(offset, high), maxBytes - size);
    // The "at least one" of the rest does not hold for the sum.
    if (rest.length === 1 && sizeOf(rest) + size > maxBytes) return stable;
    return [...stable, ...rest];
  }

  get #mayApply(): boolean {
    // A snapshot must be in place before anything that follows it.
    return !this.#applyingPaused && this.unstable.snapshot === undefined;
  }

  #appliableIndex(allowUnstable: boolean): number {
    return allowUnstable ? this.#committed : Math.min(this.#committed, this.unstable.offset - 1);
  }
}
