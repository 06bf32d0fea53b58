// Leases for reads (Ongaro, §6.4.1). A member that hears its leader promises not to vote for anybody
// else for an election time-out. A leader to which a quorum has answered therefore knows that nobody
// else leads for about that long after it *asked*, and may answer reads without asking again.
//
// The lease is a little shorter than the promise: clocks may differ by a tenth, and a tick may fall
// just before or after what is counted from it. etcd's raft takes the check of the quorum for the
// lease; that one is up to an election time-out older, so its reads can be stale.
import type { CompleteRaftOptions } from './options.ts';

/** By which part of its rate one member's clock may be slower than another's. */
const CLOCK_DRIFT = 0.1;

/** Both sides of one member's leases: what it has promised, and what it holds as leader. */
export class Lease {
  readonly #isOn: boolean;
  readonly #promiseTicks: number;
  readonly #leaseTicks: number;
  #now = 0;
  #promisedUntil = 0;
  #heldUntil = -1;
  /** What was asked before this tick does not count. */
  #countsFrom = 0;

  /** `hasRun`: the member may have promised something before its restart. */
  constructor(options: CompleteRaftOptions, hasRun: boolean) {
    const { readOnlyMode, electionTicks } = options;
    this.#isOn = readOnlyMode === 'leaseBased';
    this.#promiseTicks = electionTicks;
    this.#leaseTicks = Math.floor((electionTicks - 1) * (1 - CLOCK_DRIFT)) - 1;
    if (hasRun) this.promise();
  }

  /** Ticks since the start. */
  get now(): number {
    return this.#now;
  }

  tick(): void {
    this.#now++;
  }

  /** A leader was heard: no vote for anybody else for a while, whatever else happens. */
  promise(): void {
    this.#promisedUntil = this.#now + this.#promiseTicks;
  }

  /** True while this member must not help another to the lead. */
  get isPromised(): boolean {
    return this.#isOn && this.#now < this.#promisedUntil;
  }

  /** A quorum has answered to what this leader asked at tick `askedAt`. */
  extend(askedAt: number): void {
    if (!this.#isOn || askedAt < this.#countsFrom) return;
    this.#heldUntil = Math.max(this.#heldUntil, askedAt + this.#leaseTicks);
  }

  /** True while this leader may answer reads by itself. */
  get isHeld(): boolean {
    return this.#isOn && this.#now <= this.#heldUntil;
  }

  /** The quorum is another one now: only what is asked from the next tick on counts. */
  restart(): void {
    this.#heldUntil = -1;
    this.#countsFrom = Math.max(this.#countsFrom, this.#now + 1);
  }

  /** Somebody else was asked to take the lead, and may do so at any time: no lease in this term. */
  giveUp(): void {
    this.#heldUntil = -1;
    this.#countsFrom = Infinity;
  }

  /** A new term or role. */
  reset(): void {
    this.#heldUntil = -1;
    this.#countsFrom = 0;
  }
}
