// The update part of a service's plan: moves slots to the current revision, step by step, and keeps
// `updateStatus`. See update.ts for how progress is read from the tasks.
import {
  rolledBack,
  update,
  type Action,
  type Service,
  type UpdateStatus,
} from '../../model/index.ts';
import {
  desire,
  isRunning,
  updateRules,
  type PlanContext,
  type Slot,
  type UpdateRules,
} from './slots/index.ts';
import { hasTooManyFailures, updateProgress, type UpdateProgress } from './update.ts';

/** All `slots` count for progress; a restart is moving the `busy` ones (by key) just now. */
export function planUpdate(
  context: PlanContext,
  slots: readonly Slot[],
  busy: ReadonlySet<string>,
): void {
  const { service, upToDate, now } = context;
  const status = service.updateStatus;
  if (
    status === undefined ||
    (status.state !== 'updating' && status.state !== 'rollback_started')
  ) {
    return;
  }
  const rollingBack = status.state === 'rollback_started';
  const rules = updateRules(rollingBack ? service.spec.RollbackConfig : service.spec.UpdateConfig);
  const goal = { revisionId: service.revisionId, upToDate };
  const reached = slots.filter((slot) => !waitsForNode(context, slot));
  const progress = updateProgress(reached, goal, rules, status.startedAt, now);
  context.wake(progress.wakeAt);
  if (hasTooManyFailures(progress, rules)) {
    context.add(...failureAction(context, status, rules, progress));
    return;
  }
  if (progress.complete) {
    context.add(finish(service, status, rollingBack, now));
    return;
  }
  for (const slot of progress.next) {
    if (context.left === 0) return;
    if (!busy.has(slot.key)) context.add(...stepSlot(context, slot, rules));
  }
}

/**
 * A slot of a global service that an update passed over, its node being down or paused: it follows once the
 * node takes tasks again. True when it does now.
 */
export function planMissedStep(context: PlanContext, slot: Slot): boolean {
  const { service } = context;
  const { updateStatus, spec } = service;
  const wentBack = updateStatus?.state === 'rollback_completed';
  const isOver = updateStatus === undefined || updateStatus.state === 'completed' || wentBack;
  if (!isOver || !isGlobalAndDirty(context, slot)) return false;
  const node = context.view.node(slot.key);
  if (node?.status.state !== 'ready' || node.spec.Availability !== 'active') return false;
  const rules = updateRules(wentBack ? spec.RollbackConfig : spec.UpdateConfig);
  context.add(...stepSlot(context, slot, rules));
  return true;
}

/** A paused node keeps its task and would get no other (as in SwarmKit): no update takes it away. */
function waitsForNode(context: PlanContext, slot: Slot): boolean {
  if (!isGlobalAndDirty(context, slot)) return false;
  return context.view.node(slot.key)?.spec.Availability === 'pause';
}

function isGlobalAndDirty(context: PlanContext, { current, tasks }: Slot): boolean {
  const newest = current ?? tasks.at(-1);
  return newest?.slot === 0 && !context.upToDate(newest);
}

/** One slot goes to the current revision: old one out first, or new one in first. */
function stepSlot(context: PlanContext, slot: Slot, rules: UpdateRules): Action[] {
  const old = slot.current ?? slot.tasks.at(-1);
  const startFirst = rules.order === 'start-first' && slot.alive.some(isRunning);
  // Start-first: what serves stays; a step of an earlier update that came to nothing goes.
  const leaving = startFirst ? slot.alive.filter((task) => !isRunning(task)) : slot.alive;
  const retire = leaving.map((task) => desire(task, 'shutdown'));
  const create = context.newTask({
    slot: old?.slot ?? 0,
    nodeId: old !== undefined && old.slot === 0 ? old.nodeId : undefined,
    // Stop-first: the new task is prepared while the old one stops, and runs when it has stopped.
    desiredState: startFirst || slot.alive.length === 0 ? 'running' : 'ready',
    startAfter: context.now,
    replaces: old?.id,
  });
  return [...retire, create];
}

function failureAction(
  { service, view, random, now }: PlanContext,
  status: UpdateStatus,
  rules: UpdateRules,
  progress: UpdateProgress,
): readonly Action[] {
  const failed = `${progress.failures} of ${progress.total} tasks failed`;
  if (status.state === 'rollback_started') {
    const message = `rollback paused: ${failed}`;
    return [setStatus(service, { ...status, state: 'rollback_paused', message })];
  }
  const rolled =
    rules.failureAction === 'rollback' ? rolledBack(service, view.revision, random) : undefined;
  if (rolled !== undefined) {
    const updateStatus: UpdateStatus = {
      state: 'rollback_started',
      startedAt: now,
      message: `update rolled back due to failure: ${failed}`,
    };
    return [update('service', { ...rolled.service, updateStatus }), ...rolled.made];
  }
  const message = `update paused due to failure: ${failed}`;
  return [setStatus(service, { ...status, state: 'paused', message })];
}

function finish(service: Service, status: UpdateStatus, rollingBack: boolean, now: number): Action {
  return setStatus(service, {
    state: rollingBack ? 'rollback_completed' : 'completed',
    startedAt: status.startedAt,
    completedAt: now,
    message: rollingBack ? 'rollback completed' : 'update completed',
  });
}

function setStatus(service: Service, updateStatus: UpdateStatus): Action {
  return update('service', { ...service, updateStatus });
}
