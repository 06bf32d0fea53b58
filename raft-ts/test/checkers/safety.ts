// The promises of Raft, checked from outside while a group runs. Each throws a sentence that names
// what was broken (Ongaro, figure 3.2).
import type { Entry } from '../../src/index.ts';

/** Watches all members of one group. */
export class SafetyChecker {
  readonly #leaders = new Map<number, number>();
  readonly #entries = new Map<string, { data: string; previousTerm: number }>();
  readonly #applied = new Map<number, string>();
  /** Highest index that any member has applied: certainly committed. */
  committed = 0;

  /** Election safety: at most one leader in a term. */
  leads(id: number, term: number): void {
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== id) {
      throw new Error(`two leaders in term ${term}: ${other} and ${id}`);
    }
    this.#leaders.set(term, id);
  }

  /**
   * Log matching: an entry with the same index and term is the same everywhere, and so is the term of
   * the one before it; by induction, so is everything before it.
   */
  stored(id: number, entry: Entry, previousTerm: number): void {
    const key = `${entry.index}/${entry.term}`;
    const data = textOf(entry);
    const known = this.#entries.get(key);
    if (known === undefined) {
      this.#entries.set(key, { data, previousTerm });
      return;
    }
    if (known.data !== data || known.previousTerm !== previousTerm) {
      throw new Error(`entry ${key} of member ${id} is another one than elsewhere`);
    }
  }

  /** State machine safety: the same entry is applied at an index everywhere, for ever. */
  applied(id: number, entry: Entry): void {
    const text = `${entry.term} ${textOf(entry)}`;
    const known = this.#applied.get(entry.index);
    if (known !== undefined && known !== text) {
      throw new Error(`member ${id} applied "${text}" at ${entry.index}, others "${known}"`);
    }
    this.#applied.set(entry.index, text);
    this.committed = Math.max(this.committed, entry.index);
  }

  /** Linearizable reads: an answer covers everything that was committed when it was asked. */
  read(id: number, index: number, committedWhenAsked: number): void {
    if (index < committedWhenAsked) {
      throw new Error(
        `read at member ${id} gave ${index}, but ${committedWhenAsked} was committed when it was asked`,
      );
    }
  }

  /** All entries that were ever applied, by index. */
  get history(): ReadonlyMap<number, string> {
    return this.#applied;
  }
}

function textOf(entry: Entry): string {
  return `${entry.type} ${Buffer.from(entry.data).toString('hex')}`;
}
