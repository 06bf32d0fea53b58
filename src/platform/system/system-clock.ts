// The real clock: the only place where the program reads time or sets a timer.
import type { Clock, Timer } from '../../base/index.ts';

const TIMER_MAX_MS = 2 ** 31 - 1;

/** Time of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs: number, fire: () => void): Timer {
    if (delayMs <= 0) {
      // A timer of Node is late by a millisecond at least.
      const immediate = setImmediate(fire);
      return { cancel: () => clearImmediate(immediate) };
    }
    let handle: NodeJS.Timeout;
    const wait = (rest: number): void => {
      // Node fires longer timers at once.
      const part = Math.min(rest, TIMER_MAX_MS);
      handle = setTimeout(() => (rest > part ? wait(rest - part) : fire()), part);
    };
    wait(delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
