// Bytes of assignments that were sent and not acknowledged: a set of megabytes for each of thousands of
// agents must not lie in this process while the wire carries it away. An agent that does not acknowledge
// holds up the others for a bounded time.
import type { Clock } from '../../../base/index.ts';

/** Bytes that may be unacknowledged, and for how long (ms) they count. */
export interface InFlightLimits {
  /** Bytes in flight from which on nothing more is sent. */
  readonly bytes: number;
  /** Milliseconds after which bytes count as arrived. */
  readonly ageMs: number;
}

/** Counts the bytes that sessions were sent and have not acknowledged. */
export class InFlight<Session> {
  readonly #clock: Clock;
  readonly #limits: InFlightLimits;
  /** The oldest first. */
  readonly #sent = new Map<Session, { readonly bytes: number; readonly at: number }>();
  #bytes = 0;

  constructor(clock: Clock, limits: InFlightLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(session: Session, bytes: number): void {
    if (bytes === 0) return;
    const before = this.#sent.get(session)?.bytes ?? 0;
    this.remove(session);
    this.#sent.set(session, { bytes: before + bytes, at: this.#clock.monotonicMs() });
    this.#bytes += before + bytes;
  }

  /** All that the session was sent has arrived, or the session is over. */
  remove(session: Session): void {
    this.#bytes -= this.#sent.get(session)?.bytes ?? 0;
    this.#sent.delete(session);
  }

  /** Milliseconds until something may be sent; 0: now. */
  get waitMs(): number {
    const now = this.#clock.monotonicMs();
    for (const [session, { at }] of this.#sent) {
      if (this.#bytes < this.#limits.bytes) return 0;
      const age = now - at;
      if (age < this.#limits.ageMs) return this.#limits.ageMs - age;
      this.remove(session);
    }
    return 0;
  }
}
