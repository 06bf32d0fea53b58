// Makes a node what the managers want it to be, one step after another, until it holds. What the steps
// do is their owner's; which one is next is in role-step.ts.
import { deferred, type Deferred } from '../../base/async/index.ts';
import {
  SwarmError,
  messageOf,
  sleep,
  type Clock,
  type Logger,
  type Timer,
} from '../../base/index.ts';
import { nextRoleStep, type RoleState, type RoleStep } from './role-step.ts';

const RETRY_MS = 1_000;
/** A lost request may be carried out late: the managers' record of this node is looked at again. */
const LOOK_AGAIN_MS = 10_000;

export interface RoleSteps {
  /** What is so now; undefined when nothing is to be done any more. */
  state(): Pick<RoleState, 'certified' | 'runs' | 'listed'> | undefined;
  /** Asks for a certificate, which comes with the role that is wanted. */
  renew(): Promise<void>;
  /** Joins Raft; asks to be added within `asking`. */
  startManager(): Promise<void>;
  /** Stops the manager and forgets its log and its Raft id. */
  stopManager(): Promise<void>;
  /** Asks to be added under the Raft id that it has, within `asking`. */
  confirm(): Promise<void>;
}

export class RoleFollower {
  readonly #steps: RoleSteps;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #wanted: RoleState['wanted'];
  #removed = false;
  #refused = false;
  #busy = false;
  #timer: Timer | undefined;
  /** Ends a pause between two steps. */
  #woken: Deferred<void> | undefined;

  constructor(steps: RoleSteps, clock: Clock, logger: Logger) {
    this.#steps = steps;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The managers want this node to have this role. */
  want(role: 'manager' | 'worker'): void {
    this.#wanted = role;
    void this.#follow();
  }

  /** Raft has told the manager that it is no member any more. */
  removedFromRaft(): void {
    this.#removed = true;
    void this.#follow();
  }

  /** Passes on what comes of asking to be added. A conflict says that the id is no member's any more. */
  async asking<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof SwarmError && error.code === 'conflict') this.#refused = true;
      throw error;
    }
  }

  async #follow(): Promise<void> {
    this.#woken?.resolve();
    if (this.#busy) return;
    this.#busy = true;
    try {
      let last: RoleStep | undefined;
      for (let step = this.#next(); step !== 'done'; step = this.#next()) {
        // Our own manager may not have heard yet of the certificate that we have got.
        if (step === 'renew' && last === 'renew') await this.#pause();
        last = step;
        try {
          await this.#take(step);
        } catch (error) {
          this.#logger.warn({ step, error: messageOf(error) }, 'role change is tried again');
          await this.#pause();
        }
      }
    } finally {
      this.#busy = false;
      this.#lookAgain();
    }
  }

  #lookAgain(): void {
    this.#timer?.cancel();
    if (this.#steps.state() === undefined) return;
    this.#timer = this.#clock.after(LOOK_AGAIN_MS, () => void this.#follow());
  }

  #next(): RoleStep {
    const state = this.#steps.state();
    if (state === undefined) return 'done';
    const [wanted, removed, refused] = [this.#wanted, this.#removed, this.#refused];
    return nextRoleStep({ ...state, wanted, removed, refused });
  }

  async #take(step: RoleStep): Promise<void> {
    if (step === 'renew') await this.#steps.renew();
    else if (step === 'startManager') await this.#steps.startManager();
    else if (step === 'stopManager') {
      this.#removed = false;
      this.#refused = false;
      await this.#steps.stopManager();
    } else if (step === 'confirm') await this.#confirm();
    else await this.#pause();
  }

  /** Removed without hearing of it, a manager learns it from its conflict with the leader. */
  async #confirm(): Promise<void> {
    try {
      await this.#steps.confirm();
      await this.#pause();
    } catch (error) {
      if (!this.#refused) throw error;
    }
  }

  /** Until something is new, or it is time for another look. */
  async #pause(): Promise<void> {
    this.#woken = deferred();
    await Promise.race([this.#woken.promise, sleep(this.#clock, RETRY_MS)]);
    this.#woken = undefined;
  }
}
