// What a simulated run comes to: a summary of a seed that went well, or the checker that found the
// violation and what it saw.

/** How the run of one seed ended; the same seed gives the same result, hash for hash. */
export interface SeedResult {
  /** Hash of all lines of the trace. */
  readonly hash: string;
  /** How many events the run took. */
  readonly events: number;
  /** One line for people: what the seed drew and how far the run came. */
  readonly summary: string;
}

/** A checker saw a promise broken. The message is the sentence, `checker` the promise's name. */
export class CheckFailure extends Error {
  readonly checker: string;
  /** The last lines of the trace before the violation, where the run keeps one. */
  readonly trace: readonly string[];

  constructor(checker: string, sentence: string, trace: readonly string[] = []) {
    super(`${checker}: ${sentence}`);
    this.name = 'CheckFailure';
    this.checker = checker;
    this.trace = trace;
  }
}
