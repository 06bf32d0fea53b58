// State machine safety (Raft paper, §5.4.3): no two members apply different entries at an index, and
// none leaves one out. And, for clients with sessions (§8): no command takes effect twice.
import { CheckFailure } from 'sim';

/** Remembers the state after every index, and where each command took effect. */
export class StateMachineSafety {
  readonly #digests: number[] = [];
  readonly #effects = new Map<number, number>();

  /** A member's state after an index, by its hash. */
  applied(id: number, index: number, before: number, digest: number): void {
    if (index !== before + 1) {
      const sentence = `member ${id} applies ${index} after ${before}`;
      throw new CheckFailure('state-machine-safety', sentence);
    }
    this.#compare(id, index, digest);
  }

  /** A member took over the state of a snapshot. */
  restored(id: number, index: number, digest: number): void {
    this.#compare(id, index, digest);
  }

  #compare(id: number, index: number, digest: number): void {
    const known = this.#digests[index];
    if (known === undefined) {
      this.#digests[index] = digest;
    } else if (known !== digest) {
      const sentence = `member ${id} has another state after entry ${index} than others`;
      throw new CheckFailure('state-machine-safety', sentence);
    }
  }

  /** A command changed the state. */
  tookEffect(command: number, index: number): void {
    const known = this.#effects.get(command);
    if (known === undefined) {
      this.#effects.set(command, index);
    } else if (known !== index) {
      const sentence = `command ${command} took effect at ${known} and at ${index}`;
      throw new CheckFailure('exactly-once', sentence);
    }
  }
}
