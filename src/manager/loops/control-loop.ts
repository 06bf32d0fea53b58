// The one shape of everything that the leading manager decides. A loop is pure and synchronous: it
// looks at the store, says what to change, and holds only what can be derived from a view again.
//
//   reset    leadership gained, or the state was replaced: start from the whole view
//   observe  one committed change: remember what has to be looked at again
//   plan     transactions to propose; never acts, never waits, sets no timer
//
// The runner proposes what `plan` gave, waits until it is applied (every change of it, and of all
// others meanwhile, is observed first) and then asks again. A refused transaction is no error: something
// changed what it was on. A loop that does not look at every change is told of it (`refused`), and looks at
// that again.
//
// A call of `plan` does a piece of work that fits the budget: what there is to look at after a reset, too,
// is looked at piece by piece. One loop's piece at a time, and the event loop gets its turn in between.
//
// One object can't stop a loop: what can't be planned is said in the object and in the plan's faults
// (for the log), and tried again ever more slowly; the others go on.
import type { StoreView } from '../store/index.ts';
import type { Action, StoreChange } from '../../model/index.ts';

/** What one call of `plan` may take. */
export interface Budget {
  /** True once the call has used its share of time; checked between pieces of work. */
  spent(): boolean;
  /** Transactions that one plan may give. */
  readonly transactions: number;
}

/** An object that could not be planned, and why. */
export interface PlanFault {
  readonly object: string;
  readonly error: string;
}

/** What one call of `plan` gives. */
export interface Plan {
  /** Each inner list is applied as a whole or not at all. */
  readonly transactions: readonly (readonly Action[])[];
  /** Work is left: ask again right after these are applied. */
  readonly more: boolean;
  /** Wall-clock time (ms) at which to ask again without a change. */
  readonly wakeAt?: number;
  /** New ones alone: each is logged once. */
  readonly faults?: readonly PlanFault[];
}

/** One of the leader's loops; see the head of this file. */
export interface ControlLoop {
  readonly name: string;
  /** Forgets all and starts from `view`; takes no longer with a large one than with a small one. */
  reset(view: StoreView): void;
  /** Takes in one committed change; a change that raises makes the loop begin anew. */
  observe(change: StoreChange): void;
  /** Plans at `now` (ms since 1970) within `budget`. */
  plan(now: number, budget: Budget): Plan;
  /** Transactions of the last plan that were not applied: what they were on was changed by somebody else. */
  refused?(transactions: readonly (readonly Action[])[]): void;
}
