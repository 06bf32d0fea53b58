// Everything the managers do for one service, as one pure function: scale, restart, update, roll back.
// It looks at the service, its tasks and their nodes and gives transactions. Called again after any of
// them changed; a second call with the same state gives the same, and nothing once all is as wanted.
import type { Random } from '../../base/index.ts';
import {
  isTerminal,
  type Action,
  type Node,
  type Revision,
  type Service,
  type Task,
} from '../../model/index.ts';
import { fits, isUpToDate } from './fitness.ts';
import { createTask, wish } from './new-task.ts';
import { decideRestart } from './restart.ts';
import { checkReplicas, freeSlotNumbers, slotsToRemove } from './scale.ts';
import { restartRules, stopLimitMs, type RestartRules } from './service-defaults.ts';
import { isRunning, nodeIsLost, slotsOf, type Slot } from './slots.ts';
import { planUpdate } from './plan-update.ts';

export interface ServiceView {
  readonly service: Service;
  readonly tasks: readonly Task[];
  readonly node: (id: string) => Node | undefined;
  readonly allNodes: () => Iterable<Node>;
  readonly revision: (id: string) => Revision | undefined;
}

export interface ServicePlan {
  readonly transactions: readonly (readonly Action[])[];
  readonly wakeAt: number | undefined;
}

/** Collects what the parts below decide. */
export class PlanBuilder {
  readonly transactions: (readonly Action[])[] = [];
  wakeAt: number | undefined;

  add(...actions: Action[]): void {
    if (actions.length > 0) this.transactions.push(actions);
  }

  wake(time: number | undefined): void {
    if (time !== undefined && (this.wakeAt === undefined || time < this.wakeAt)) this.wakeAt = time;
  }
}

/** Plans one service at `now` (ms since 1970). */
export function planService(view: ServiceView, random: Random, now: number): ServicePlan {
  const { service } = view;
  const plan = new PlanBuilder();
  // Ports and virtual addresses first: a task that starts without them could not be reached.
  if (service.endpoint.allocatedFor < service.specVersion) return plan;
  const slots = slotsOf(view.tasks);
  const kept = service.spec.Mode.Global
    ? planGlobal(view, slots, plan, random, now)
    : planReplicas(view, slots, plan, random, now);
  const slotView = { ...view, upToDate: isUpToDate(view) };
  const rules = restartRules(service.spec);
  const busy = new Set<string>();
  for (const slot of kept) {
    if (planSlot(slotView, slot, rules, plan, random, now)) busy.add(slot.key);
  }
  planUpdate(
    view,
    kept.filter((slot) => !busy.has(slot.key)),
    kept,
    slotView.upToDate,
    plan,
    random,
    now,
  );
  return plan;
}

/** Adds and removes slots of a replicated service; returns the slots that stay. */
function planReplicas(
  { service }: ServiceView,
  slots: ReadonlyMap<string, Slot>,
  plan: PlanBuilder,
  random: Random,
  now: number,
): readonly Slot[] {
  const wanted = checkReplicas(service.spec.Mode.Replicated?.Replicas ?? 0);
  const existing = [...slots.values()];
  const surplus = new Set(slotsToRemove(existing, existing.length - wanted));
  for (const slot of surplus) plan.add(...slot.tasks.map((task) => wish(task, 'remove')));
  for (const number of freeSlotNumbers(slots, Math.max(0, wanted - existing.length))) {
    plan.add(createTask(service, { slot: number, desiredState: 'running' }, random, now));
  }
  return existing.filter((slot) => !surplus.has(slot));
}

/** One slot per node that fits; a paused node keeps its task but gets no new one. */
function planGlobal(
  view: ServiceView,
  slots: ReadonlyMap<string, Slot>,
  plan: PlanBuilder,
  random: Random,
  now: number,
): readonly Slot[] {
  const { service } = view;
  const kept: Slot[] = [];
  for (const slot of slots.values()) {
    const node = view.node(slot.key);
    // A node that is merely down keeps its slot: its container may still run there.
    if (node === undefined || node.spec.Availability === 'drain' || !fits(node, service, true)) {
      plan.add(...slot.tasks.map((task) => wish(task, 'remove')));
    } else if (!nodeIsLost(node)) kept.push(slot);
  }
  for (const node of view.allNodes()) {
    if (slots.has(node.id) || node.status.state !== 'ready') continue;
    if (node.spec.Availability !== 'active' || !fits(node, service, false)) continue;
    const options = { slot: 0, nodeId: node.id, desiredState: 'running' } as const;
    plan.add(createTask(service, options, random, now));
  }
  return kept;
}

interface SlotView extends ServiceView {
  readonly upToDate: (task: Task) => boolean;
}

/** Restarts and promotes within one slot; true when the slot is in motion. */
function planSlot(
  view: SlotView,
  slot: Slot,
  rules: RestartRules,
  plan: PlanBuilder,
  random: Random,
  now: number,
): boolean {
  const current = slot.current;
  if (current === undefined) return planEmptySlot(view, slot, rules, plan, random, now);
  if (returnToServing(view, slot, current, plan)) return true;
  if (planPromotion(view, slot, current, plan, now)) return true;
  const node = current.nodeId === undefined ? undefined : view.node(current.nodeId);
  const decision = decideRestart(slot, current, node, rules, now);
  if (decision.kind === 'leave') return retireOlder(view.service, slot, current, plan);
  if (decision.kind === 'finished') {
    plan.add(wish(current, 'shutdown'));
    return true;
  }
  replace(view, slot, current, decision.startAfter, plan, random, now);
  return true;
}

/**
 * Every task of the slot ended and none is wanted. It stays so when its policy says so; otherwise
 * (the spec was changed since, or the replacement was lost in a leader change) a new one is made.
 */
function planEmptySlot(
  view: SlotView,
  slot: Slot,
  rules: RestartRules,
  plan: PlanBuilder,
  random: Random,
  now: number,
): boolean {
  const last = slot.tasks.at(-1);
  if (last === undefined || !view.upToDate(last)) return false;
  const node = last.nodeId === undefined ? undefined : view.node(last.nodeId);
  const decision = decideRestart(slot, last, node, rules, now);
  if (decision.kind !== 'replace') return false;
  replace(view, slot, last, decision.startAfter, plan, random, now);
  return true;
}

/** The next task of a slot; `delayed` is when the restart rules allow it (ms since 1970). */
function replace(
  { service, upToDate }: SlotView,
  slot: Slot,
  old: Task,
  delayed: number,
  plan: PlanBuilder,
  random: Random,
  now: number,
): void {
  // A changed spec may mend it: that one doesn't wait for the old one's delay.
  const startAfter = upToDate(old) ? delayed : now;
  // Made now, it would be prepared and rejected at once, and so on many times a second.
  if (old.status.state === 'rejected' && startAfter > now) {
    plan.wake(startAfter);
    return;
  }
  // Only the task itself: in a start-first step its predecessor goes on serving.
  const retire = slot.alive.includes(old) ? [wish(old, 'shutdown')] : [];
  const create = createTask(
    service,
    {
      slot: old.slot,
      nodeId: old.slot > 0 ? undefined : old.nodeId,
      desiredState: startAfter > now ? 'ready' : 'running',
      startAfter,
      replaces: old.id,
    },
    random,
    now,
  );
  plan.add(...retire, create);
  plan.wake(startAfter);
}

/**
 * The service went back in mid-step of a start-first update: what served all the time is what is
 * wanted again, and the newer tasks go.
 */
function returnToServing(view: SlotView, slot: Slot, current: Task, plan: PlanBuilder): boolean {
  if (slot.alive.length < 2 || view.upToDate(current)) return false;
  const serving = slot.alive.findLast(
    (task) => isRunning(task) && view.upToDate(task) && !nodeIsLost(view.node(task.nodeId ?? '')),
  );
  if (serving === undefined) return false;
  for (const other of slot.alive) if (other !== serving) plan.add(wish(other, 'shutdown'));
  return true;
}

/** A prepared task may run once its delay is over and its predecessor has stopped. */
function planPromotion(
  view: ServiceView,
  slot: Slot,
  task: Task,
  plan: PlanBuilder,
  now: number,
): boolean {
  if (task.desiredState !== 'ready' || isTerminal(task.status.state)) return false;
  if ((task.startAfter ?? 0) > now) {
    plan.wake(task.startAfter);
    return true;
  }
  const old = slot.tasks.find((other) => other.id === task.replaces);
  if (old !== undefined && !hasStopped(view, old)) {
    const limit = task.createdAt + stopLimitMs(view.revision(old.revisionId)?.spec);
    if (now < limit) {
      plan.wake(limit);
      return true;
    }
  }
  plan.add(wish(task, 'running'));
  return true;
}

function hasStopped(view: ServiceView, task: Task): boolean {
  if (isTerminal(task.status.state) || task.nodeId === undefined) return true;
  return view.node(task.nodeId)?.status.state === 'down' || view.node(task.nodeId) === undefined;
}

/**
 * Of several wanted tasks the newest stays, once it runs (the end of a start-first step). One that
 * waits for room may wait for ever: it is not in motion when a newer revision is there to supersede it.
 */
function retireOlder(service: Service, slot: Slot, current: Task, plan: PlanBuilder): boolean {
  if (slot.alive.length < 2) return false;
  if (current.status.state !== 'running') return current.revisionId === service.revisionId;
  for (const older of slot.alive) if (older !== current) plan.add(wish(older, 'shutdown'));
  return true;
}
