// The task reaper: forgets what nobody needs. Tasks that are to be removed go once they have ended (or
// were never given to a node); one that was never given to a node and is to stop has ended; of dead
// tasks each slot keeps as many as the cluster's history limit says; places of containers that never got
// their addresses end; revisions and credentials go when no service and no task names them.
import {
  TASK_STATE,
  isTerminal,
  remove,
  slotKey,
  update,
  type Action,
  type Service,
  type StoreChange,
  type Task,
} from '../../model/index.ts';
import type { Budget, ControlLoop, Plan, Planned } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';
import { explainService } from './explain.ts';
import { SlotAgenda } from './slot-agenda.ts';

/** A task on a node that has been down for this long is taken for lost (SwarmKit's 24 h). */
const ORPHAN_AFTER_MS = 24 * 3_600_000;

/** A container's node has given up its place by then: 15 s for the answer, 20 s for the addresses. */
const PLACE_LIMIT_MS = 40_000;

/** Forgets what is over. */
export class TaskReaper implements ControlLoop {
  readonly name = 'task reaper';
  readonly #agenda = new SlotAgenda();
  #view: StoreView | undefined;

  reset(view: StoreView): void {
    this.#view = view;
    this.#agenda.clear();
    for (const service of view.all('service')) this.#agenda.addService(service.id);
    for (const id of view.servicesWithTasks()) this.#agenda.addService(id);
    for (const id of view.servicesWithRevisions()) this.#agenda.addService(id);
  }

  observe(change: StoreChange): void {
    const view = this.#view;
    if (view === undefined) return;
    if (change.table === 'task') {
      const { before, after } = change;
      if (after !== undefined) {
        const isOver = isDead(after) || isUnwanted(after) || isWaitingAttachment(after);
        if (isOver) this.#agenda.addSlot(after.serviceId, slotKey(after));
      } else if (before !== undefined && view.tasksOfRevision(before.revisionId) === 0) {
        this.#agenda.addService(before.serviceId);
      }
    } else if (change.table === 'service') {
      const id = (change.after ?? change.before)?.id;
      if (id !== undefined) this.#agenda.addService(id);
    } else if (
      change.table === 'node' &&
      change.before?.status.state !== change.after?.status.state
    ) {
      const id = (change.after ?? change.before)?.id ?? '';
      for (const task of view.tasksOfNode(id)) {
        this.#agenda.addSlot(task.serviceId, slotKey(task));
      }
    }
  }

  refused(transactions: readonly (readonly Action[])[]): void {
    for (const action of transactions.flat()) {
      const table = 'table' in action ? action.table : undefined;
      if (table === 'task') {
        const id = action.kind === 'remove' ? action.id : undefined;
        const task =
          action.kind === 'update' && action.table === 'task' ? action.object : undefined;
        const found = task ?? (id === undefined ? undefined : this.#view?.get('task', id));
        if (found !== undefined) this.#agenda.addSlot(found.serviceId, slotKey(found));
      } else if (table === 'revision' && action.kind === 'remove') {
        const revision = this.#view?.get('revision', action.id);
        if (revision !== undefined) this.#agenda.addService(revision.serviceId);
      }
    }
  }

  plan(now: number, budget: Budget): Plan {
    return this.#agenda.plan(now, budget, {
      planService: (id, room) => this.#planService(id, room, now),
      planSlot: (id, key) => this.#planSlot(id, key, now),
      explain: (id, error) => explainService(this.#view, id, this.name, error),
    });
  }

  #planService(serviceId: string, room: number, now: number): Planned {
    const view = this.#view;
    if (view === undefined) return { transactions: [] };
    const service = view.get('service', serviceId);
    const limit = historyLimit(view, service);
    const transactions: (readonly Action[])[] = [];
    for (const [key, tasks] of view.slotsOfService(serviceId)) {
      if (transactions.length > room) return { transactions };
      transactions.push(...this.#reap(view, serviceId, key, tasks, limit, now));
    }
    for (const revision of view.revisionsOfService(serviceId)) {
      if (view.tasksOfRevision(revision.id) > 0) continue;
      if (service?.revisionId === revision.id || service?.previousRevisionId === revision.id)
        continue;
      const actions = [remove('revision', revision.id, revision.version)];
      if (view.get('credential', revision.id)) actions.push(remove('credential', revision.id));
      transactions.push(actions);
    }
    return { transactions };
  }

  #planSlot(serviceId: string, key: string, now: number): Planned {
    const view = this.#view;
    const tasks = view?.slotsOfService(serviceId).get(key);
    if (view === undefined || tasks === undefined) return { transactions: [] };
    const limit = historyLimit(view, view.get('service', serviceId));
    return { transactions: this.#reap(view, serviceId, key, tasks, limit, now) };
  }

  /** All that is over in one slot; `tasks` are the oldest first. */
  #reap(
    view: StoreView,
    serviceId: string,
    key: string,
    tasks: readonly Task[],
    limit: number,
    now: number,
  ): (readonly Action[])[] {
    const orphans = planOrphans(view, tasks, now);
    const waiting = planWaitingPlaces(tasks, now);
    const wakeAt = earlier(orphans.wakeAt, waiting.wakeAt);
    if (wakeAt !== undefined) this.#agenda.addSlotAt(serviceId, key, wakeAt);
    const transactions = [...orphans.transactions, ...waiting.transactions];
    for (const task of tasks.filter(isUnwanted)) {
      // Nobody will ever report its end, and it may hold addresses.
      const status = { ...task.status, state: 'shutdown', timestamp: now } as const;
      transactions.push([update('task', { ...task, status })]);
    }
    const isToldOf = ({ revisionId }: Task): boolean =>
      view.get('revision', revisionId) !== undefined;
    for (const task of removable(tasks, limit, isToldOf)) {
      transactions.push([remove('task', task.id, task.version)]);
    }
    return transactions;
  }
}

interface Ended {
  readonly transactions: readonly (readonly Action[])[];
  readonly wakeAt: number | undefined;
}

/** Tasks of nodes that are gone, or have been down for a day, will never be heard of again. */
function planOrphans(view: StoreView, tasks: readonly Task[], now: number): Ended {
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
function planWaitingPlaces(tasks: readonly Task[], now: number): Ended {
  const transactions: (readonly Action[])[] = [];
  let wakeAt: number | undefined;
  for (const task of tasks) {
    if (!isWaitingAttachment(task)) continue;
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

/**
 * Of one slot, the oldest first. A task whose revision went while it was being made was never told to its
 * node (`isToldOf`): nobody will report its end.
 */
function removable(
  tasks: readonly Task[],
  limit: number,
  isToldOf: (task: Task) => boolean,
): Task[] {
  const gone: Task[] = [];
  const slot: Task[] = [];
  for (const task of tasks) {
    const neverPlaced = TASK_STATE[task.status.state] < TASK_STATE.assigned;
    if (task.desiredState !== 'remove') slot.push(task);
    else if (neverPlaced || isTerminal(task.status.state) || !isToldOf(task)) gone.push(task);
  }
  // The newest stays whatever the limit says: it alone tells that the slot has done its work.
  const older = slot.slice(0, -1);
  const dead = older.filter(isHistory);
  const kept = limit - (slot.slice(-1).some(isHistory) ? 1 : 0);
  if (dead.length > kept) gone.push(...dead.slice(0, dead.length - Math.max(0, kept)));
  return gone;
}

/** Ended, and not to be replaced any more. */
function isHistory({ desiredState, status }: Task): boolean {
  return TASK_STATE[desiredState] >= TASK_STATE.shutdown && isTerminal(status.state);
}
