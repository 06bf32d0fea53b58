// The scheduler as a control loop: collects tasks that wait for a node, groups those of one revision
// and places each group with the pure scheduler. What finds no place is told why in its status.
import {
  compareTaskStates,
  desiredAlive,
  isEncrypted,
  update,
  type Action,
  type Revision,
  type ServiceSpec,
  type StoreChange,
  type Task,
} from '../../model/index.ts';
import {
  GroupPlacer,
  demandOf,
  explain,
  fits,
  placementRules,
  type PlacementRules,
} from '../../scheduler/index.ts';
import { Faults, SlicedWalk, type Budget, type ControlLoop, type Plan } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';
import { NodeTable } from './node-table.ts';
import { WaitingTasks, type WaitingGroup } from './waiting-tasks.ts';

/** Placers that are kept: they remember which nodes fit. Those that were used last stay. */
const PLACERS_MAX = 100;

/** The placer of a revision, and what it was made from. */
interface KnownPlacer {
  readonly revision: Revision;
  readonly encrypted: boolean;
  readonly placer: GroupPlacer;
}

/** All that the loop holds of one view. */
interface State {
  readonly view: StoreView;
  readonly nodes: NodeTable;
  readonly waiting: WaitingTasks;
  /** The tasks that are to be looked at once, at the start. */
  readonly walk: SlicedWalk<Task>;
  /** By revision. */
  readonly placers: Map<string, KnownPlacer>;
}

/** Gives nodes to tasks. */
export class SchedulerLoop implements ControlLoop {
  readonly name = 'scheduler';
  /** Revisions and nodes that can't be read, and when to look at them again. */
  readonly #faults = new Faults();
  readonly #later = new Map<string, number>();
  #state: State | undefined;
  /** A task gave its room back, or a node changed, since the last plan. */
  #roomFreed = false;
  #nodesChanged = false;

  /** Reads nothing yet: plans do, piece by piece, and place nothing before all is read. */
  reset(view: StoreView): void {
    this.#faults.clear();
    this.#later.clear();
    this.#state = {
      view,
      nodes: new NodeTable(view, this.#faults),
      waiting: new WaitingTasks(),
      walk: new SlicedWalk(view.all('task'), this.#faults, ({ id }) => {
        const task = view.get('task', id);
        if (task !== undefined) this.#consider(task);
      }),
      placers: new Map(),
    };
  }

  observe(change: StoreChange): void {
    const state = this.#state;
    if (state === undefined) return;
    if (change.table === 'task') {
      const { before, after } = change;
      state.nodes.observeTask(before, after);
      if (before !== undefined && (after === undefined || !isWaiting(after))) {
        state.waiting.delete(before);
      }
      if (after !== undefined) this.#consider(after, before);
      // Room was given back: those that wait may fit now.
      if (before?.nodeId !== undefined && (!after || frees(before, after))) {
        this.#roomFreed = true;
        state.waiting.retryNode(before.nodeId);
      }
    } else if (change.table === 'node') {
      state.nodes.observeNode(change.before, change.after);
      state.waiting.retryNode((change.after ?? change.before)?.id ?? '');
      this.#nodesChanged = true;
    }
  }

  refused(transactions: readonly (readonly Action[])[]): void {
    const state = this.#state;
    if (state === undefined) return;
    for (const action of transactions.flat()) {
      if (action.kind !== 'update' || action.table !== 'task') continue;
      const task = state.view.get('task', action.object.id);
      if (task !== undefined && isWaiting(task)) state.waiting.add(task, true);
    }
  }

  plan(now: number, budget: Budget): Plan {
    const state = this.#state;
    if (state === undefined) return { transactions: [], more: false };
    state.nodes.settle();
    // Before all is read a node may look emptier than it is.
    if (!state.walk.go(budget) || !state.nodes.read(budget))
      return { transactions: [], more: true };
    this.#retry(state, now);
    const transactions: (readonly Action[])[] = [];
    const { due } = state.waiting;
    for (const revisionId of due) {
      due.delete(revisionId);
      const room = budget.transactions - transactions.length;
      transactions.push(...this.#tryRevision(state, revisionId, now, room));
      if (transactions.length >= budget.transactions || budget.spent()) break;
    }
    const faults = this.#faults.takeFresh();
    const more = due.size > 0;
    return { transactions, more, faults, ...this.#wake() };
  }

  #wake(): Pick<Plan, 'wakeAt'> {
    let wakeAt = Infinity;
    for (const time of this.#later.values()) wakeAt = Math.min(wakeAt, time);
    return wakeAt === Infinity ? {} : { wakeAt };
  }

  #retry({ waiting, placers }: State, now: number): void {
    if (this.#nodesChanged) waiting.retry(() => true);
    else if (this.#roomFreed) {
      // Room is nothing to those who were turned away for what nodes are.
      waiting.retry((id) => placers.get(id)?.placer.canMakeRoom !== false);
    }
    this.#nodesChanged = this.#roomFreed = false;
    for (const [revisionId, time] of this.#later) {
      if (time > now) continue;
      this.#later.delete(revisionId);
      const group = waiting.group(revisionId);
      if (group === undefined) continue;
      group.retry = true;
      for (const id of group.allPinned) group.pinned.add(id);
      waiting.due.add(revisionId);
    }
  }

  #consider(task: Task, before?: Task): void {
    if (!isWaiting(task)) return;
    // A new explanation written by ourselves is no reason to try again; any other change may have
    // made our last try stale.
    const explained =
      before?.status.state === 'pending' && before.desiredState === task.desiredState;
    this.#state?.waiting.add(task, !explained);
  }

  /** What can't be placed because its spec can't be read is told so, and tried again later. */
  #tryRevision(state: State, revisionId: string, now: number, room: number): (readonly Action[])[] {
    const group = state.waiting.group(revisionId);
    this.#later.delete(revisionId);
    if (group === undefined) return [];
    try {
      const placer = this.#placerOf(state, revisionId);
      const transactions =
        placer === undefined ? forget(group) : placeGroup(state, group, placer, now, room);
      this.#faults.mended(`revision ${revisionId}`);
      if (group.isDue) state.waiting.due.add(revisionId);
      return transactions;
    } catch (cause) {
      const { error, pauseMs } = this.#faults.failed(`revision ${revisionId}`, cause);
      this.#later.set(revisionId, now + pauseMs);
      return tellAll(state.view, group, error, now).slice(0, room);
    }
  }

  /** Undefined when the revision is gone. Raises `invalid` for one that can't be read. */
  #placerOf({ view, placers }: State, revisionId: string): GroupPlacer | undefined {
    const revision = view.get('revision', revisionId);
    let known = placers.get(revisionId);
    placers.delete(revisionId);
    if (revision === undefined) return undefined;
    const encrypted = usesEncryption(view, revision.spec);
    if (known?.revision !== revision || known.encrypted !== encrypted) {
      const { serviceId, spec, ports } = revision;
      const demand = { ...demandOf(spec, ports), encrypted };
      const rules = placementRules({ serviceId, revisionId, spec, demand });
      known = { revision, encrypted, placer: new GroupPlacer(rules) };
    }
    placers.set(revisionId, known);
    for (const oldest of placers.keys()) {
      if (placers.size <= PLACERS_MAX) break;
      placers.delete(oldest);
    }
    return known.placer;
  }
}

/** Places, or tells, at most `room` tasks of a group. */
function placeGroup(
  state: State,
  group: WaitingGroup,
  placer: GroupPlacer,
  now: number,
  room: number,
): (readonly Action[])[] {
  const transactions: (readonly Action[])[] = [];
  for (const id of group.pinned) {
    if (transactions.length >= room) return transactions;
    group.pinned.delete(id);
    const task = state.view.get('task', id);
    if (task !== undefined) transactions.push(...confirm(state, task, placer.rules, now));
  }
  const ids = group.next(room - transactions.length);
  if (ids.length === 0) {
    group.retry = group.retry && group.told.size > 0;
    return transactions;
  }
  const { placed, explanation } = placer.place(state.nodes, ids, now);
  for (const [id, nodeId] of placed) {
    state.nodes.given(id, nodeId);
    group.told.delete(id);
    group.untold.delete(id);
    const task = state.view.get('task', id);
    if (task !== undefined) transactions.push([assign(task, nodeId, now)]);
  }
  if (placed.size < ids.length) {
    group.full(explanation);
    for (const id of ids) if (!placed.has(id)) transactions.push(...tell(state, group, id, now));
  }
  return transactions;
}

function tell(
  { view }: State,
  group: WaitingGroup,
  id: string,
  now: number,
): readonly (readonly Action[])[] {
  if (!group.untold.delete(id)) return [];
  group.told.add(id);
  const task = view.get('task', id);
  if (task === undefined || task.status.error === group.explanation) return [];
  return [[postpone(task, group.explanation, now)]];
}

/** Writes `error` into all tasks of the group that do not have it yet. */
function tellAll(
  view: StoreView,
  group: WaitingGroup,
  error: string,
  now: number,
): (readonly Action[])[] {
  return [...group.told, ...group.untold, ...group.allPinned].flatMap((id) => {
    const task = view.get('task', id);
    return task === undefined || task.status.error === error ? [] : [[postpone(task, error, now)]];
  });
}

/** A global task brings its node along; only whether it fits is checked. */
function confirm(
  { nodes }: State,
  task: Task,
  rules: PlacementRules,
  now: number,
): readonly (readonly Action[])[] {
  const record = nodes.get(task.nodeId ?? '');
  if (record !== undefined && fits(record, rules)) {
    record.take(task.id, rules.serviceId, rules.demand);
    nodes.version++;
    nodes.given(task.id, record.node.id);
    return [[assign(task, record.node.id, now)]];
  }
  const why = explain(record === undefined ? [] : [record], rules);
  return task.status.error === why ? [] : [[postpone(task, why, now)]];
}

/** Nobody knows what these tasks are: they wait until they change. */
function forget(group: WaitingGroup): [] {
  for (const id of group.untold) group.told.add(id);
  group.untold.clear();
  group.pinned.clear();
  group.retry = false;
  return [];
}

function isWaiting(task: Task): boolean {
  return task.status.state === 'pending' && desiredAlive(task);
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
