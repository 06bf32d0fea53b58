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
import type { StoreView } from './store/index.ts';
import type { Action, StoreChange } from '../model/index.ts';

export interface Budget {
  /** True once the call has used its share of time; checked between pieces of work. */
  spent(): boolean;
  /** Transactions that one plan may give. */
  readonly transactions: number;
}

export interface Plan {
  /** Each inner list is applied as a whole or not at all. */
  readonly transactions: readonly (readonly Action[])[];
  /** Work is left: ask again right after these are applied. */
  readonly more: boolean;
  /** Wall-clock time (ms) at which to ask again without a change. */
  readonly wakeAt?: number;
}

export interface ControlLoop {
  readonly name: string;
  reset(view: StoreView): void;
  observe(change: StoreChange): void;
  plan(now: number, budget: Budget): Plan;
}

/** Ids that have to be looked at, and times at which to look again: what most loops hold. */
export class Agenda {
  readonly #due = new Set<string>();
  readonly #later = new Map<string, number>();

  clear(): void {
    this.#due.clear();
    this.#later.clear();
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

/** A plan from an agenda: looks at what is due until the budget is spent. */
export function planAgenda(
  agenda: Agenda,
  now: number,
  budget: Budget,
  planOne: (id: string) => {
    transactions: readonly (readonly Action[])[];
    wakeAt?: number | undefined;
  },
): Plan {
  const transactions: (readonly Action[])[] = [];
  for (const id of agenda.take(now)) {
    const planned = planOne(id);
    const room = budget.transactions - transactions.length;
    transactions.push(...planned.transactions.slice(0, room));
    if (planned.transactions.length > room) agenda.add(id);
    if (planned.wakeAt !== undefined) agenda.addAt(id, planned.wakeAt);
    if (transactions.length >= budget.transactions || budget.spent()) break;
  }
  const wakeAt = agenda.wakeAt;
  return { transactions, more: !agenda.empty, ...(wakeAt === undefined ? {} : { wakeAt }) };
}
