// Replicated services: as many slots as the spec says, numbered from 1.
import { SwarmError } from '../../../base/index.ts';
import { modeOf, type Task } from '../../../model/index.ts';
import { desire, isRunning, type PlanContext, type Slot } from '../slots/index.ts';
import type { ModePlanner } from './mode.ts';

/** More than any cluster runs; a service that asks for more has been damaged. */
const REPLICAS_MAX = 1_000_000;

export const replicated: ModePlanner = {
  followsNodes: false,

  planSlots(context: PlanContext, slots: ReadonlyMap<string, Slot>): readonly Slot[] {
    const mode = modeOf(context.service.spec);
    const wanted = checkReplicas(mode.kind === 'replicated' ? mode.replicas : 0);
    const existing = [...slots.values()];
    const surplus = new Set(slotsToRemove(existing, existing.length - wanted));
    for (const slot of surplus) {
      context.add(...slot.tasks.map((task) => desire(task, 'remove')));
    }
    for (const number of freeSlotNumbers(slots, Math.max(0, wanted - existing.length))) {
      context.add(context.newTask({ slot: number, desiredState: 'running' }));
    }
    return existing.filter((slot) => !surplus.has(slot));
  },
};

/** Raises `invalid` for what is no number of replicas. */
function checkReplicas(wanted: number): number {
  if (Number.isInteger(wanted) && wanted >= 0 && wanted <= REPLICAS_MAX) return wanted;
  throw new SwarmError('invalid', `${wanted} replicas: it must be 0 to ${REPLICAS_MAX}`);
}

/** The lowest `count` numbers that no slot has. */
function freeSlotNumbers(slots: ReadonlyMap<string, Slot>, count: number): number[] {
  const numbers: number[] = [];
  for (let number = 1; numbers.length < count; number++) {
    if (!slots.has(String(number))) numbers.push(number);
  }
  return numbers;
}

/**
 * `count` slots to give up: those that don't run first, then those on nodes that hold most of the
 * service, then the highest numbers (SwarmKit's order).
 */
export function slotsToRemove(slots: readonly Slot[], count: number): Slot[] {
  const perNode = new Map<string, number>();
  for (const slot of slots) {
    const nodeId = nodeOf(slot);
    perNode.set(nodeId, (perNode.get(nodeId) ?? 0) + 1);
  }
  const left = new Set(slots);
  const chosen: Slot[] = [];
  while (chosen.length < count && left.size > 0) {
    let worst: Slot | undefined;
    for (const slot of left) if (!worst || isWorse(slot, worst, perNode)) worst = slot;
    if (!worst) break;
    left.delete(worst);
    perNode.set(nodeOf(worst), (perNode.get(nodeOf(worst)) ?? 0) - 1);
    chosen.push(worst);
  }
  return chosen;
}

function isWorse(a: Slot, b: Slot, perNode: ReadonlyMap<string, number>): boolean {
  const runs = Number(runsNow(a)) - Number(runsNow(b));
  if (runs !== 0) return runs < 0;
  const load = (perNode.get(nodeOf(b)) ?? 0) - (perNode.get(nodeOf(a)) ?? 0);
  if (load !== 0) return load < 0;
  return Number(a.key) > Number(b.key);
}

const newest = (slot: Slot): Task | undefined => slot.current ?? slot.tasks.at(-1);
const nodeOf = (slot: Slot): string => newest(slot)?.nodeId ?? '';
const runsNow = (slot: Slot): boolean => slot.alive.some(isRunning);
