// In which order and when sessions are sent what has changed: those whose own tasks changed soon, those
// that follow a set that changed in rounds, the rarer the more of them there are. Work is cut into turns, so
// that a change for thousands of sessions does not keep the manager from hearing heartbeats.
import type { Clock, Timer } from '../../../base/index.ts';
import { InFlight } from './in-flight.ts';
import {
  ASSIGNMENTS_PAUSE_MS,
  IN_FLIGHT_BYTES_MAX,
  IN_FLIGHT_MS,
  ROUND_PAUSE_MAX_MS,
  ROUND_PAUSE_MS_PER_SESSION,
  TURN_MS,
} from './limits.ts';

/** Whatever many sessions follow. */
export interface Followable<Session> {
  readonly followers: ReadonlySet<Session>;
}

/** Sessions that are to be sent something, and when. */
export class SendQueue<Session> {
  readonly #clock: Clock;
  readonly #send: (session: Session) => number;
  readonly #inFlight: InFlight<Session>;
  readonly #urgent = new Set<Session>();
  /** What is left of the present round. */
  readonly #round = new Set<Session>();
  /** Changed since the round began. */
  readonly #changed = new Set<Followable<Session>>();
  #sentAt = -Infinity;
  #roundAt = -Infinity;
  #roundPauseMs = 0;
  /** The last turn ended before all were sent what they wait for. */
  #isCut = false;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /** `send` sends a session all that it does not have, and gives the bytes. */
  constructor(clock: Clock, send: (session: Session) => number) {
    this.#clock = clock;
    this.#send = send;
    this.#inFlight = new InFlight(clock, { bytes: IN_FLIGHT_BYTES_MAX, ageMs: IN_FLIGHT_MS });
  }

  /** Sessions that wait for their turn, without those of sets that have just changed. */
  get waiting(): number {
    return this.#urgent.size + this.#round.size;
  }

  /** Something changed that only this agent is told. */
  add(session: Session): void {
    this.#urgent.add(session);
    this.#schedule();
  }

  /** Something changed for all that follow. */
  addFollowers(set: Followable<Session>): void {
    if (this.#changed.has(set)) return;
    this.#changed.add(set);
    this.#schedule();
  }

  /** The session is over. */
  remove(session: Session): void {
    this.#urgent.delete(session);
    this.#round.delete(session);
    this.arrived(session);
  }

  /** The session has all that it was sent. */
  arrived(session: Session): void {
    this.#inFlight.remove(session);
    if (this.waiting > 0) this.#schedule();
  }

  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Infinity;
    this.#urgent.clear();
    this.#round.clear();
    this.#changed.clear();
    this.#isCut = false;
  }

  /** The first change goes out at once, what follows closely goes out together. */
  #schedule(): void {
    const now = this.#clock.monotonicMs();
    const next = this.#sentAt + ASSIGNMENTS_PAUSE_MS;
    let at = Infinity;
    if (this.#urgent.size > 0) at = next;
    // The present round first: who has been waiting must not wait for two of them.
    if (this.#round.size > 0 || this.#isCut) at = now;
    else if (this.#changed.size > 0) at = Math.min(at, this.#roundDue(next));
    at = Math.max(at, now + this.#inFlight.waitMs);
    if (at >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = this.#clock.after(at - now, () => {
      this.#timerAt = Infinity;
      this.#turn();
    });
  }

  #roundDue(next: number): number {
    return Math.max(next, this.#roundAt + this.#roundPauseMs);
  }

  #turn(): void {
    const start = this.#clock.monotonicMs();
    if (this.#round.size === 0 && this.#changed.size > 0 && this.#roundDue(-Infinity) <= start) {
      this.#beginRound(start);
    }
    // One of each, so that neither has to wait for the end of the other.
    let [next, other] = [this.#urgent, this.#round];
    while (this.#inFlight.waitMs === 0 && (this.#sendNext(next) || this.#sendNext(other))) {
      [next, other] = [other, next];
      if (this.#clock.monotonicMs() - start >= TURN_MS) break;
    }
    this.#isCut = this.waiting > 0;
    this.#sentAt = this.#clock.monotonicMs();
    if (this.#urgent.size + this.#round.size + this.#changed.size > 0) this.#schedule();
  }

  #beginRound(now: number): void {
    for (const set of this.#changed) for (const one of set.followers) this.#round.add(one);
    this.#changed.clear();
    this.#roundAt = now;
    const grown = this.#round.size * ROUND_PAUSE_MS_PER_SESSION;
    this.#roundPauseMs = Math.max(ASSIGNMENTS_PAUSE_MS, Math.min(ROUND_PAUSE_MAX_MS, grown));
  }

  #sendNext(from: ReadonlySet<Session>): boolean {
    for (const session of from) {
      this.#urgent.delete(session);
      this.#round.delete(session);
      this.#inFlight.add(session, this.#send(session));
      return true;
    }
    return false;
  }
}
