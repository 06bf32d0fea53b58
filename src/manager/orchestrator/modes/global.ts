// Global services: one slot per node that fits.
import { desire, fits, nodeIsLost, type PlanContext, type Slot } from '../slots/index.ts';
import type { ModePlanner } from './mode.ts';

export const global: ModePlanner = {
  followsNodes: true,

  /** A paused node keeps its task but gets no new one. */
  planSlots(context: PlanContext, slots: ReadonlyMap<string, Slot>): readonly Slot[] {
    const { service, view } = context;
    const kept: Slot[] = [];
    for (const slot of slots.values()) {
      const node = view.node(slot.key);
      // A node that is merely down keeps its slot: its container may still run there.
      if (node === undefined || node.spec.Availability === 'drain' || !fits(node, service, true)) {
        context.add(...slot.tasks.map((task) => desire(task, 'remove')));
      } else if (!nodeIsLost(node)) kept.push(slot);
    }
    for (const node of view.allNodes()) {
      if (slots.has(node.id) || node.status.state !== 'ready') continue;
      if (node.spec.Availability !== 'active' || !fits(node, service, false)) continue;
      context.add(context.newTask({ slot: 0, nodeId: node.id, desiredState: 'running' }));
    }
    return kept;
  },
};
