// One process of a simulated machine: everything that happens to it enters through here, so that a
// killed process never runs another line and a paused one catches up when it goes on.
import type { Prng, VirtualClock } from 'sim';
import type { Clock, Timer } from '../../../src/base/index.ts';

/** How a machine keeps time, and how late it is. */
export interface Timekeeping {
  /** Milliseconds of its clocks for each true one: 1.01 is one percent fast. */
  rate: number;
  /** Its wall clock is this far off. */
  offsetMs: number;
  /** Everything is late by up to this much. */
  lagMs: number;
}

/** A process that can be paused, resumed and killed. */
export class SimulatedProcess {
  readonly name: string;
  readonly random: Prng;
  readonly clock: Clock;
  #alive = true;
  #paused = false;
  #waiting: (() => void)[] = [];
  readonly #killed = new Set<() => void>();

  constructor(name: string, clock: VirtualClock, random: Prng, time: Timekeeping) {
    this.name = name;
    this.random = random;
    this.clock = new ProcessClock(this, clock, random.split('lag'), time);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Runs `body` within the process: now, once it is resumed, or never. */
  enter(body: () => void): void {
    if (!this.#alive) return;
    if (this.#paused) this.#waiting.push(body);
    else body();
  }

  /** A result from outside: arrives as `enter` does. */
  result<T>(outcome: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      outcome.then(
        (value) => this.enter(() => resolve(value)),
        (error: unknown) =>
          this.enter(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const body of waiting) this.enter(body);
  }

  /** SIGKILL. */
  kill(): void {
    this.#alive = false;
    this.#waiting = [];
    for (const tell of this.#killed) tell();
  }

  /** For what belongs to the process and lies outside of it, as connections do; returns how to stop. */
  onKilled(tell: () => void): () => void {
    this.#killed.add(tell);
    return () => this.#killed.delete(tell);
  }
}

class ProcessClock implements Clock {
  readonly #process: SimulatedProcess;
  readonly #clock: VirtualClock;
  readonly #random: Prng;
  readonly #time: Timekeeping;
  readonly #startedAt: number;

  constructor(process: SimulatedProcess, clock: VirtualClock, random: Prng, time: Timekeeping) {
    this.#process = process;
    this.#clock = clock;
    this.#random = random;
    this.#time = time;
    this.#startedAt = clock.monotonicMs();
  }

  now(): number {
    return Math.floor(this.#clock.now() + this.#time.offsetMs);
  }

  monotonicMs(): number {
    return (this.#clock.monotonicMs() - this.#startedAt) * this.#time.rate;
  }

  after(delayMs: number, fire: () => void): Timer {
    const { rate, lagMs } = this.#time;
    const late = lagMs > 0 ? this.#random.below(lagMs) : 0;
    return this.#clock.after(delayMs / rate + late, () => this.#process.enter(fire));
  }
}
