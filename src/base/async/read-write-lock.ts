// Lets pieces of work go on side by side, and some of them alone, in the order in which they come.

interface Waiting {
  readonly alone: boolean;
  readonly enter: () => void;
}

/** Many shared pieces of work at a time, or one that is alone. */
export class ReadWriteLock {
  #inside = 0;
  #aloneInside = false;
  #waiting: Waiting[] = [];

  /** Runs `body` once it may, `alone` or beside others; passes on what it comes to. */
  async run<T>(alone: boolean, body: () => Promise<T>): Promise<T> {
    if (this.#waiting.length > 0 || !this.#mayEnter(alone)) {
      await new Promise<void>((enter) => this.#waiting.push({ alone, enter }));
    } else {
      this.#enter(alone);
    }
    try {
      return await body();
    } finally {
      this.#inside--;
      this.#aloneInside = false;
      this.#admit();
    }
  }

  #mayEnter(alone: boolean): boolean {
    return this.#inside === 0 || (!alone && !this.#aloneInside);
  }

  #enter(alone: boolean): void {
    this.#inside++;
    this.#aloneInside = alone;
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next && this.#mayEnter(next.alone); next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#enter(next.alone);
      next.enter();
    }
  }
}
