// Joins calls for the same thing at the same time: the first does the work, the others get its
// result, and all of them hear of its progress. Work that nobody waits for any more is given up.
import { untilAborted } from './until-aborted.ts';

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
  readonly stop: AbortController;
  waiting: number;
}

/** Runs at most one piece of work per key at a time. */
export class KeyedOnce<T> {
  readonly #running = new Map<string, Running<T>>();

  /**
   * Starts `work`, or joins the one that runs under `key`; its error goes to everybody who
   * joined. When `signal` aborts, this caller waits no longer; the work is aborted with the last one.
   */
  run(
    key: string,
    listener: ProgressListener | undefined,
    work: (onProgress: ProgressListener, signal: AbortSignal) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const running = this.#running.get(key) ?? this.#start(key, work);
    running.waiting++;
    if (listener !== undefined) running.listeners.add(listener);
    const leave = (): void => {
      if (listener !== undefined) running.listeners.delete(listener);
      if (--running.waiting > 0) return;
      // Whoever comes now begins anew.
      this.#forget(key, running);
      running.stop.abort();
    };
    if (signal?.aborted === true) leave();
    else signal?.addEventListener('abort', leave);
    return untilAborted(running.result, signal, key).finally(() =>
      signal?.removeEventListener('abort', leave),
    );
  }

  #start(
    key: string,
    work: (onProgress: ProgressListener, signal: AbortSignal) => Promise<T>,
  ): Running<T> {
    const listeners = new Set<ProgressListener>();
    const stop = new AbortController();
    const result = work((progress) => {
      for (const each of listeners) each(progress);
    }, stop.signal);
    const running = { result, listeners, stop, waiting: 0 };
    this.#running.set(key, running);
    const end = (): void => this.#forget(key, running);
    // Its error is told to those who wait, if there are any left.
    result.then(end, end);
    return running;
  }

  #forget(key: string, running: Running<T>): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
