// The one shape of everything that the leading manager decides. A loop is pure and synchronous: it
// looks at the store, says what to change, and holds only what can be derived from a view again.
//
//   reset    leadership gained, or the state was replaced: start from the whole view
//   observe  one committed change: remember what has to be looked at again
//   plan     transactions to propose; never acts, never waits, sets no timer
//
// The runner proposes what `plan` gave, waits until it is applied (every change of it, and of all
// others meanwhile, is observed first) and then asks again. A refused transaction is no error: the
// change that made it stale was observed, so the next plan knows better.
//
// One object can't stop a loop: what can't be planned is said in the object and in the plan's faults
// (for the log), and tried again ever more slowly; the others go on.
import { messageOf } from '../../base/index.ts';
import type { StoreView } from '../store/index.ts';
import type { Action, StoreChange } from '../../model/index.ts';

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

export interface ControlLoop {
  readonly name: string;
  reset(view: StoreView): void;
  observe(change: StoreChange): void;
  plan(now: number, budget: Budget): Plan;
}

/** Ids that have to be looked at, and times at which to look again: what most loops hold. */
export class Agenda {
  readonly faults = new Faults();
  readonly #due = new Set<string>();
  readonly #later = new Map<string, number>();

  clear(): void {
    this.#due.clear();
    this.#later.clear();
    this.faults.clear();
  }

  add(id: string): void {
    this.#due.add(id);
  }

  addAt(id: string, time: number): void {
    const known = this.#later.get(id);
    if (known === undefined || time < known) this.#later.set(id, time);
  }

  /** Takes what is due now, one after another; the caller stops when its budget is spent. */
  *take(now: number): Generator<string> {
    for (const [id, time] of this.#later) {
      if (time > now) continue;
      this.#later.delete(id);
      this.#due.add(id);
    }
    for (const id of this.#due) {
      this.#due.delete(id);
      yield id;
    }
  }

  get empty(): boolean {
    return this.#due.size === 0;
  }

  get wakeAt(): number | undefined {
    let earliest: number | undefined;
    for (const time of this.#later.values()) {
      if (earliest === undefined || time < earliest) earliest = time;
    }
    return earliest;
  }
}

/** What could not be planned is tried again after this, then after twice as long, up to the last. */
export const FAULT_RETRY_MIN_MS = 1_000;
export const FAULT_RETRY_MAX_MS = 60_000;
/** Characters of an error that are kept. */
const FAULT_MESSAGE_MAX = 500;

interface Fault {
  readonly error: string;
  readonly tries: number;
}

/** The objects of a loop that can't be planned just now; at most as many as there are objects. */
export class Faults {
  readonly #known = new Map<string, Fault>();
  #fresh: PlanFault[] = [];

  clear(): void {
    this.#known.clear();
    this.#fresh = [];
  }

  /** Says what is wrong, and for how long to leave the object alone. */
  failed(object: string, cause: unknown): { readonly error: string; readonly pauseMs: number } {
    const error = messageOf(cause).slice(0, FAULT_MESSAGE_MAX);
    const known = this.#known.get(object);
    const tries = (known?.tries ?? 0) + 1;
    this.#known.set(object, { error, tries });
    if (known?.error !== error) this.#fresh.push({ object, error });
    const pauseMs = Math.min(FAULT_RETRY_MAX_MS, FAULT_RETRY_MIN_MS * 2 ** Math.min(tries - 1, 10));
    return { error, pauseMs };
  }

  mended(object: string): void {
    this.#known.delete(object);
  }

  /** What is new since the last call. */
  takeClusterInfo(): readonly PlanFault[] {
    const fresh = this.#fresh;
    this.#fresh = [];
    return fresh;
  }
}

/** Looks at objects one by one; one that can't be read is left out, and is among the faults. */
export function visitAll<T extends { readonly id: string }>(
  objects: Iterable<T>,
  faults: Faults,
  visit: (object: T) => void,
): void {
  for (const object of objects) {
    try {
      visit(object);
    } catch (cause) {
      faults.failed(object.id, cause);
    }
  }
}

export interface Planned {
  readonly transactions: readonly (readonly Action[])[];
  readonly wakeAt?: number | undefined;
}

/** How a loop looks at one object, and how it says in it what is wrong. */
export interface Planner {
  planOne(id: string): Planned;
  /** Writes `error` into the object; undefined: that it is over. Nothing where that stands already. */
  explain(id: string, error: string | undefined): readonly (readonly Action[])[];
}

/** A plan from an agenda: looks at what is due until the budget is spent. */
export function planAgenda(agenda: Agenda, now: number, budget: Budget, planner: Planner): Plan {
  const transactions: (readonly Action[])[] = [];
  for (const id of agenda.take(now)) {
    const planned = planOne(agenda, id, now, planner);
    const room = budget.transactions - transactions.length;
    transactions.push(...planned.transactions.slice(0, room));
    if (planned.transactions.length > room) agenda.add(id);
    if (planned.wakeAt !== undefined) agenda.addAt(id, planned.wakeAt);
    if (transactions.length >= budget.transactions || budget.spent()) break;
  }
  const wakeAt = agenda.wakeAt;
  const faults = agenda.faults.takeClusterInfo();
  return { transactions, more: !agenda.empty, faults, ...(wakeAt === undefined ? {} : { wakeAt }) };
}

function planOne({ faults }: Agenda, id: string, now: number, planner: Planner): Planned {
  try {
    const { transactions, wakeAt } = planner.planOne(id);
    faults.mended(id);
    return { transactions: transactions.concat(planner.explain(id, undefined)), wakeAt };
  } catch (cause) {
    const { error, pauseMs } = faults.failed(id, cause);
    return { transactions: explained(planner, id, error), wakeAt: now + pauseMs };
  }
}

/** An object may be so odd that it can't even be told; the log has it then. */
function explained(planner: Planner, id: string, error: string): Planned['transactions'] {
  try {
    return planner.explain(id, error);
  } catch {
    return [];
  }
}
