// What happened in a simulated run, a line per event. All lines go into a running hash, so that two
// runs can be compared without keeping them; only the last ones are kept, to be read after a failure.

/** How many lines are kept. */
const KEPT_LINES = 100;

/** Collects lines and their hash. */
export class Trace {
  readonly #onLine: ((text: string) => void) | undefined;
  readonly #kept: string[] = [];
  #count = 0;
  // Two hashes of 32 bits with different primes: enough to tell runs apart, and cheap.
  #high = 0x811c9dc5;
  #low = 0x9747b28c;

  /** `onLine` sees each line as it comes, for a run that is replayed before somebody's eyes. */
  constructor(onLine?: (text: string) => void) {
    this.#onLine = onLine;
  }

  line(text: string): void {
    for (let i = 0; i < text.length; i++) this.#mix(text.charCodeAt(i));
    this.#mix(0x0a);
    this.#kept[this.#count % KEPT_LINES] = text;
    this.#count++;
    this.#onLine?.(text);
  }

  /** How many lines there were. */
  get count(): number {
    return this.#count;
  }

  /** Hash of all lines so far, 16 hexadecimal digits. */
  get hash(): string {
    return hex(this.#high) + hex(this.#low);
  }

  /** The last `n` lines, oldest first; at most 100. */
  last(n: number): string[] {
    const wanted = Math.min(n, this.#kept.length);
    return Array.from(
      { length: wanted },
      (_, i) => this.#kept[(this.#count - wanted + i) % KEPT_LINES] ?? '',
    );
  }

  #mix(code: number): void {
    this.#high = Math.imul(this.#high ^ code, 0x01000193);
    this.#low = Math.imul(this.#low ^ code, 0x5bd1e995);
    this.#low ^= this.#low >>> 15;
  }
}

function hex(hash: number): string {
  return (hash >>> 0).toString(16).padStart(8, '0');
}
