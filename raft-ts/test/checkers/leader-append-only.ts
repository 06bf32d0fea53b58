// Leader append-only (Raft paper, §5.3): a leader never overwrites or deletes entries in its own log.
import { CheckFailure } from 'sim';
import type { Entry } from '../../src/index.ts';

/** Remembers how far each leader's log was handed out. */
export class LeaderAppendOnly {
  readonly #leaderships = new Map<number, { term: number; last: number }>();

  /** A Ready of a leader; `last` is its log's end. */
  handedOut(id: number, term: number, entries: readonly Entry[], last: number): void {
    const known = this.#leaderships.get(id);
    if (known?.term !== term) {
      this.#leaderships.set(id, { term, last });
      return;
    }
    const first = entries[0]?.index ?? known.last + 1;
    if (first !== known.last + 1 || last < known.last) {
      const sentence = `leader ${id} of term ${term} wrote entry ${first}, its log went to ${known.last}`;
      throw new CheckFailure('leader-append-only', sentence);
    }
    known.last = last;
  }

  /** A restarted member is no leader any more. */
  crashed(id: number): void {
    this.#leaderships.delete(id);
  }
}
