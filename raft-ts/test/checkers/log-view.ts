// A member's log as its core has handed it out, stable or not: terms by index. Checkers judge by it
// what the disk does not show yet.
import type { Entry, Snapshot } from '../../src/index.ts';

/** Terms of the entries after `previousIndex`. */
export class LogView {
  previousIndex = 0;
  #terms: number[] = [];

  /** Starts over with what a restarted member finds. */
  reset(previousIndex: number, terms: number[]): void {
    this.previousIndex = previousIndex;
    this.#terms = terms;
  }

  get lastIndex(): number {
    return this.previousIndex + this.#terms.length;
  }

  /** Undefined for entries that are compacted or not there. */
  term(index: number): number | undefined {
    return this.#terms[index - this.previousIndex - 1];
  }

  install(snapshot: Snapshot): void {
    this.reset(snapshot.index, []);
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const position = entry.index - this.previousIndex - 1;
      if (position < 0) continue;
      this.#terms.length = position;
      this.#terms.push(entry.term);
    }
  }
}
