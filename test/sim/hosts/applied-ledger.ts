// Checker: at the same index, all members have applied the same (State Machine Safety, §5.4.3 of the
// Raft paper), whether they got there entry by entry or by a snapshot, before a crash or after it.
import { CheckFailure } from 'sim';

/** Digests by index, as the first member to get there had them. */
export class AppliedLedger {
  readonly #digests = new Map<number, { digest: number; owner: string }>();

  /** The highest index that anybody has applied. */
  highest = 0;

  applied(owner: string, index: number, digest: number): void {
    const known = this.#digests.get(index);
    this.highest = Math.max(this.highest, index);
    if (known === undefined) this.#digests.set(index, { digest, owner });
    else if (known.digest !== digest) {
      throw new CheckFailure(
        'applied the same',
        `${owner} and ${known.owner} have applied different entries up to ${index}`,
      );
    }
  }
}

/** Mixes a text into a digest (FNV-1a, 32 bits). */
export function fold(digest: number, text: string): number {
  let hash = digest ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
