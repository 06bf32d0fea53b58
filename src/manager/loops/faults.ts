// Objects that a loop can't plan just now: what is wrong with them, and for how long they are left alone.
import { messageOf } from '../../base/index.ts';
import type { Budget, PlanFault } from './control-loop.ts';

/** What could not be planned is tried again after this, then after twice as long, up to the last. */
export const FAULT_RETRY_MIN_MS = 1_000;
/** At least this often. */
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

  /** Whether it could not be planned when it was last looked at. */
  has(object: string): boolean {
    return this.#known.has(object);
  }

  /** It can be planned again. */
  mended(object: string): void {
    this.#known.delete(object);
  }

  /** What is new since the last call. */
  takeFresh(): readonly PlanFault[] {
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

/** Objects between two looks at the budget. */
const WALK_STEP = 64;

/** A visit of many objects, in pieces; one that can't be read is left out, and is among the faults. */
export class SlicedWalk<T extends { readonly id: string }> {
  readonly #faults: Faults;
  readonly #visit: (object: T) => void;
  #left: Iterator<T> | undefined;

  /** Looks at nothing yet. `objects` may change under way: visits should ask for their present state. */
  constructor(objects: Iterable<T>, faults: Faults, visit: (object: T) => void) {
    this.#left = objects[Symbol.iterator]();
    this.#faults = faults;
    this.#visit = visit;
  }

  /** Goes on until the budget is spent; true once all were visited. */
  go(budget: Budget): boolean {
    while (this.#left !== undefined) {
      for (let step = 0; step < WALK_STEP; step++) {
        const next = this.#left.next();
        if (next.done === true) {
          this.#left = undefined;
          return true;
        }
        visitAll([next.value], this.#faults, this.#visit);
      }
      if (budget.spent()) return false;
    }
    return true;
  }
}
