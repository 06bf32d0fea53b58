// Log matching (Raft paper, §5.3): entries of the same index and term are the same, and so is
// everything before them; by induction it is enough to compare the term of the one before.
import { CheckFailure } from 'sim';
import type { Entry } from '../../src/index.ts';

/** Remembers every entry that was ever written anywhere. */
export class LogMatching {
  readonly #entries = new Map<number, { entry: Entry; previousTerm: number }>();

  /** A member wrote an entry. */
  stored(id: number, entry: Entry, previousTerm: number): void {
    // Both are far below a million in any run.
    const key = entry.term * 1_000_000 + entry.index;
    const known = this.#entries.get(key);
    if (known === undefined) {
      this.#entries.set(key, { entry, previousTerm });
      return;
    }
    if (sameContent(known.entry, entry) && known.previousTerm === previousTerm) return;
    const name = `${entry.index} of term ${entry.term}`;
    throw new CheckFailure('log-matching', `entry ${name} at member ${id} is another elsewhere`);
  }
}

function sameContent(a: Entry, b: Entry): boolean {
  if (a === b) return true;
  if (a.type !== b.type || a.data.length !== b.data.length) return false;
  return a.data === b.data || a.data.every((byte, position) => byte === b.data[position]);
}
