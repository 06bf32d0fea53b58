// Everything the managers do for one service, as one pure function: scale, restart, update, roll back.
// It looks at the service, its tasks and their nodes and gives transactions. Called again after any of
// them changed; a second call with the same state gives the same, and nothing once all is as wanted.
import { isTerminal, modeOf, type Service, type Task } from '../../model/index.ts';
import { MODES } from './modes/index.ts';
import { planMissedStep, planUpdate } from './plan-update.ts';
import { decideRestart } from './restart.ts';
import {
  PlanContext,
  desire,
  isRunning,
  nodeIsLost,
  restartRules,
  slotOf,
  stopLimitMs,
  type PlanOptions,
  type RestartRules,
  type ServicePlan,
  type ServiceView,
  type Slot,
} from './slots/index.ts';

/** Plans one service, all of its slots. Raises `invalid` for a spec that can't be planned. */
export function planService(view: ServiceView, options: PlanOptions): ServicePlan {
  const context = new PlanContext(view, options);
  const { service } = view;
  if (!isAllocated(service)) return context;
  const slots: Slot[] = [];
  for (const [key, tasks] of view.slots) {
    const slot = slotOf(key, tasks);
    if (slot !== undefined) slots.push(slot);
  }
  const kept = MODES[modeOf(service.spec).kind].planSlots(context, slots);
  const rules = restartRules(service.spec);
  const busy = new Set<string>();
  for (const slot of kept) {
    if (context.left === 0) return context;
    if (planSlot(context, slot, rules)) busy.add(slot.key);
  }
  planUpdate(context, kept, busy);
  return context;
}

/**
 * Plans one slot of a service; undefined when that can't be done without the others: the service is being
 * updated, or has a slot less. Raises `invalid` for a spec that can't be planned.
 */
export function planOneSlot(
  view: ServiceView,
  key: string,
  options: PlanOptions,
): ServicePlan | undefined {
  const { service } = view;
  if (isUpdating(service)) return undefined;
  const context = new PlanContext(view, options);
  if (!isAllocated(service)) return context;
  const slot = slotOf(key, view.slots.get(key) ?? []);
  const fate = MODES[modeOf(service.spec).kind].planSlot(context, key, slot);
  if (fate === 'unknown') return undefined;
  if (fate === 'stays' && slot) planSlot(context, slot, restartRules(service.spec));
  return context;
}

/** Ports and virtual addresses first: a task that starts without them could not be reached. */
function isAllocated({ endpoint, specVersion }: Service): boolean {
  return endpoint.allocatedFor >= specVersion;
}

/** How far an update is can be told from all slots alone. */
function isUpdating({ updateStatus }: Service): boolean {
  return updateStatus?.state === 'updating' || updateStatus?.state === 'rollback_started';
}

/** Restarts and promotes within one slot; true when the slot is in motion. */
function planSlot(context: PlanContext, slot: Slot, rules: RestartRules): boolean {
  const current = slot.current;
  if (current === undefined) {
    return planMissedStep(context, slot) || planEmptySlot(context, slot, rules);
  }
  if (returnToServing(context, slot, current)) return true;
  if (planPromotion(context, slot, current)) return true;
  const decision = decideRestart(slot, current, context.nodeOf(current), rules, context.now);
  if (decision.kind === 'leave') {
    return planMissedStep(context, slot) || retireOlder(context, slot, current);
  }
  if (decision.kind === 'finished') {
    // A start-first step whose task has done its work is over: what served until then would be updated
    // once more. One that failed leaves it.
    const over = current.status.state === 'complete' ? slot.alive : [current];
    context.add(...over.map((task) => desire(task, 'shutdown')));
    return true;
  }
  replace(context, slot, current, decision.startAfter);
  return true;
}

/**
 * Every task of the slot ended and none is wanted. It stays so when its policy says so; otherwise
 * (the spec was changed since, or the replacement was lost in a leader change) a new one is made.
 */
function planEmptySlot(context: PlanContext, slot: Slot, rules: RestartRules): boolean {
  const last = slot.tasks.at(-1);
  if (last === undefined || !context.upToDate(last)) return false;
  const decision = decideRestart(slot, last, context.nodeOf(last), rules, context.now);
  if (decision.kind !== 'replace') return false;
  replace(context, slot, last, decision.startAfter);
  return true;
}

/** The next task of a slot; `delayed` is when the restart rules allow it (ms since 1970). */
function replace(context: PlanContext, slot: Slot, old: Task, delayed: number): void {
  const { now } = context;
  // A changed spec may mend it: that one doesn't wait for the old one's delay.
  const startAfter = context.upToDate(old) ? delayed : now;
  // Made now, it would be prepared and rejected at once, and so on many times a second.
  if (old.status.state === 'rejected' && startAfter > now) {
    context.wakeSlot(slot.key, startAfter);
    return;
  }
  // Only the task itself: in a start-first step its predecessor goes on serving.
  const retire = slot.alive.includes(old) ? [desire(old, 'shutdown')] : [];
  const create = context.newTask({
    slot: old.slot,
    nodeId: old.slot > 0 ? undefined : old.nodeId,
    desiredState: startAfter > now ? 'ready' : 'running',
    startAfter,
    replaces: old.id,
  });
  context.add(...retire, create);
  context.wakeSlot(slot.key, startAfter);
}

/**
 * The service went back in mid-step of a start-first update: what served all the time is what is
 * wanted again, and the newer tasks go.
 */
function returnToServing(context: PlanContext, slot: Slot, current: Task): boolean {
  if (slot.alive.length < 2 || context.upToDate(current)) return false;
  const serving = slot.alive.findLast(
    (task) => isRunning(task) && context.upToDate(task) && !nodeIsLost(context.nodeOf(task)),
  );
  if (serving === undefined) return false;
  for (const other of slot.alive) if (other !== serving) context.add(desire(other, 'shutdown'));
  return true;
}

/** A prepared task may run once its delay is over and its predecessor has stopped. */
function planPromotion(context: PlanContext, slot: Slot, task: Task): boolean {
  const { now, view } = context;
  if (task.desiredState !== 'ready' || isTerminal(task.status.state)) return false;
  const { startAfter = 0 } = task;
  if (startAfter > now) {
    context.wakeSlot(slot.key, startAfter);
    return true;
  }
  const old = slot.tasks.find((other) => other.id === task.replaces);
  if (old !== undefined && !hasStopped(context, old)) {
    const limit = task.createdAt + stopLimitMs(view.revision(old.revisionId)?.spec);
    if (now < limit) {
      context.wakeSlot(slot.key, limit);
      return true;
    }
  }
  context.add(desire(task, 'running'));
  return true;
}

function hasStopped(context: PlanContext, task: Task): boolean {
  if (isTerminal(task.status.state) || task.nodeId === undefined) return true;
  const node = context.nodeOf(task);
  return node === undefined || node.status.state === 'down';
}

/**
 * Of several wanted tasks the newest stays, once it runs (the end of a start-first step). One that
 * waits for room may wait for ever: it is not in motion when a newer revision is there to supersede it.
 */
function retireOlder(context: PlanContext, slot: Slot, current: Task): boolean {
  if (slot.alive.length < 2) return false;
  if (current.status.state !== 'running') return current.revisionId === context.service.revisionId;
  for (const older of slot.alive) if (older !== current) context.add(desire(older, 'shutdown'));
  return true;
}
