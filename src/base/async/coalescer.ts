// Work on the newest value alone: what is handed in while it runs is done next, what came in between is
// skipped.

export class Coalescer<T> {
  readonly #work: (value: T) => Promise<void>;
  #next: { readonly value: T } | undefined;
  #running: Promise<void> | undefined;

  /** `work` deals with its own errors. */
  constructor(work: (value: T) => Promise<void>) {
    this.#work = work;
  }

  /** Whether a newer value waits for the work under way to end. */
  get superseded(): boolean {
    return this.#next !== undefined;
  }

  add(value: T): void {
    this.#next = { value };
    this.#running ??= this.#run();
  }

  /** Resolves when the value handed in last, and any that comes meanwhile, is done. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#next; next !== undefined; next = this.#next) {
        this.#next = undefined;
        await this.#work(next.value);
      }
    } finally {
      this.#running = undefined;
    }
  }
}
