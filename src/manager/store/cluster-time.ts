// The time that the managers share. Each leader stamps what it writes; were that its own clock's time
// alone, a leader whose clock is behind would write things that are older than what they follow, and
// wait for moments that its predecessor set minutes ahead. So this time never goes back behind the log.
import type { Clock } from '../../base/index.ts';

/** While it is ahead of the machine's clock it goes slower, until that has caught up. */
const RATE_WHILE_AHEAD = 0.9;

/** A clock whose `now` is at least the newest time in the log, and goes on from there. */
export class ClusterTime implements Clock {
  readonly #clock: Clock;
  #newest = -Infinity;
  /** When the newest was seen, by the monotonic clock. */
  #seenAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A time in the log, in milliseconds since 1970. */
  observe(time: number): void {
    if (time > this.now()) this.#set(time);
  }

  now(): number {
    const elapsed = this.#clock.monotonicMs() - this.#seenAt;
    const ahead = Math.floor(this.#newest + elapsed * RATE_WHILE_AHEAD);
    const own = this.#clock.now();
    if (own < ahead) return ahead;
    // Kept, so that this machine's clock may be set back, too.
    this.#set(own);
    return own;
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(delayMs: number, fire: () => void): ReturnType<Clock['after']> {
    return this.#clock.after(delayMs, fire);
  }

  #set(time: number): void {
    this.#newest = time;
    this.#seenAt = this.#clock.monotonicMs();
  }
}
