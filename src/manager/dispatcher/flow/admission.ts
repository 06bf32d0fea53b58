// Lets agents in, a bounded number at a time: after a restart all of a large cluster comes at once, and
// registrations that are all under way together are all late, so that their agents give up and come again.
// Those that wait keep their place and hear that somebody is there.
import { SwarmError, type Clock, type Timer } from '../../../base/index.ts';

/** An agent that asks to be registered. */
export interface Applicant {
  /** Registers it; never rejects. */
  readonly register: () => Promise<void>;
  /** Told at once and then again and again that it has to wait. */
  readonly wait: () => void;
}

/** How many may be under way and wait, and how often (ms) those that wait hear something. */
export interface AdmissionLimits {
  /** Registrations under way, and agents that wait for theirs. */
  readonly underWay: number;
  readonly waiting: number;
  /** Milliseconds between two words to those that wait. */
  readonly waitEveryMs: number;
}

/** Lets agents in, a bounded number at a time. */
export class Admission {
  readonly #clock: Clock;
  readonly #limits: AdmissionLimits;
  readonly #waiting = new Set<Applicant>();
  #underWay = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, limits: AdmissionLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Registers it now or when its turn has come. Raises `exhausted` when too many wait already. */
  add(applicant: Applicant): void {
    if (this.#waiting.size >= this.#limits.waiting) {
      throw new SwarmError('exhausted', 'too many nodes want to register, try again later');
    }
    this.#waiting.add(applicant);
    this.#admit();
    if (!this.#waiting.has(applicant)) return;
    applicant.wait();
    this.#remind();
  }

  /** It has gone away: no work is done for it any more. */
  remove(applicant: Applicant): void {
    this.#waiting.delete(applicant);
  }

  /** Nobody is let in any more. */
  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting.clear();
  }

  #admit(): void {
    for (const applicant of this.#waiting) {
      if (this.#underWay >= this.#limits.underWay) return;
      this.#waiting.delete(applicant);
      this.#underWay++;
      void applicant.register().finally(() => {
        this.#underWay--;
        this.#admit();
      });
    }
  }

  #remind(): void {
    this.#timer ??= this.#clock.after(this.#limits.waitEveryMs, () => {
      this.#timer = undefined;
      for (const applicant of this.#waiting) applicant.wait();
      if (this.#waiting.size > 0) this.#remind();
    });
  }
}
