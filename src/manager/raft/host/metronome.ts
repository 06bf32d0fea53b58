// Ticks of one raft member, counted rather than heard: the clock wakes it only for a tick that does
// something, and those before it are made up for when anything else happens. So a member that waits for
// its leader's heartbeats is not woken twenty times a second to find that there is nothing to do.
import type { Clock, Timer } from '../../../base/index.ts';

/** So much earlier than asked for a timer may fire. */
const EARLY_MS = 2;

/** What it works on. */
export interface MetronomePorts {
  readonly clock: Clock;
  /** Milliseconds from one tick to the next. */
  readonly tickMs: number;
  /** Ticks until one of them does something: 1 is the very next, Infinity is never. */
  next(): number;
  /** So many ticks have passed; at least 1. */
  ticks(count: number): void;
}

/** Counts the ticks of one member. */
export class Metronome {
  readonly #ports: MetronomePorts;
  /** Up to when ticks are counted (monotonic). */
  #countedTo: number;
  #timer: Timer | undefined;
  #wakesAt = Infinity;
  #stopped = false;

  constructor(ports: MetronomePorts) {
    this.#ports = ports;
    this.#countedTo = ports.clock.monotonicMs();
  }

  /**
   * Counts the ticks until now, but for the one that does something: that one is the timer's, because
   * after a stall of this thread what the others have said has to be read first.
   */
  catchUp(): void {
    const { clock, tickMs } = this.#ports;
    const passed = Math.floor((clock.monotonicMs() - this.#countedTo) / tickMs);
    this.#count(Math.min(passed, this.#ports.next() - 1));
  }

  /** To be called when what is due may have changed. */
  arm(): void {
    if (this.#stopped) return;
    const at = this.#countedTo + this.#ports.next() * this.#ports.tickMs;
    // A timer that is early looks again: cheaper than to set it anew with every heartbeat.
    if (at < this.#wakesAt) this.#wakeAt(at);
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #wakeAt(at: number): void {
    this.#timer?.cancel();
    this.#wakesAt = at;
    const { clock } = this.#ports;
    const delayMs = Math.max(0, Math.ceil(at - clock.monotonicMs()));
    this.#timer = clock.after(delayMs, () => this.#wake());
  }

  #wake(): void {
    const { clock, tickMs } = this.#ports;
    const now = clock.monotonicMs();
    const stalled = now - this.#wakesAt > tickMs;
    this.#wakesAt = Infinity;
    this.catchUp();
    const due = this.#countedTo + this.#ports.next() * tickMs <= now + EARLY_MS;
    // Time in which this thread did not run is nobody's silence.
    if (due && stalled) this.#countedTo = now;
    else if (due) this.#count(1);
    this.arm();
  }

  #count(ticks: number): void {
    if (ticks < 1) return;
    this.#countedTo += ticks * this.#ports.tickMs;
    this.#ports.ticks(ticks);
  }
}
