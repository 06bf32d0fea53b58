// Waiting for something to become true of what changes by itself.

export class Condition {
  readonly #listeners = new Set<() => void>();

  tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** Resolves as soon as `condition` holds at a `tell` (or now), or `signal` aborts. */
  until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!condition() && !signal.aborted) return;
        this.#listeners.delete(check);
        signal.removeEventListener('abort', check);
        resolve();
      };
      this.#listeners.add(check);
      signal.addEventListener('abort', check);
      check();
    });
  }
}
