// Waiting that can be given up, for work that others may go on waiting for.
import { SwarmError } from './errors.ts';

/** As `work`, but rejects with `unavailable` when the signal aborts first; the work itself goes on. */
export function untilAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
  what: string,
): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const gaveUp = (): void => reject(new SwarmError('unavailable', `${what} was given up`));
    if (signal.aborted) gaveUp();
    signal.addEventListener('abort', gaveUp);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', gaveUp));
  });
}

/** Raises `unavailable` when nobody waits for the work any more. */
export function unlessAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw new SwarmError('unavailable', `${what} was given up`);
}
