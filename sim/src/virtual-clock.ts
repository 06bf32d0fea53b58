// Time that passes only when a test lets it. Events fire in the order of (time, sequence); after
// each one all promises run dry before the next is taken, so that a run depends on nothing else.

interface Event {
  readonly at: number;
  readonly sequence: number;
  readonly fire: () => void;
  cancelled: boolean;
}

/** Structurally the clock port of the program; starts at 2024-01-01. */
export class VirtualClock {
  #elapsed = 0;
  #sequence = 0;
  #events: Event[] = [];

  now(): number {
    return 1_704_067_200_000 + this.#elapsed;
  }

  monotonicMs(): number {
    return this.#elapsed;
  }

  after(delayMs: number, fire: () => void): { cancel(): void } {
    const at = this.#elapsed + Math.max(0, delayMs);
    const event: Event = { at, sequence: this.#sequence++, fire, cancelled: false };
    this.#insert(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /** Lets time pass. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.#elapsed + milliseconds;
    await settle();
    while ((this.#events[0]?.at ?? Infinity) <= until) await this.#step();
    this.#elapsed = until;
  }

  /** Lets time pass until `condition` holds; throws when it does not within `limitMs`. */
  async until(condition: () => boolean, limitMs: number, what = 'condition'): Promise<void> {
    const deadline = this.#elapsed + limitMs;
    await settle();
    while (!condition()) {
      const next = this.#events[0];
      if (next === undefined || next.at > deadline) {
        throw new Error(`${what} did not come true within ${limitMs} ms of virtual time`);
      }
      await this.#step();
    }
  }

  async #step(): Promise<void> {
    const event = this.#events.shift();
    if (event === undefined || event.cancelled) return;
    this.#elapsed = event.at;
    event.fire();
    await settle();
  }

  #insert(event: Event): void {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#events[middle]?.at ?? Infinity) <= event.at) low = middle + 1;
      else high = middle;
    }
    this.#events.splice(low, 0, event);
  }
}

/** Returns once no promise has anything left to do. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
