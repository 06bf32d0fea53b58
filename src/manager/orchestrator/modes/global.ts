// Global services: one slot per node that fits.
import { desire, nodeIsLost, type PlanContext, type Slot } from '../slots/index.ts';
import type { ModePlanner, SlotFate } from './mode.ts';

/** See `ModePlanner`. */
export const global: ModePlanner = {
  followsNodes: true,

  planSlots(context: PlanContext, slots: readonly Slot[]): readonly Slot[] {
    const kept = slots.filter((slot) => global.planSlot(context, slot.key, slot) === 'stays');
    const filled = new Set(slots.map(({ key }) => key));
    for (const node of context.view.allNodes()) {
      if (context.left === 0) break;
      if (!filled.has(node.id)) fill(context, node.id);
    }
    return kept;
  },

  /** A paused node keeps its task but gets no new one. */
  planSlot(context: PlanContext, key: string, slot: Slot | undefined): SlotFate {
    if (slot === undefined) {
      fill(context, key);
      return 'goes';
    }
    const node = context.view.node(key);
    // A node that is merely down keeps its slot: its container may still run there.
    if (node === undefined || node.spec.Availability === 'drain' || !context.fits(node, true)) {
      context.add(...slot.tasks.map((task) => desire(task, 'remove')));
      return 'goes';
    }
    return nodeIsLost(node) ? 'goes' : 'stays';
  },
};

/** A task for a node that has none, if it is to have one. */
function fill(context: PlanContext, nodeId: string): void {
  const node = context.view.node(nodeId);
  if (node?.status.state !== 'ready' || node.spec.Availability !== 'active') return;
  if (!context.fits(node, false)) return;
  context.add(context.newTask({ slot: 0, nodeId, desiredState: 'running' }));
}
