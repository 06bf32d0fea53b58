// What a member has told others must survive its restarts (Raft paper, figure 2: "updated on stable
// storage before responding"): a vote is given once a term, the term never goes back, and entries
// that were acknowledged are on the disk.
import { CheckFailure } from 'sim';
import type { HardState, Message } from '../../src/index.ts';

/** What lies on a member's disk. */
export interface DurableState {
  readonly hardState: HardState;
  readonly lastIndex: number;
}

/** Remembers votes and terms that were told. */
export class Durability {
  readonly #votes = new Map<number, number>();
  readonly #terms = new Map<number, number>();

  /** A message leaves the member while its disk holds `durable`. */
  sent(message: Message, durable: DurableState): void {
    const { type, from, to, term, reject, index } = message;
    if (type !== 'MsgAppResp' && type !== 'MsgVoteResp') return;
    if (durable.hardState.term < term) {
      this.#fail(`member ${from} answers in term ${term}, its disk says ${durable.hardState.term}`);
    }
    this.#terms.set(from, Math.max(term, this.#terms.get(from) ?? 0));
    if (reject) return;
    if (type === 'MsgVoteResp') this.voted(from, term, to);
    // Entries of an older term may have been replaced by a new leader's meanwhile.
    const isCurrent = durable.hardState.term === term;
    if (type === 'MsgAppResp' && isCurrent && index > durable.lastIndex) {
      this.#fail(
        `member ${from} acknowledges ${index}, its disk ends with entry ${durable.lastIndex}`,
      );
    }
  }

  /** A vote was given; also that of a leader for itself. */
  voted(id: number, term: number, candidate: number): void {
    const key = term * 1000 + id;
    const other = this.#votes.get(key);
    if (other !== undefined && other !== candidate) {
      const sentence = `member ${id} voted for ${other} and for ${candidate} in term ${term}`;
      throw new CheckFailure('one-vote', sentence);
    }
    this.#votes.set(key, candidate);
  }

  /** A member starts again in this term. */
  restarted(id: number, term: number): void {
    const told = this.#terms.get(id) ?? 0;
    if (term < told) {
      this.#fail(`member ${id} starts in term ${term}, it had answered in term ${told}`);
    }
  }

  #fail(sentence: string): never {
    throw new CheckFailure('durable-answers', sentence);
  }
}
