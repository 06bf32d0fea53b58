// Counts wrong join tokens by the address that they came from, in bounded memory.

/** Wrong tokens that one address may show within the window, then it has to wait. */
export const WRONG_TOKENS_MAX = 10;
/** Wrong tokens are counted for this long. */
export const WRONG_TOKENS_WINDOW_MS = 60_000;
/** Addresses that are remembered; the one heard of first goes. */
export const ADDRESSES_MAX = 4_096;

/** Counts wrong join tokens by address. */
export class WrongTokens {
  /** In the order of their first wrong token. */
  readonly #addresses = new Map<string, { since: number; count: number }>();

  get size(): number {
    return this.#addresses.size;
  }

  /** Notes one at `now` (ms, monotonic); false when there were too many. */
  note(address: string, now: number): boolean {
    for (const [known, { since }] of this.#addresses) {
      if (since > now - WRONG_TOKENS_WINDOW_MS && this.#addresses.size < ADDRESSES_MAX) break;
      this.#addresses.delete(known);
    }
    const entry = this.#addresses.get(address) ?? { since: now, count: 0 };
    this.#addresses.set(address, entry);
    entry.count++;
    return entry.count <= WRONG_TOKENS_MAX;
  }
}
