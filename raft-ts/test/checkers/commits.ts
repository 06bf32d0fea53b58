// Leader completeness (Raft paper, §5.4): an entry committed in a term is in the logs of the leaders
// of all later terms. And the commit index of a member never goes back, and never covers an entry
// other than the one that was committed there (§5.3, figure 2: commitIndex increases monotonically).
import { CheckFailure } from 'sim';
import type { LogView } from './log-view.ts';

/** Remembers which entry was committed at every index, and since which term. */
export class Commits {
  readonly #termAt: number[] = [];
  readonly #committedIn: number[] = [];
  readonly #commitOf = new Map<number, number>();
  /** The highest index known to be committed to anybody. */
  highest = 0;

  /** A member of this term says that all up to `commit` is committed; its log is `view`. */
  observe(id: number, term: number, commit: number, view: LogView): void {
    const before = this.#commitOf.get(id) ?? 0;
    if (commit < before) {
      throw new CheckFailure(
        'commit-monotonic',
        `commit index of member ${id} went from ${before} to ${commit}`,
      );
    }
    if (commit === before) return;
    if (commit > view.lastIndex) {
      const sentence = `member ${id} commits ${commit}, its log ends at ${view.lastIndex}`;
      throw new CheckFailure('commit-monotonic', sentence);
    }
    for (let index = Math.max(before, view.previousIndex) + 1; index <= commit; index++) {
      this.#committed(id, term, index, view.term(index) ?? 0);
    }
    this.#commitOf.set(id, commit);
    this.highest = Math.max(this.highest, commit);
  }

  #committed(id: number, term: number, index: number, entryTerm: number): void {
    const known = this.#termAt[index];
    if (known === undefined) {
      this.#termAt[index] = entryTerm;
      this.#committedIn[index] = term;
    } else if (known !== entryTerm) {
      throw new CheckFailure(
        'leader-completeness',
        `member ${id} commits an entry of term ${entryTerm} at ${index}, where one of ${known} was`,
      );
    }
  }

  /** A leader was elected; `view` is its log. */
  elected(id: number, term: number, view: LogView): void {
    for (let index = view.previousIndex + 1; index <= this.highest; index++) {
      const committedIn = this.#committedIn[index];
      if (committedIn === undefined || committedIn >= term) continue;
      if (view.term(index) !== this.#termAt[index]) {
        throw new CheckFailure(
          'leader-completeness',
          `leader ${id} of term ${term} lacks entry ${index}, committed in term ${committedIn}`,
        );
      }
    }
  }

  /** A member starts again and knows that all up to `commit` is committed. */
  restarted(id: number, commit: number): void {
    this.#commitOf.set(id, commit);
  }
}
