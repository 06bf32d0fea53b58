// Time that moves only when told to. Timers of one instant fire in the order in which they were set,
// and after each the microtask queue runs dry, so that a run is the same every time.

interface VirtualTimer {
  readonly at: number;
  readonly sequence: number;
  readonly fire: () => void;
}

export class VirtualClock {
  #now: number;
  readonly #start: number;
  #sequence = 0;
  readonly #timers = new Set<VirtualTimer>();

  constructor(startMs = 1_700_000_000_000) {
    this.#now = startMs;
    this.#start = startMs;
  }

  now(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now - this.#start;
  }

  after(delayMs: number, fire: () => void): { cancel(): void } {
    const timer = { at: this.#now + Math.max(0, delayMs), sequence: this.#sequence++, fire };
    this.#timers.add(timer);
    return { cancel: () => this.#timers.delete(timer) };
  }

  /** Lets `durationMs` pass, firing everything that falls due, in order. */
  async advance(durationMs: number): Promise<void> {
    const end = this.#now + durationMs;
    await settle();
    for (let next = this.#earliest(end); next; next = this.#earliest(end)) {
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.fire();
      await settle();
    }
    this.#now = end;
  }

  #earliest(end: number): VirtualTimer | undefined {
    let first: VirtualTimer | undefined;
    for (const timer of this.#timers) {
      if (timer.at > end) continue;
      if (
        !first ||
        timer.at < first.at ||
        (timer.at === first.at && timer.sequence < first.sequence)
      ) {
        first = timer;
      }
    }
    return first;
  }
}

/** Lets everything that waits on promises go as far as it can. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
