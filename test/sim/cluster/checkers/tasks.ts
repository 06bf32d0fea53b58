// Tasks: the observed state never goes back, spec, slot and node never change, a slot has one wanted
// task (two in a start-first update), a task runs on one node and is started once. ("A task's observed
// state never goes back; its spec, slot and node never change", ARCHITECTURE.md.)
import type { StoreView } from '../../../../src/manager/index.ts';
import {
  TASK_STATE,
  compareTaskStates,
  desiredAlive,
  isTerminal,
  slotKey,
  type Service,
  type Task,
} from '../../../../src/model/index.ts';
import type { SimulatedContainer } from '../executor.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

export class TaskChecker implements Checker {
  readonly name = 'tasks';
  readonly #world: World;
  /** Services that had a start-first update, or may have one. */
  readonly #startFirst = new Set<string>();
  readonly #starts = new Map<string, string>();

  constructor(world: World) {
    this.#world = world;
  }

  applied({ manager, changes, first }: AppliedStep): void {
    if (!first) return;
    const slots = new Map<string, Task>();
    for (const change of changes) {
      if (change.table === 'service' && change.after !== undefined) this.#note(change.after);
      if (change.table !== 'task') continue;
      const { before, after } = change;
      if (after !== undefined) slots.set(`${after.serviceId}/${slotKey(after)}`, after);
      if (before !== undefined && after !== undefined) this.#compare(before, after);
    }
    for (const task of slots.values()) this.#checkSlot(manager.view, task);
  }

  containerStarted(host: string, { taskId, nodeId }: SimulatedContainer): void {
    const before = this.#starts.get(taskId);
    if (before !== undefined) {
      this.#world.fail(this.name, `task ${taskId} was started on ${before} and again on ${host}`);
    }
    this.#starts.set(taskId, host);
    const own = this.#world.machine(host)?.nodeId;
    if (own !== nodeId) {
      this.#world.fail(this.name, `task ${taskId} of node ${nodeId} was started on ${own}`);
    }
  }

  #note({ id, spec }: Service): void {
    const orders = [spec.UpdateConfig?.Order, spec.RollbackConfig?.Order];
    if (orders.includes('start-first')) this.#startFirst.add(id);
  }

  #compare(before: Task, after: Task): void {
    const { id } = after;
    if (compareTaskStates(after.status.state, before.status.state) < 0) {
      const way = `${before.status.state} to ${after.status.state}`;
      this.#world.fail(this.name, `task ${id} went back from ${way}`);
    }
    if (TASK_STATE[after.desiredState] < TASK_STATE[before.desiredState]) {
      const way = `${before.desiredState} to ${after.desiredState}`;
      this.#world.fail(this.name, `the requested for task ${id} went back from ${way}`);
    }
    const same =
      before.serviceId === after.serviceId &&
      before.revisionId === after.revisionId &&
      before.slot === after.slot &&
      (before.nodeId === undefined || before.nodeId === after.nodeId) &&
      (before.status.state === 'new' ||
        JSON.stringify(before.networks) === JSON.stringify(after.networks));
    if (!same) this.#world.fail(this.name, `task ${id} changed what never changes`);
  }

  #checkSlot(view: StoreView, { serviceId, ...task }: Task): void {
    const key = slotKey(task);
    const wanted = [...view.tasksOfService(serviceId)].filter(
      (one) => slotKey(one) === key && desiredAlive(one) && !isTerminal(one.status.state),
    );
    const allowed = this.#startFirst.has(serviceId) ? 2 : 1;
    if (wanted.length <= allowed) return;
    const ids = wanted.map(({ id }) => id).join(', ');
    this.#world.fail(
      this.name,
      `slot ${key} of service ${serviceId} has ${wanted.length} wanted tasks: ${ids}`,
    );
  }
}
