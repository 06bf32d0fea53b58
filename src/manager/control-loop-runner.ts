// Runs all control loops of the leader: the only place with a timer and a proposal. Loops take turns;
// each has at most one plan under way, and between plans the event loop gets its turn.
import { messageOf, type Clock, type Logger, type Timer } from '../base/index.ts';
import type { StoreChange } from '../model/index.ts';
import type { Budget, ControlLoop, Plan } from './control-loop.ts';
import type { Store } from './store/index.ts';

/** One call of `plan` ends after this time or this many transactions. */
const PLAN_BUDGET_MS = 5;
const PLAN_TRANSACTIONS = 200;
/** After a refused proposal (leadership may be moving) before the next try. */
const RETRY_MS = 100;

interface Running {
  readonly loop: ControlLoop;
  busy: boolean;
  dirty: boolean;
  timer: Timer | undefined;
}

export class ControlLoopRunner {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #loops: readonly Running[];
  #stopWatching: (() => void) | undefined;
  /** Grows with every start and stop; a plan of an older term is dropped. */
  #term = 0;

  constructor(store: Store, loops: readonly ControlLoop[], clock: Clock, logger: Logger) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#loops = loops.map((loop) => ({ loop, busy: false, dirty: false, timer: undefined }));
  }

  /** Leadership gained (and everything committed before is applied here). */
  start(): void {
    this.stop();
    const term = ++this.#term;
    for (const running of this.#loops) {
      running.busy = false;
      running.loop.reset(this.#store.view);
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
  }

  #observe(changes: readonly StoreChange[], term: number): void {
    for (const running of this.#loops) {
      for (const change of changes) running.loop.observe(change);
      this.#wake(running, term);
    }
  }

  #wake(running: Running, term: number): void {
    running.dirty = true;
    if (running.busy) return;
    running.busy = true;
    queueMicrotask(() => void this.#turn(running, term));
  }

  async #turn(running: Running, term: number): Promise<void> {
    while (term === this.#term && running.dirty) {
      running.dirty = false;
      running.timer?.cancel();
      const plan = this.#plan(running.loop);
      try {
        const results = await Promise.all(
          plan.transactions.map((actions) => this.#store.tryPropose(actions)),
        );
        if (term !== this.#term) return;
        if (plan.more) running.dirty = true;
        if (results.some((result) => !result.ok)) {
          this.#logger.debug(
            { loop: running.loop.name, results: results.filter((r) => !r.ok) },
            'planned again',
          );
        }
        this.#setTimer(running, plan, term);
      } catch (error) {
        if (term !== this.#term) return;
        this.#logger.warn(
          { loop: running.loop.name, error: messageOf(error) },
          'a plan could not be proposed',
        );
        running.loop.reset(this.#store.view);
        running.timer = this.#clock.after(RETRY_MS, () => this.#wake(running, term));
        break;
      }
    }
    if (term === this.#term) running.busy = false;
  }

  #plan(loop: ControlLoop): Plan {
    const start = this.#clock.monotonicMs();
    const budget: Budget = {
      transactions: PLAN_TRANSACTIONS,
      spent: () => this.#clock.monotonicMs() - start >= PLAN_BUDGET_MS,
    };
    return loop.plan(this.#clock.now(), budget);
  }

  #setTimer(running: Running, plan: Plan, term: number): void {
    if (plan.wakeAt === undefined || running.dirty) return;
    const delay = Math.max(0, plan.wakeAt - this.#clock.now());
    running.timer = this.#clock.after(delay, () => this.#wake(running, term));
  }
}
