// What a service mode is: which slots a service has. Everything else (restarts, updates, rollbacks) is
// the same for all modes.
import type { PlanContext, Slot } from '../slots/index.ts';

/** What is to become of one slot: it stays, it goes, or that can't be said without the others. */
export type SlotFate = 'stays' | 'goes' | 'unknown';

/** The part of a plan that depends on the mode. */
export interface ModePlanner {
  /** Whether a node that comes, goes or changes may give the service a slot (of its id) or take one. */
  readonly followsNodes: boolean;
  /**
   * Adds the slots that are missing and gives up those that are too many, as many as are worth planning;
   * returns the slots that stay. Raises `invalid` for a spec that can't be.
   */
  planSlots(context: PlanContext, slots: readonly Slot[]): readonly Slot[];
  /** The same for the slot of this key alone; undefined: there is none. Raises `invalid`. */
  planSlot(context: PlanContext, key: string, slot: Slot | undefined): SlotFate;
}
