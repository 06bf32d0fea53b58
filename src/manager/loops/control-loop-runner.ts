// Runs all control loops of the leader: the only place with a timer and a proposal. Loops take turns;
// each has at most one plan under way, and after each plan, whosever it is, the event loop gets its turn.
import { messageOf, SwarmError, type Clock, type Logger, type Timer } from '../../base/index.ts';
import type { StoreChange } from '../../model/index.ts';
import type { Budget, ControlLoop, Plan } from './control-loop.ts';
import type { Store } from '../store/index.ts';

/** One call of `plan` ends after this time or this many transactions. */
const PLAN_BUDGET_MS = 5;
const PLAN_TRANSACTIONS = 200;
/** After a proposal that was not taken (leadership may be moving) before the next try. */
const RETRY_MS = 100;
/** After a loop that failed itself, or made what can't be proposed: doubled from the one to the other. */
const FAULT_RETRY_MIN_MS = 100;
const FAULT_RETRY_MAX_MS = 30_000;

/** What loops look at, and where their plans go. */
export type LoopStore = Pick<Store, 'view' | 'watch' | 'tryPropose'>;

interface Running {
  readonly loop: ControlLoop;
  busy: boolean;
  dirty: boolean;
  /** It may have missed something: it begins anew before its next plan. */
  stale: boolean;
  /** Changes don't wake it before its timer does. */
  resting: boolean;
  failures: number;
  /** When it begins anew to try again what could not be proposed (ms since 1970). */
  retryAt: number | undefined;
  /** The last error that was logged: one that stays is logged once. */
  logged: string | undefined;
  timer: Timer | undefined;
}

/** Runs the loops while this manager leads. */
export class ControlLoopRunner {
  readonly #store: LoopStore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #loops: readonly Running[];
  /** Loops that are to plan, each once, in the order in which they asked. */
  readonly #queue: Running[] = [];
  #nextTurn: Timer | undefined;
  #stopWatching: (() => void) | undefined;
  /** Grows with every start and stop; a plan of an older term is dropped. */
  #term = 0;

  constructor(store: LoopStore, loops: readonly ControlLoop[], clock: Clock, logger: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#loops = loops.map((loop) => ({
      loop,
      busy: false,
      dirty: false,
      stale: true,
      resting: false,
      failures: 0,
      retryAt: undefined,
      logged: undefined,
      timer: undefined,
    }));
  }

  /** Leadership gained (and everything committed before is applied here). */
  start(): void {
    this.stop();
    const term = ++this.#term;
    for (const running of this.#loops) {
      Object.assign(running, { busy: false, stale: true, resting: false, failures: 0 });
      Object.assign(running, { retryAt: undefined, logged: undefined });
      this.#wake(running, term);
    }
    this.#stopWatching = this.#store.watch((changes) => this.#observe(changes, term));
  }

  /** Leadership lost. */
  stop(): void {
    this.#term++;
    this.#stopWatching?.();
    this.#stopWatching = undefined;
    for (const running of this.#loops) running.timer?.cancel();
    this.#queue.length = 0;
    this.#nextTurn?.cancel();
    this.#nextTurn = undefined;
  }

  #observe(changes: readonly StoreChange[], term: number): void {
    for (const running of this.#loops) {
      if (!running.stale) this.#tell(running, changes);
      this.#wake(running, term);
    }
  }

  /** What a loop can't take in makes it look at everything again, and costs the others nothing. */
  #tell(running: Running, changes: readonly StoreChange[]): void {
    try {
      for (const change of changes) running.loop.observe(change);
    } catch (error) {
      running.stale = true;
      this.#log(running, error, 'a loop could not take in a change and begins anew');
    }
  }

  #wake(running: Running, term: number): void {
    running.dirty = true;
    if (running.busy || running.resting) return;
    running.busy = true;
    this.#enqueue(running, term);
  }

  #enqueue(running: Running, term: number): void {
    this.#queue.push(running);
    this.#nextTurn ??= this.#clock.after(0, () => this.#takeTurn(term));
  }

  #takeTurn(term: number): void {
    this.#nextTurn = undefined;
    const running = this.#queue.shift();
    if (this.#queue.length > 0) this.#nextTurn = this.#clock.after(0, () => this.#takeTurn(term));
    if (running !== undefined) void this.#turn(running, term);
  }

  /** One plan, and what becomes of it; asks for the next turn where there is more to do. */
  async #turn(running: Running, term: number): Promise<void> {
    running.dirty = false;
    running.timer?.cancel();
    let plan: Plan;
    try {
      plan = this.#plan(running);
    } catch (error) {
      this.#log(running, error, 'a loop failed and begins anew');
      this.#rest(running, this.#pause(running), term);
      return;
    }
    const { failures, refused } = await this.#propose(running.loop, plan);
    if (term !== this.#term) return;
    const [lost] = failures.filter(isPassing);
    if (lost !== undefined) {
      this.#log(running, lost, 'a plan could not be proposed');
      this.#rest(running, RETRY_MS, term);
      return;
    }
    this.#proposed(running, failures[0], refused);
    const undone = refused + failures.length;
    if (plan.more && (undone === 0 || undone < plan.transactions.length)) running.dirty = true;
    // Where nothing was observed that made it stale, the next plan is the same.
    const earliest = undone > 0 ? this.#clock.now() + this.#pause(running) : 0;
    const more = plan.more || refused > 0;
    this.#setTimer(running, more ? earliest : plan.wakeAt, earliest, term);
    if (running.dirty) this.#enqueue(running, term);
    else running.busy = false;
  }

  /** One transaction that can't be proposed at all holds nothing else up. */
  #proposed(running: Running, failure: unknown, refused: number): void {
    if (failure !== undefined) {
      this.#log(running, failure, 'a part of a plan could not be proposed');
      running.retryAt = this.#clock.now() + FAULT_RETRY_MAX_MS;
    } else if (running.retryAt === undefined && refused === 0) {
      running.failures = 0;
      running.logged = undefined;
    }
  }

  #pause(running: Running): number {
    const doubled = FAULT_RETRY_MIN_MS * 2 ** Math.min(running.failures++, 10);
    return Math.min(FAULT_RETRY_MAX_MS, doubled);
  }

  #rest(running: Running, delayMs: number, term: number): void {
    running.stale = true;
    running.resting = true;
    running.busy = false;
    running.timer = this.#clock.after(delayMs, () => {
      running.resting = false;
      this.#wake(running, term);
    });
  }

  /** Proposes all of a plan, and says what could not be. */
  async #propose(
    loop: ControlLoop,
    plan: Plan,
  ): Promise<{ readonly failures: readonly unknown[]; readonly refused: number }> {
    const outcomes = await Promise.allSettled(
      plan.transactions.map((actions) => this.#store.tryPropose(actions)),
    );
    const refused = plan.transactions.filter((_actions, at) => {
      const outcome = outcomes[at];
      return outcome?.status === 'fulfilled' && !outcome.value.ok;
    });
    if (refused.length > 0) {
      this.#logger.debug({ loop: loop.name, transactions: refused.length }, 'planned again');
      loop.refused?.(refused);
    }
    const failures = outcomes.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    );
    return { failures, refused: refused.length };
  }

  #log(running: Running, error: unknown, message: string): void {
    const text = messageOf(error);
    if (running.logged === text) return;
    running.logged = text;
    this.#logger.warn({ loop: running.loop.name, error: text }, message);
  }

  #plan(running: Running): Plan {
    const { loop } = running;
    if ((running.retryAt ?? Infinity) <= this.#clock.now()) {
      running.retryAt = undefined;
      running.stale = true;
    }
    if (running.stale) {
      loop.reset(this.#store.view);
      running.stale = false;
    }
    const start = this.#clock.monotonicMs();
    const budget: Budget = {
      transactions: PLAN_TRANSACTIONS,
      spent: () => this.#clock.monotonicMs() - start >= PLAN_BUDGET_MS,
    };
    const plan = loop.plan(this.#clock.now(), budget);
    for (const { object, error } of plan.faults ?? []) {
      this.#logger.error({ loop: loop.name, object, error }, 'could not be planned, tried again');
    }
    return plan;
  }

  #setTimer(running: Running, wanted: number | undefined, earliest: number, term: number): void {
    const at = Math.min(Math.max(wanted ?? Infinity, earliest), running.retryAt ?? Infinity);
    if (at === Infinity || running.dirty) return;
    const delay = Math.max(0, at - this.#clock.now());
    running.timer = this.#clock.after(delay, () => this.#wake(running, term));
  }
}

/** It is over by itself soon: the leader changes, or too much is under way. */
function isPassing(error: unknown): boolean {
  return (
    error instanceof SwarmError && (error.code === 'unavailable' || error.code === 'exhausted')
  );
}
