// Election safety (Raft paper, §5.2): at most one leader can be elected in a given term.
import { CheckFailure } from 'sim';

/** Remembers the leader of every term. */
export class ElectionSafety {
  readonly #leaders = new Map<number, number>();

  leads(id: number, term: number): void {
    const other = this.#leaders.get(term);
    if (other === undefined) {
      this.#leaders.set(term, id);
    } else if (other !== id) {
      throw new CheckFailure('election-safety', `two leaders in term ${term}: ${other} and ${id}`);
    }
  }
}
