// One piece of work after the other, for each key; different keys go on side by side.

export class SerialQueue {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `work` once what was handed in before under `key` is over; passes on what it comes to. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const done = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const over = done.then(
      () => undefined,
      () => undefined,
    );
    this.#last.set(key, over);
    void over.then(() => {
      if (this.#last.get(key) === over) this.#last.delete(key);
    });
    return done;
  }

  /** Resolves when all that was handed in so far is over: under `key`, or under all of them. */
  async settled(key?: string): Promise<void> {
    if (key === undefined) await Promise.all(this.#last.values());
    else await this.#last.get(key);
  }
}
