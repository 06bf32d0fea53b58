// The contract between the core and the host's stable log: what has been written, to be read back.
import type { ConfState, Entry, HardState, Snapshot } from './types.ts';

/**
 * The stable part of the log. Reads must be answered at once (from memory or a cache); an
 * `undefined` says that the entry is compacted or beyond the end, which is an expected outcome.
 */
export interface Storage {
  /** What was last written; membership as of the last applied entry. */
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /** Index of the first entry that `entries` can give: one after the snapshot. */
  firstIndex(): number;
  /** Index of the last entry; `firstIndex() - 1` when there is none. */
  lastIndex(): number;
  /** Term of an entry; also known for `firstIndex() - 1`, which logs are matched against. */
  term(index: number): number | undefined;
  /** Entries in [low, high), cut to `maxBytes` but at least one. */
  entries(low: number, high: number, maxBytes: number): readonly Entry[] | undefined;
  /** The newest snapshot; undefined while none can be had, the core asks again later. */
  snapshot(): Snapshot | undefined;
}
