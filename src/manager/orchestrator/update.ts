// The update supervisor as a pure function over slots: which slots get the current revision next,
// whether the update has failed or is complete. Progress is read from the tasks alone, so that a
// leader change in mid-update loses nothing.
//
// A slot is *dirty* while its newest wanted task is not up to date: of another revision, and not just
// placed by other rules that its node satisfies as well. It is *under way* from the
// moment its new task exists until that task has run for the update's delay. A new task that ends, or
// is rejected, before it ran for the monitor period is a *failure*; if there may be that many, the
// update goes on to the next slots (as SwarmKit's).
import { Heap } from '../../base/index.ts';
import { endedAt, hasFailed, isTerminal, type Task } from '../../model/index.ts';
import { isRunning, type Slot, type UpdateRules } from './slots/index.ts';

/** How far an update is, and what comes next. */
export interface UpdateProgress {
  /** Slots to update now, at most what parallelism allows. */
  readonly next: readonly Slot[];
  readonly failures: number;
  readonly total: number;
  /** No slot is dirty, and the monitor period of the last one is over. */
  readonly complete: boolean;
  /** When to look again without a change (ms since 1970). */
  readonly wakeAt: number | undefined;
}

/** Where all slots are to go. */
export interface UpdateGoal {
  readonly revisionId: string;
  readonly upToDate: (task: Task) => boolean;
}

/** Looks at an update that started at `startedAt`. */
export function updateProgress(
  slots: readonly Slot[],
  { revisionId, upToDate }: UpdateGoal,
  rules: UpdateRules,
  startedAt: number,
  now: number,
): UpdateProgress {
  const dirty: Slot[] = [];
  let underWay = 0;
  let failures = 0;
  let settled = true;
  let wakeAt: number | undefined;
  const wake = (time: number): void => {
    if (time > now && (wakeAt === undefined || time < wakeAt)) wakeAt = time;
  };
  for (const slot of slots) {
    const failed = slot.tasks.some((one) => isFailure(one, revisionId, rules.monitorMs, startedAt));
    if (failed) failures++;
    const task = slot.current ?? slot.tasks.at(-1);
    if (task === undefined || !upToDate(task)) {
      dirty.push(slot);
      continue;
    }
    if (task.createdAt < startedAt) continue;
    const ranFor = now - (task.status.runningSince ?? now);
    const runs = isRunning(task) && slot.alive.length === 1;
    // One that failed is counted, and holds nothing up: its restarts may fail for ever. One that ended
    // later, and that its policy does not run again, has been watched for long enough.
    const finished = failed || isTerminal(task.status.state);
    if (!finished && !(runs && ranFor >= rules.delayMs)) underWay++;
    if (!finished && !(runs && ranFor >= rules.monitorMs)) settled = false;
    if (runs) {
      wake(now - ranFor + rules.delayMs);
      wake(now - ranFor + rules.monitorMs);
    }
  }
  const room = rules.parallelism === 0 ? dirty.length : Math.max(0, rules.parallelism - underWay);
  return {
    next: firstOf(dirty, room),
    failures,
    total: slots.length,
    complete: dirty.length === 0 && settled,
    wakeAt,
  };
}

/** Whether the failures so far call for the failure action. */
export function hasTooManyFailures(progress: UpdateProgress, rules: UpdateRules): boolean {
  if (rules.failureAction === 'continue' || progress.failures === 0) return false;
  return progress.failures / Math.max(1, progress.total) > rules.maxFailureRatio;
}

function isFailure(task: Task, revisionId: string, monitorMs: number, startedAt: number): boolean {
  if (task.revisionId !== revisionId || task.createdAt < startedAt) return false;
  if (!hasFailed(task)) return false;
  const { runningSince } = task.status;
  return runningSince === undefined || endedAt(task) - runningSince <= monitorMs;
}

/** The `count` slots with the lowest keys, in order. */
function firstOf(slots: readonly Slot[], count: number): Slot[] {
  const heap = new Heap(isBefore, slots);
  const first: Slot[] = [];
  for (let slot = heap.pop(); slot !== undefined && first.length < count; slot = heap.pop()) {
    first.push(slot);
  }
  return first;
}

function isBefore(a: Slot, b: Slot): boolean {
  return (Number(a.key) - Number(b.key) || (a.key < b.key ? -1 : 1)) < 0;
}
