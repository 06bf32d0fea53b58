// The scheduler as a control loop: collects tasks that wait for a node, groups those of one revision
// and places each group with the pure scheduler. What finds no place is told why in its status.
import {
  compareTaskStates,
  desiredAlive,
  isEncrypted,
  update,
  type Action,
  type ServiceSpec,
  type StoreChange,
  type Task,
} from '../../model/index.ts';
import {
  demandOf,
  explain,
  filtersFor,
  nodeInfo,
  placeGroup,
  withTask,
  type Demand,
  type NodeInfo,
  type TaskGroup,
} from '../../scheduler/index.ts';
import { Faults, visitAll, type Budget, type ControlLoop, type Plan } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';

const NO_DEMAND: Demand = { nanoCpus: 0, memoryBytes: 0, hostPorts: [] };

export class SchedulerLoop implements ControlLoop {
  readonly name = 'scheduler';
  /** Tasks in state pending, by revision. */
  readonly #pending = new Map<string, Set<string>>();
  /** Revisions to be tried in the next plan. */
  readonly #due = new Set<string>();
  /** Nodes whose sums are stale; all others are kept from plan to plan. */
  readonly #staleNodes = new Set<string>();
  /** Revisions and nodes that can't be read, and when to look at them again. */
  readonly #faults = new Faults();
  readonly #later = new Map<string, number>();
  #infos = new Map<string, NodeInfo>();
  #view: StoreView | undefined;

  reset(view: StoreView): void {
    this.#view = view;
    this.#pending.clear();
    this.#due.clear();
    this.#infos = new Map();
    this.#staleNodes.clear();
    this.#faults.clear();
    this.#later.clear();
    for (const node of view.all('node')) this.#staleNodes.add(node.id);
    visitAll(view.all('task'), this.#faults, (task) => this.#consider(task));
  }

  observe(change: StoreChange): void {
    if (change.table === 'task') {
      for (const task of [change.before, change.after]) {
        if (task?.nodeId !== undefined) this.#staleNodes.add(task.nodeId);
      }
      if (change.before) this.#pending.get(change.before.revisionId)?.delete(change.before.id);
      if (change.after) this.#consider(change.after, change.before);
      // Room was given back: those that wait may fit now.
      const { before, after } = change;
      if (before?.nodeId !== undefined && (!after || frees(before, after))) this.#tryAll();
    } else if (change.table === 'node') {
      const id = (change.after ?? change.before)?.id ?? '';
      this.#staleNodes.add(id);
      this.#tryAll();
    }
  }

  plan(now: number, budget: Budget): Plan {
    const view = this.#view;
    const transactions: (readonly Action[])[] = [];
    if (view === undefined) return { transactions, more: false };
    this.#refreshInfos(view);
    for (const [revisionId, time] of this.#later) if (time <= now) this.#due.add(revisionId);
    for (const revisionId of this.#due) {
      this.#due.delete(revisionId);
      transactions.push(...this.#tryRevision(view, revisionId, now, budget));
      if (transactions.length >= budget.transactions || budget.spent()) break;
    }
    const faults = this.#faults.takeClusterInfo();
    const wakeAt = Math.min(...this.#later.values());
    const more = this.#due.size > 0;
    return { transactions, more, faults, ...(wakeAt === Infinity ? {} : { wakeAt }) };
  }

  /** What can't be placed because its spec can't be read is told so, and tried again later. */
  #tryRevision(
    view: StoreView,
    revisionId: string,
    now: number,
    budget: Budget,
  ): (readonly Action[])[] {
    this.#later.delete(revisionId);
    try {
      const transactions = this.#placeRevision(view, revisionId, now, budget);
      this.#faults.mended(`revision ${revisionId}`);
      return transactions;
    } catch (cause) {
      const { error, pauseMs } = this.#faults.failed(`revision ${revisionId}`, cause);
      this.#later.set(revisionId, now + pauseMs);
      // Some of the group may have been counted before.
      for (const id of this.#infos.keys()) this.#staleNodes.add(id);
      return this.#waitingOf(view, revisionId)
        .slice(0, budget.transactions)
        .flatMap((task) => (task.status.error === error ? [] : [[postpone(task, error, now)]]));
    }
  }

  #consider(task: Task, before?: Task): void {
    if (task.status.state !== 'pending' || !desiredAlive(task)) return;
    let waiting = this.#pending.get(task.revisionId);
    if (waiting === undefined) this.#pending.set(task.revisionId, (waiting = new Set()));
    waiting.add(task.id);
    // A new explanation written by ourselves is no reason to try again; any other change may have
    // made our last try stale.
    const explained =
      before?.status.state === 'pending' && before.desiredState === task.desiredState;
    if (!explained) this.#due.add(task.revisionId);
  }

  #tryAll(): void {
    for (const [revisionId, waiting] of this.#pending) {
      if (waiting.size > 0) this.#due.add(revisionId);
      else this.#pending.delete(revisionId);
    }
  }

  #refreshInfos(view: StoreView): void {
    for (const id of this.#staleNodes) {
      this.#refreshInfo(view, id);
    }
    this.#staleNodes.clear();
  }

  /** A node that can't be read gets nothing until it has changed. */
  #refreshInfo(view: StoreView, id: string): void {
    this.#infos.delete(id);
    const node = view.get('node', id);
    if (node === undefined) return;
    try {
      const info = nodeInfo(node, view.tasksOfNode(id), (task) => demandOfTask(view, task));
      this.#infos.set(id, info);
      this.#faults.mended(`node ${id}`);
    } catch (cause) {
      this.#faults.failed(`node ${id}`, cause);
    }
  }

  #waitingOf(view: StoreView, revisionId: string): Task[] {
    return [...(this.#pending.get(revisionId) ?? [])].flatMap((id) => view.get('task', id) ?? []);
  }

  #placeRevision(
    view: StoreView,
    revisionId: string,
    now: number,
    budget: Budget,
  ): (readonly Action[])[] {
    const revision = view.get('revision', revisionId);
    const waiting = this.#waitingOf(view, revisionId);
    if (revision === undefined || waiting.length === 0) return [];
    const batch = waiting.slice(0, budget.transactions);
    if (batch.length < waiting.length) this.#due.add(revisionId);
    const group: TaskGroup = {
      serviceId: revision.serviceId,
      revisionId,
      spec: revision.spec,
      demand: {
        ...demandOf(revision.spec, revision.ports),
        encrypted: usesEncryption(view, revision.spec),
      },
      taskIds: batch.flatMap((task) => (task.nodeId === undefined ? [task.id] : [])),
    };
    const { placed, explanation } = placeGroup(this.#infos, group, now);
    for (const nodeId of placed.values()) this.#staleNodes.add(nodeId);
    return batch.flatMap((task) => {
      const nodeId = task.nodeId === undefined ? placed.get(task.id) : this.#confirm(task, group);
      if (nodeId !== undefined) return [[assign(task, nodeId, now)]];
      const why = task.nodeId === undefined ? explanation : explain(this.#only(task.nodeId), group);
      return task.status.error === why ? [] : [[postpone(task, why, now)]];
    });
  }

  /** A global task brings its node along; only whether it fits is checked. */
  #confirm(task: Task, group: TaskGroup): string | undefined {
    const info = this.#infos.get(task.nodeId ?? '');
    if (info === undefined) return undefined;
    const fits = filtersFor(group.spec, group.serviceId, group.demand).every((f) => f.fits(info));
    if (!fits) return undefined;
    this.#infos.set(info.node.id, withTask(info, group.serviceId, group.demand));
    this.#staleNodes.add(info.node.id);
    return info.node.id;
  }

  #only(nodeId: string): ReadonlyMap<string, NodeInfo> {
    const info = this.#infos.get(nodeId);
    return new Map(info ? [[nodeId, info]] : []);
  }
}

/** One task whose spec can't be read does not take its whole node away. */
function demandOfTask(view: StoreView, task: Task): Demand {
  const revision = view.get('revision', task.revisionId);
  if (revision === undefined) return NO_DEMAND;
  try {
    return demandOf(revision.spec, revision.ports);
  } catch {
    return NO_DEMAND;
  }
}

function frees(before: Task, after: Task): boolean {
  return (
    compareTaskStates(before.status.state, 'running') <= 0 &&
    compareTaskStates(after.status.state, 'running') > 0
  );
}

function assign(task: Task, nodeId: string, now: number): Action {
  return update('task', {
    ...task,
    nodeId,
    status: { state: 'assigned', timestamp: now, message: 'scheduler assigned task to node' },
  });
}

function postpone(task: Task, why: string | undefined, now: number): Action {
  const status = { state: 'pending', timestamp: now, message: 'pending task scheduling' } as const;
  return update('task', {
    ...task,
    status: why === undefined ? status : { ...status, error: why },
  });
}

function usesEncryption(view: StoreView, spec: ServiceSpec): boolean {
  return (spec.TaskTemplate.Networks ?? []).some(({ Target }) => {
    const network = view.get('network', Target);
    return network !== undefined && isEncrypted(network.spec);
  });
}
