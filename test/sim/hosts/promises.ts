// Checker: what a member has told others is on its disk. A vote, a term and an acknowledgement are
// promises (§5 of the Raft paper, figure 2: "updated on stable storage before responding"); after
// every end of its process the log is read and compared with them.
import { CheckFailure } from 'sim';
import type { Message } from 'raft-ts';

/** What the log says after a crash. */
export interface RecoveredPosition {
  readonly term: number;
  readonly vote: number;
  readonly lastIndex: number;
}

/** The promises of one member. */
export class MemberPromises {
  readonly #owner: string;
  #term = 0;
  #vote = 0;
  /** The highest index acknowledged to the leader of `#ackTerm`. */
  #ackTerm = 0;
  #ackIndex = 0;

  constructor(owner: string) {
    this.#owner = owner;
  }

  /** A message leaves the member. */
  sent(message: Message): void {
    const { type, term, reject } = message;
    // Nobody relies on the term of any other message.
    if (type !== 'MsgVote' && type !== 'MsgVoteResp' && type !== 'MsgAppResp') return;
    if (term > this.#term) {
      this.#term = term;
      this.#vote = 0;
    }
    if (type === 'MsgVote') this.#votes(term, message.from);
    else if (type === 'MsgVoteResp' && !reject) this.#votes(term, message.to);
    else if (type === 'MsgAppResp' && !reject) this.#acknowledges(term, message.index);
  }

  #votes(term: number, candidate: number): void {
    if (term !== this.#term) return;
    if (this.#vote !== 0 && this.#vote !== candidate) {
      throw new CheckFailure(
        'one vote a term',
        `${this.#owner} voted for ${this.#vote} and for ${candidate} in term ${term}`,
      );
    }
    this.#vote = candidate;
  }

  #acknowledges(term: number, index: number): void {
    if (term > this.#ackTerm) this.#ackIndex = 0;
    this.#ackTerm = Math.max(term, this.#ackTerm);
    if (term === this.#ackTerm) this.#ackIndex = Math.max(this.#ackIndex, index);
  }

  /** The process has ended and its log was read again. */
  check(recovered: RecoveredPosition): void {
    const { term, vote, lastIndex } = recovered;
    if (term < this.#term) {
      throw new CheckFailure(
        'promises are stored',
        `${this.#owner} spoke in term ${this.#term}, its log knows ${term}`,
      );
    }
    if (term === this.#term && this.#vote !== 0 && vote !== this.#vote) {
      throw new CheckFailure(
        'promises are stored',
        `${this.#owner} voted for ${this.#vote} in term ${term}, its log says ${vote}`,
      );
    }
    // In a later term another leader may have replaced what was acknowledged to this one.
    if (term === this.#ackTerm && lastIndex < this.#ackIndex) {
      throw new CheckFailure(
        'promises are stored',
        `${this.#owner} acknowledged entry ${this.#ackIndex} in term ${term}, ` +
          `its log ends with ${lastIndex}`,
      );
    }
  }
}
