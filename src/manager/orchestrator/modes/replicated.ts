// Replicated services: as many slots as the spec says, numbered from 1.
import { Heap, SwarmError } from '../../../base/index.ts';
import { modeOf, type Task } from '../../../model/index.ts';
import { desire, isRunning, type PlanContext, type Slot } from '../slots/index.ts';
import type { ModePlanner, SlotFate } from './mode.ts';

/** More than any cluster runs; a service that asks for more has been damaged. */
const REPLICAS_MAX = 1_000_000;

/** See `ModePlanner`. */
export const replicated: ModePlanner = {
  followsNodes: false,

  planSlots(context: PlanContext, slots: readonly Slot[]): readonly Slot[] {
    const mode = modeOf(context.service.spec);
    const wanted = checkReplicas(mode.kind === 'replicated' ? mode.replicas : 0);
    const surplus = new Set(slotsToRemove(slots, slots.length - wanted));
    for (const slot of surplus) {
      if (context.left === 0) break;
      context.add(...slot.tasks.map((task) => desire(task, 'remove')));
    }
    const missing = Math.min(context.left, Math.max(0, wanted - slots.length));
    for (const number of freeSlotNumbers(slots, missing)) {
      context.add(context.newTask({ slot: number, desiredState: 'running' }));
    }
    return surplus.size === 0 ? slots : slots.filter((slot) => !surplus.has(slot));
  },

  /** One that is gone may have to be filled again, by which number only all slots tell. */
  planSlot(_context: PlanContext, _key: string, slot: Slot | undefined): SlotFate {
    return slot === undefined ? 'unknown' : 'stays';
  },
};

/** Raises `invalid` for what is no number of replicas. */
function checkReplicas(wanted: number): number {
  if (Number.isInteger(wanted) && wanted >= 0 && wanted <= REPLICAS_MAX) return wanted;
  throw new SwarmError('invalid', `${wanted} replicas: it must be 0 to ${REPLICAS_MAX}`);
}

/** The lowest `count` numbers that no slot has. */
function freeSlotNumbers(slots: readonly Slot[], count: number): number[] {
  const numbers: number[] = [];
  if (count === 0) return numbers;
  const taken = new Set(slots.map(({ key }) => key));
  for (let number = 1; numbers.length < count; number++) {
    if (!taken.has(String(number))) numbers.push(number);
  }
  return numbers;
}

/** The slots of one node that may be given up. */
interface NodeSlots {
  /** Slots of the service that the node has left, whether or not they may be given up. */
  load: number;
  /** Lowest number first. */
  readonly slots: Slot[];
}

/**
 * `count` slots to give up: those that don't run first, then those on nodes that hold most of the
 * service, then the highest numbers (SwarmKit's order).
 */
export function slotsToRemove(slots: readonly Slot[], count: number): Slot[] {
  const chosen: Slot[] = [];
  if (count <= 0) return chosen;
  const loads = new Map<string, number>();
  for (const slot of slots) loads.set(nodeOf(slot), (loads.get(nodeOf(slot)) ?? 0) + 1);
  for (const running of [false, true]) {
    const heap = new Heap(isWorse, byNode(slots, running, loads));
    for (let node = heap.peek(); node !== undefined && chosen.length < count; node = heap.peek()) {
      const slot = node.slots.pop();
      if (slot === undefined) break;
      chosen.push(slot);
      loads.set(nodeOf(slot), --node.load);
      if (node.slots.length === 0) heap.pop();
      else heap.topChanged();
    }
  }
  return chosen;
}

function byNode(
  slots: readonly Slot[],
  running: boolean,
  loads: ReadonlyMap<string, number>,
): Iterable<NodeSlots> {
  const nodes = new Map<string, NodeSlots>();
  for (const slot of slots) {
    if (runsNow(slot) !== running) continue;
    const nodeId = nodeOf(slot);
    const node = nodes.get(nodeId);
    if (node === undefined) nodes.set(nodeId, { load: loads.get(nodeId) ?? 0, slots: [slot] });
    else node.slots.push(slot);
  }
  for (const node of nodes.values()) node.slots.sort((a, b) => Number(a.key) - Number(b.key));
  return nodes.values();
}

function isWorse(a: NodeSlots, b: NodeSlots): boolean {
  if (a.load !== b.load) return a.load > b.load;
  return Number(a.slots.at(-1)?.key) > Number(b.slots.at(-1)?.key);
}

const newest = (slot: Slot): Task | undefined => slot.current ?? slot.tasks.at(-1);
const nodeOf = (slot: Slot): string => newest(slot)?.nodeId ?? '';
const runsNow = (slot: Slot): boolean => slot.alive.some(isRunning);
