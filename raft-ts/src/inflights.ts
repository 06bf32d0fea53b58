// The append messages on their way to one follower, bounded by number and by bytes.

interface Flight {
  readonly index: number;
  readonly bytes: number;
}

/** A queue of unanswered append messages, each known by the index of its last entry. */
export class Inflights {
  readonly #maxCount: number;
  readonly #maxBytes: number;
  #flights: Flight[] = [];
  #bytes = 0;

  /** `maxBytes` 0 means no bound on bytes. */
  constructor(maxCount: number, maxBytes: number) {
    this.#maxCount = maxCount;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#flights.length;
  }

  /** True when nothing more may be sent until an answer comes. The last message may pass the byte bound. */
  get full(): boolean {
    if (this.#flights.length >= this.#maxCount) return true;
    return this.#maxBytes !== 0 && this.#bytes >= this.#maxBytes;
  }

  add(index: number, bytes: number): void {
    this.#flights.push({ index, bytes });
    this.#bytes += bytes;
  }

  /** An answer for `index` arrived: everything up to it has landed. */
  freeUpTo(index: number): void {
    let landed = 0;
    for (const flight of this.#flights) {
      if (flight.index > index) break;
      this.#bytes -= flight.bytes;
      landed++;
    }
    if (landed > 0) this.#flights.splice(0, landed);
  }

  reset(): void {
    this.#flights = [];
    this.#bytes = 0;
  }
}
