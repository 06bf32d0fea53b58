// The task reaper: forgets what nobody needs. Tasks that are to be removed go once they have ended (or
// were never given to a node); one that was never given to a node and is to stop has ended; of dead
// tasks each slot keeps as many as the cluster's history limit says; places of containers that never got
// their addresses end; revisions and credentials go when no service and no task names them.
import {
  TASK_STATE,
  compareAge,
  isTerminal,
  remove,
  slotKey,
  update,
  type Action,
  type Service,
  type StoreChange,
  type Task,
} from '../../model/index.ts';
import { Agenda, planAgenda, type Budget, type ControlLoop, type Plan } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';
import { explainService } from './explain.ts';

/** A task on a node that has been down for this long is taken for lost (SwarmKit's 24 h). */
const ORPHAN_AFTER_MS = 24 * 3_600_000;

/** A container's node has given up its place by then: 15 s for the answer, 20 s for the addresses. */
const PLACE_LIMIT_MS = 40_000;

export class TaskReaper implements ControlLoop {
  readonly name = 'task reaper';
  readonly #agenda = new Agenda();
  #view: StoreView | undefined;

  reset(view: StoreView): void {
    this.#view = view;
    this.#agenda.clear();
    for (const service of view.all('service')) this.#agenda.add(service.id);
    for (const task of view.all('task')) this.#agenda.add(task.serviceId);
    for (const revision of view.all('revision')) this.#agenda.add(revision.serviceId);
  }

  observe(change: StoreChange): void {
    if (change.table === 'task') {
      const task = change.after ?? change.before;
      const over = change.after === undefined || (task && (isDead(task) || isUnwanted(task)));
      if (task && (over || isWaitingAttachment(task))) this.#agenda.add(task.serviceId);
    } else if (change.table === 'service') {
      const id = (change.after ?? change.before)?.id;
      if (id !== undefined) this.#agenda.add(id);
    } else if (
      change.table === 'node' &&
      change.before?.status.state !== change.after?.status.state
    ) {
      const id = (change.after ?? change.before)?.id ?? '';
      for (const task of this.#view?.tasksOfNode(id) ?? []) this.#agenda.add(task.serviceId);
    }
  }

  plan(now: number, budget: Budget): Plan {
    return planAgenda(this.#agenda, now, budget, {
      planOne: (id) => this.#planService(id, now),
      explain: (id, error) => explainService(this.#view, id, this.name, error),
    });
  }

  #planService(
    serviceId: string,
    now: number,
  ): { transactions: (readonly Action[])[]; wakeAt?: number | undefined } {
    const view = this.#view;
    if (view === undefined) return { transactions: [] };
    const service = view.get('service', serviceId);
    const tasks = [...view.tasksOfService(serviceId)];
    const orphans = planOrphans(view, tasks, now);
    const waiting = planWaitingPlaces(tasks, now);
    const transactions = [...orphans.transactions, ...waiting.transactions];
    const wakeAt = earlier(orphans.wakeAt, waiting.wakeAt);
    for (const task of tasks.filter(isUnwanted)) {
      // Nobody will ever report its end, and it may hold addresses.
      const status = { ...task.status, state: 'shutdown', timestamp: now } as const;
      transactions.push([update('task', { ...task, status })]);
    }
    for (const task of removable(tasks, historyLimit(view, service))) {
      transactions.push([remove('task', task.id, task.version)]);
    }
    for (const revision of view.all('revision')) {
      if (revision.serviceId !== serviceId || view.tasksOfRevision(revision.id) > 0) continue;
      if (service?.revisionId === revision.id || service?.previousRevisionId === revision.id)
        continue;
      const actions = [remove('revision', revision.id, revision.version)];
      if (view.get('credential', revision.id)) actions.push(remove('credential', revision.id));
      transactions.push(actions);
    }
    return { transactions, wakeAt };
  }
}

interface Planned {
  readonly transactions: readonly (readonly Action[])[];
  readonly wakeAt: number | undefined;
}

/** Tasks of nodes that are gone, or have been down for a day, will never be heard of again. */
function planOrphans(view: StoreView, tasks: readonly Task[], now: number): Planned {
  const transactions: (readonly Action[])[] = [];
  let wakeAt: number | undefined;
  for (const task of tasks) {
    if (task.nodeId === undefined || isTerminal(task.status.state)) continue;
    if (TASK_STATE[task.status.state] < TASK_STATE.assigned && !isWaitingAttachment(task)) continue;
    const node = view.get('node', task.nodeId);
    if (node !== undefined && node.status.state !== 'down') continue;
    const lostAt = (node?.status.since ?? -ORPHAN_AFTER_MS) + ORPHAN_AFTER_MS;
    if (lostAt > now) wakeAt = earlier(wakeAt, lostAt);
    else {
      const status = { ...task.status, state: 'orphaned', timestamp: now } as const;
      transactions.push([update('task', { ...task, status })]);
    }
  }
  return { transactions, wakeAt };
}

/** Places of containers that got no addresses: nobody waits for them any more, and they hold networks. */
function planWaitingPlaces(tasks: readonly Task[], now: number): Planned {
  const transactions: (readonly Action[])[] = [];
  let wakeAt: number | undefined;
  for (const task of tasks.filter(isWaitingAttachment)) {
    const overAt = task.createdAt + PLACE_LIMIT_MS;
    if (overAt > now) wakeAt = earlier(wakeAt, overAt);
    else {
      const status = { ...task.status, state: 'rejected', timestamp: now } as const;
      transactions.push([update('task', { ...task, status })]);
    }
  }
  return { transactions, wakeAt };
}

/** Its node hears of it only once it has addresses. */
function isWaitingAttachment({ attachment, status }: Task): boolean {
  return attachment !== undefined && status.state === 'new';
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || (b !== undefined && b < a) ? b : a;
}

function historyLimit(view: StoreView, service: Service | undefined): number {
  const limit = view.cluster?.spec.Orchestration.TaskHistoryRetentionLimit ?? 5;
  if (limit < 0) return Infinity;
  const attempts = service?.spec.TaskTemplate.RestartPolicy?.MaxAttempts ?? 0;
  // How an update goes is read from the tasks: one that failed must be there to be seen.
  const state = service?.updateStatus?.state;
  const updating = state === 'updating' || state === 'rollback_started';
  return Math.max(limit, attempts > 0 ? attempts + 1 : 0, updating ? 1 : 0);
}

function isDead(task: Task): boolean {
  return task.desiredState === 'remove' || isTerminal(task.status.state);
}

/** To be stopped, and on no node yet. */
function isUnwanted(task: Task): boolean {
  const neverPlaced = TASK_STATE[task.status.state] < TASK_STATE.assigned;
  return neverPlaced && task.desiredState === 'shutdown';
}

function removable(tasks: readonly Task[], limit: number): Task[] {
  const gone: Task[] = [];
  const slots = new Map<string, Task[]>();
  for (const task of tasks) {
    const neverPlaced = TASK_STATE[task.status.state] < TASK_STATE.assigned;
    if (task.desiredState === 'remove') {
      if (neverPlaced || isTerminal(task.status.state)) gone.push(task);
      continue;
    }
    const slot = slots.get(slotKey(task));
    if (slot === undefined) slots.set(slotKey(task), [task]);
    else slot.push(task);
  }
  for (const slot of slots.values()) {
    // The newest stays whatever the limit says: it alone tells that the slot has done its work.
    const older = slot.sort(compareAge).slice(0, -1);
    const dead = older.filter(isHistory);
    const kept = limit - (slot.slice(-1).some(isHistory) ? 1 : 0);
    if (dead.length > kept) gone.push(...dead.slice(0, dead.length - Math.max(0, kept)));
  }
  return gone;
}

/** Ended, and not to be replaced any more. */
function isHistory({ desiredState, status }: Task): boolean {
  return TASK_STATE[desiredState] >= TASK_STATE.shutdown && isTerminal(status.state);
}
