// What a service mode is: which slots a service has. Everything else (restarts, updates, rollbacks) is
// the same for all modes.
import type { PlanContext, Slot } from '../slots/index.ts';

export interface ModePlanner {
  /** Whether a node that comes, goes or changes may give the service a slot or take one. */
  readonly followsNodes: boolean;
  /**
   * Adds the slots that are missing and gives up those that are too many; returns the slots that stay.
   * Raises `invalid` for a spec that can't be.
   */
  planSlots(context: PlanContext, slots: ReadonlyMap<string, Slot>): readonly Slot[];
}
