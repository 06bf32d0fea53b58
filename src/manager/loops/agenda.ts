// What most loops hold: ids that have to be looked at, now or at some time, and a plan made from them.
import { Heap } from '../../base/index.ts';
import type { Action } from '../../model/index.ts';
import type { Budget, Plan } from './control-loop.ts';
import { Faults } from './faults.ts';

interface Later {
  readonly id: string;
  readonly time: number;
}

/** Ids that have to be looked at, and times at which to look again: what most loops hold. */
export class Agenda {
  readonly faults = new Faults();
  readonly #due = new Set<string>();
  readonly #times = new Map<string, number>();
  /** An entry whose time is not the one in `#times` any more is nothing. */
  readonly #later = new Heap<Later>((a, b) => a.time < b.time);

  clear(): void {
    this.#due.clear();
    this.#times.clear();
    this.#later.clear();
    this.faults.clear();
  }

  /** To be looked at in the next plan; once, however often it is added. */
  add(id: string): void {
    this.#due.add(id);
  }

  /** Adds it at `time` (ms since 1970), or at an earlier time that is known. */
  addAt(id: string, time: number): void {
    const known = this.#times.get(id);
    if (known !== undefined && known <= time) return;
    this.#times.set(id, time);
    this.#later.push({ id, time });
  }

  /** Takes what is due now, one after another; the caller stops when its budget is spent. */
  *take(now: number): Generator<string> {
    for (let next = this.#next(); next !== undefined && next.time <= now; next = this.#next()) {
      this.#later.pop();
      this.#times.delete(next.id);
      this.#due.add(next.id);
    }
    for (const id of this.#due) {
      this.#due.delete(id);
      yield id;
    }
  }

  /** Whether it is to be looked at in the next plan, or later in this one. */
  isDue(id: string): boolean {
    return this.#due.has(id);
  }

  /** Nothing is due, but for what waits for its time. */
  get empty(): boolean {
    return this.#due.size === 0;
  }

  /** When the next of those that wait is due (ms since 1970). */
  get wakeAt(): number | undefined {
    return this.#next()?.time;
  }

  #next(): Later | undefined {
    for (;;) {
      const next = this.#later.peek();
      if (next === undefined || this.#times.get(next.id) === next.time) return next;
      this.#later.pop();
    }
  }
}

/** What one object asks for. */
export interface Planned {
  readonly transactions: readonly (readonly Action[])[];
  /** When to look again without a change (ms since 1970). */
  readonly wakeAt?: number | undefined;
}

/** How a loop looks at one object, and how it says in it what is wrong. */
export interface Planner {
  /**
   * Raises what is wrong with an object that can't be planned. More transactions than there is `room` for
   * are left out, and the object is looked at again: one more is enough to say that there are more.
   */
  planOne(id: string, room: number): Planned;
  /** Writes `error` into the object; undefined: that it is over. Nothing where that stands already. */
  explain(id: string, error: string | undefined): readonly (readonly Action[])[];
}

/** A plan from an agenda: looks at what is due until the budget is spent. */
export function planAgenda(agenda: Agenda, now: number, budget: Budget, planner: Planner): Plan {
  const transactions: (readonly Action[])[] = [];
  for (const id of agenda.take(now)) {
    const room = budget.transactions - transactions.length;
    const planned = planOne(agenda, id, room, now, planner);
    transactions.push(...planned.transactions.slice(0, room));
    if (planned.transactions.length > room) agenda.add(id);
    if (planned.wakeAt !== undefined) agenda.addAt(id, planned.wakeAt);
    if (transactions.length >= budget.transactions || budget.spent()) break;
  }
  const wakeAt = agenda.wakeAt;
  const faults = agenda.faults.takeFresh();
  return { transactions, more: !agenda.empty, faults, ...(wakeAt === undefined ? {} : { wakeAt }) };
}

function planOne(
  { faults }: Agenda,
  id: string,
  room: number,
  now: number,
  planner: Planner,
): Planned {
  try {
    const { transactions, wakeAt } = planner.planOne(id, room);
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
