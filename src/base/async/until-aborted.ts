// Waiting that can be given up, for work that others may go on waiting for.
import { SwarmError } from '../index.ts';

/** Who waits with a signal: one listener of it serves all, however many there are. */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

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
    const others = waitersOf(signal);
    others.add(gaveUp);
    work.then(resolve, reject).finally(() => others.delete(gaveUp));
  });
}

function waitersOf(signal: AbortSignal): Set<() => void> {
  const known = waiting.get(signal);
  if (known !== undefined) return known;
  const made = new Set<() => void>();
  waiting.set(signal, made);
  signal.addEventListener('abort', () => {
    for (const gaveUp of made) gaveUp();
  });
  return made;
}

/** Raises `unavailable` when nobody waits for the work any more. */
export function unlessAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted === true) throw new SwarmError('unavailable', `${what} was given up`);
}
