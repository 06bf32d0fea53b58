// Work on the newest value alone: what is handed in while it runs is done next, what came in between is
// skipped.

export class Coalescer<T> {
  readonly #work: (value: T) => Promise<void>;
  readonly #pause: () => Promise<void>;
  #next: { readonly value: T } | undefined;
  #busy = false;
  #running: Promise<void> | undefined;

  /** `work` deals with its own errors. `pause`: before each piece of work, which takes what is newest then. */
  constructor(work: (value: T) => Promise<void>, pause = (): Promise<void> => Promise.resolve()) {
    this.#work = work;
    this.#pause = pause;
  }

  /** Whether a newer value waits for the work under way to end. */
  get superseded(): boolean {
    return this.#next !== undefined;
  }

  add(value: T): void {
    this.#next = { value };
    if (this.#busy) return;
    this.#busy = true;
    this.#running = this.#run();
  }

  /** Resolves when the value handed in last, and any that comes meanwhile, is done. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      while (this.#next !== undefined) {
        await this.#pause();
        const { value } = this.#next;
        this.#next = undefined;
        await this.#work(value);
      }
    } finally {
      this.#busy = false;
      this.#running = undefined;
    }
  }
}
