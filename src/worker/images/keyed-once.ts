// Joins calls for the same thing at the same time: the first does the work, the others get its
// result, and all of them hear of its progress.

/** One step of a pull, in the words of Docker's progress stream. */
export interface Progress {
  readonly id?: string;
  readonly status: string;
  readonly current?: number;
  readonly total?: number;
}

export type ProgressListener = (progress: Progress) => void;

interface Running<T> {
  readonly result: Promise<T>;
  readonly listeners: Set<ProgressListener>;
}

/** Runs at most one piece of work per key at a time. */
export class KeyedOnce<T> {
  readonly #running = new Map<string, Running<T>>();

  /**
   * Starts `work`, or joins the one that runs under `key`; its error goes to everybody who
   * joined.
   */
  run(
    key: string,
    listener: ProgressListener | undefined,
    work: (onProgress: ProgressListener) => Promise<T>,
  ): Promise<T> {
    const running = this.#running.get(key);
    if (running !== undefined) {
      if (listener !== undefined) running.listeners.add(listener);
      return running.result;
    }
    const listeners = new Set(listener === undefined ? [] : [listener]);
    const result = work((progress) => {
      for (const each of listeners) each(progress);
    }).finally(() => this.#running.delete(key));
    this.#running.set(key, { result, listeners });
    return result;
  }
}
