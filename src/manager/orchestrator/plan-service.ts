// Everything the managers do for one service, as one pure function: scale, restart, update, roll back.
// It looks at the service, its tasks and their nodes and gives transactions. Called again after any of
// them changed; a second call with the same state gives the same, and nothing once all is as wanted.
import type { Random } from '../../base/index.ts';
import { isTerminal, modeOf, type Task } from '../../model/index.ts';
import { MODES } from './modes/index.ts';
import { planUpdate } from './plan-update.ts';
import { decideRestart } from './restart.ts';
import {
  PlanContext,
  desire,
  isRunning,
  nodeIsLost,
  restartRules,
  slotsOf,
  stopLimitMs,
  type RestartRules,
  type ServicePlan,
  type ServiceView,
  type Slot,
} from './slots/index.ts';

/** Plans one service at `now` (ms since 1970). Raises `invalid` for a spec that can't be planned. */
export function planService(view: ServiceView, random: Random, now: number): ServicePlan {
  const context = new PlanContext(view, random, now);
  const { service } = view;
  // Ports and virtual addresses first: a task that starts without them could not be reached.
  if (service.endpoint.allocatedFor < service.specVersion) return context;
  const kept = MODES[modeOf(service.spec).kind].planSlots(context, slotsOf(view.tasks));
  const rules = restartRules(service.spec);
  const busy = new Set<string>();
  for (const slot of kept) {
    if (planSlot(context, slot, rules)) busy.add(slot.key);
  }
  planUpdate(context, kept, busy);
  return context;
}

/** Restarts and promotes within one slot; true when the slot is in motion. */
function planSlot(context: PlanContext, slot: Slot, rules: RestartRules): boolean {
  const current = slot.current;
  if (current === undefined) return planEmptySlot(context, slot, rules);
  if (returnToServing(context, slot, current)) return true;
  if (planPromotion(context, slot, current)) return true;
  const decision = decideRestart(slot, current, context.nodeOf(current), rules, context.now);
  if (decision.kind === 'leave') return retireOlder(context, slot, current);
  if (decision.kind === 'finished') {
    context.add(desire(current, 'shutdown'));
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
    context.wake(startAfter);
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
  context.wake(startAfter);
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
  if ((task.startAfter ?? 0) > now) {
    context.wake(task.startAfter);
    return true;
  }
  const old = slot.tasks.find((other) => other.id === task.replaces);
  if (old !== undefined && !hasStopped(context, old)) {
    const limit = task.createdAt + stopLimitMs(view.revision(old.revisionId)?.spec);
    if (now < limit) {
      context.wake(limit);
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
