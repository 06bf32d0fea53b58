// A seeded generator of random numbers. `split` makes one that is independent of how much the others
// have been used, so that a new user of randomness does not change every old run.

/** Numbers and bytes from a seed; structurally the random port of the program. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number | string) {
    const hash = hashOf(String(seed));
    this.#a = hash;
    this.#b = Math.imul(hash, 0x9e3779b1) >>> 0;
    this.#c = Math.imul(hash ^ 0x5bd1e995, 0x85ebca6b) >>> 0;
    for (let i = 0; i < 12; i++) this.#next();
    this.#name = String(seed);
  }

  readonly #name: string;

  /** A generator of its own, known by its name. */
  split(name: string): Prng {
    return new Prng(`${this.#name}/${name}`);
  }

  /** An integer in [0, bound). */
  below(bound: number): number {
    return bound <= 1 ? 0 : this.#next() % bound;
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.#next() / 2 ** 32 < probability;
  }

  /** One of several. */
  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.below(choices.length)];
    if (choice === undefined) throw new Error('nothing to choose from');
    return choice;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 0xff);
  }

  // sfc32 by Chris Doty-Humphrey, in the public domain.
  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash;
}
