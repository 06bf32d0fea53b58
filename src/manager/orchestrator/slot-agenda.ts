// An agenda of services and of single slots of them: what changes with a task is mostly its slot's alone.
// One plan never plans the same slot twice, be it by itself or with its service: nothing of the first time
// is applied yet, so the second would do it again.
import type { Action } from '../../model/index.ts';
import { Agenda, planAgenda, type Budget, type Plan, type Planned } from '../loops/index.ts';

/** How a loop looks at a service, and at a slot of it. */
export interface SlotPlanner {
  /** The whole service; see `Planner.planOne`. */
  planService(serviceId: string, room: number): Planned;
  /** One slot; undefined: the whole service has to be looked at. What it raises is looked at with it, too. */
  planSlot(serviceId: string, key: string, room: number): Planned | undefined;
  /** See `Planner.explain`; of services alone. */
  explain(serviceId: string, error: string | undefined): readonly (readonly Action[])[];
}

/** What one plan has planned so far. */
interface Pass {
  readonly services: Set<string>;
  /** Services of which single slots were planned. */
  readonly slotsOf: Set<string>;
  /** Services that have to wait for the next plan. */
  readonly deferred: Set<string>;
}

const SEPARATOR = '\0';

/** Services and slots that have to be looked at, now or at some time. */
export class SlotAgenda {
  readonly #agenda = new Agenda();

  clear(): void {
    this.#agenda.clear();
  }

  addService(serviceId: string): void {
    this.#agenda.add(serviceId);
  }

  addSlot(serviceId: string, key: string): void {
    this.#agenda.add(serviceId + SEPARATOR + key);
  }

  /** To be looked at at `time` (ms since 1970). */
  addSlotAt(serviceId: string, key: string, time: number): void {
    this.#agenda.addAt(serviceId + SEPARATOR + key, time);
  }

  /** A plan at `now` (ms since 1970) of what is due, within the budget. */
  plan(now: number, budget: Budget, planner: SlotPlanner): Plan {
    const pass: Pass = { services: new Set(), slotsOf: new Set(), deferred: new Set() };
    const plan = planAgenda(this.#agenda, now, budget, {
      planOne: (id, room) => this.#planOne(id, room, pass, planner),
      explain: (id, error) => {
        const isPlanned = error !== undefined || pass.services.has(id);
        return isPlanned && !id.includes(SEPARATOR) ? planner.explain(id, error) : [];
      },
    });
    for (const id of pass.deferred) this.#agenda.add(id);
    return { ...plan, more: plan.more || pass.deferred.size > 0 };
  }

  #planOne(id: string, room: number, pass: Pass, planner: SlotPlanner): Planned {
    const at = id.indexOf(SEPARATOR);
    if (at >= 0) return this.#planSlot(id.slice(0, at), id.slice(at + 1), room, pass, planner);
    if (pass.slotsOf.has(id)) {
      pass.deferred.add(id);
      return { transactions: [] };
    }
    pass.services.add(id);
    return planner.planService(id, room);
  }

  #planSlot(
    serviceId: string,
    key: string,
    room: number,
    pass: Pass,
    planner: SlotPlanner,
  ): Planned {
    // A service that can't be planned is tried again with all its slots.
    const { faults } = this.#agenda;
    const withService = pass.services.has(serviceId) || this.#agenda.isDue(serviceId);
    if (withService || faults.has(serviceId)) return { transactions: [] };
    const planned = attempt(() => planner.planSlot(serviceId, key, room));
    if (planned === undefined) this.#agenda.add(serviceId);
    else if (planned.transactions.length > 0) pass.slotsOf.add(serviceId);
    return planned ?? { transactions: [] };
  }
}

/** Undefined as well where it raises: the look at the whole service raises the same, and that is said. */
function attempt(plan: () => Planned | undefined): Planned | undefined {
  try {
    return plan();
  } catch {
    return undefined;
  }
}
