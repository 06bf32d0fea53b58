// The update part of a service's plan: moves slots to the current revision, step by step, and keeps
// `updateStatus`. See update.ts for how progress is read from the tasks.
import type { Random } from '../../base/index.ts';
import {
  rolledBack,
  update,
  type Action,
  type Service,
  type Task,
  type UpdateStatus,
} from '../../model/index.ts';
import { createTask, wish } from './new-task.ts';
import { updateRules, type UpdateRules } from './service-defaults.ts';
import { isRunning, type Slot } from './slots.ts';
import { hasTooManyFailures, updateProgress, type UpdateProgress } from './update.ts';
import type { PlanBuilder, ServiceView } from './plan-service.ts';

/** `free` are the slots that no restart is moving just now; `all` counts for progress. */
export function planUpdate(
  view: ServiceView,
  free: readonly Slot[],
  all: readonly Slot[],
  upToDate: (task: Task) => boolean,
  plan: PlanBuilder,
  random: Random,
  now: number,
): void {
  const { service } = view;
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
  const progress = updateProgress(all, goal, rules, status.startedAt, now);
  plan.wake(progress.wakeAt);
  if (hasTooManyFailures(progress, rules)) {
    plan.add(...failureAction(view, status, rules, progress, random, now));
    return;
  }
  if (progress.complete) {
    plan.add(finish(service, status, rollingBack, now));
    return;
  }
  for (const slot of progress.next) {
    if (free.includes(slot)) plan.add(...stepSlot(service, slot, rules, random, now));
  }
}

/** One slot goes to the current revision: old one out first, or new one in first. */
function stepSlot(
  service: Service,
  slot: Slot,
  rules: UpdateRules,
  random: Random,
  now: number,
): Action[] {
  const old = slot.current ?? slot.tasks.at(-1);
  const startFirst = rules.order === 'start-first' && slot.alive.some(isRunning);
  // Start-first: what serves stays; a step of an earlier update that came to nothing goes.
  const leaving = startFirst ? slot.alive.filter((task) => !isRunning(task)) : slot.alive;
  const retire = leaving.map((task) => wish(task, 'shutdown'));
  const create = createTask(
    service,
    {
      slot: old?.slot ?? 0,
      nodeId: old !== undefined && old.slot === 0 ? old.nodeId : undefined,
      // Stop-first: the new task is prepared while the old one stops, and runs when it has stopped.
      desiredState: startFirst || slot.alive.length === 0 ? 'running' : 'ready',
      startAfter: now,
      replaces: old?.id,
    },
    random,
    now,
  );
  return [...retire, create];
}

function failureAction(
  view: ServiceView,
  status: UpdateStatus,
  rules: UpdateRules,
  progress: UpdateProgress,
  random: Random,
  now: number,
): readonly Action[] {
  const { service } = view;
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
