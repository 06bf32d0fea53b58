// The port of time. Only `src/platform` reads the machine's clock; everything else is handed one
// of these, so that a simulation can hand in its own.

/** A timer that was set; cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall-clock time in milliseconds since 1970, for people and records; may jump. */
  now(): number;
  /** Milliseconds since an arbitrary start, never going back; for durations and deadlines. */
  monotonicMs(): number;
  /** Calls `fire` once after `delayMs`; with 0 as soon as the event loop comes round, never at once. */
  after(delayMs: number, fire: () => void): Timer;
}

/** Resolves after `delayMs`; early (also without an error) when `signal` aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal?.addEventListener('abort', done);
  });
}
