// What clients of one member wait for: commands to be applied, reads to be covered by what is applied.
import type { ReadState } from '../../src/index.ts';
import { checkReadIndex } from '../checkers/index.ts';
import { decodeNumber } from './numbers.ts';

interface PendingRead {
  /** The highest committed index when it was asked for. */
  readonly committed: number;
  readonly answer: () => void;
  index: number | undefined;
}

/** Open requests at one member; a crash forgets them. */
export class Waiting {
  readonly #proposals = new Map<number, (succeeded: boolean) => void>();
  readonly #reads = new Map<number, PendingRead>();

  proposed(command: number, onApplied: (succeeded: boolean) => void): void {
    this.#proposals.set(command, onApplied);
  }

  /** The member has applied the command. */
  applied(command: number, succeeded: boolean): void {
    const onApplied = this.#proposals.get(command);
    this.#proposals.delete(command);
    onApplied?.(succeeded);
  }

  asked(context: number, committed: number, answer: () => void): void {
    this.#reads.set(context, { committed, answer, index: undefined });
  }

  /** The core says from which index on a read may be answered. */
  confirmed(member: number, { context, index }: ReadState): void {
    const read = this.#reads.get(decodeNumber(context));
    if (read === undefined) return;
    checkReadIndex(member, index, read.committed);
    read.index = index;
  }

  /** Answers what is covered by everything up to `applied`. */
  answerUpTo(applied: number): void {
    for (const [context, read] of this.#reads) {
      if (read.index === undefined || read.index > applied) continue;
      this.#reads.delete(context);
      read.answer();
    }
  }

  clear(): void {
    this.#proposals.clear();
    this.#reads.clear();
  }
}
