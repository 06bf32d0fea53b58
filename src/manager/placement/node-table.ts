// What is on each node, for the scheduler: read from the store once, then kept up with every change of a
// task or node, so that a plan costs what it places and not what there is.
import type { Node, Task } from '../../model/index.ts';
import { NodeRecord, demandOf, type Demand, type NodeSet } from '../../scheduler/index.ts';
import type { Budget, Faults } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';

const NO_DEMAND: Demand = { nanoCpus: 0, memoryBytes: 0, hostPorts: [] };

/** A task that a plan gave to a node. */
interface Tentative {
  readonly taskId: string;
  readonly nodeId: string;
}

/** The records of all nodes that can be read. */
export class NodeTable implements NodeSet {
  version = 0;
  readonly #view: StoreView;
  readonly #faults: Faults;
  readonly #byId = new Map<string, NodeRecord>();
  /** Nodes that are to be read from the store. */
  readonly #unread = new Set<string>();
  readonly #demands = new WeakMap<object, Demand>();
  #tentative: Tentative[] = [];

  /** Of all nodes in `view`, none of which is read yet. */
  constructor(view: StoreView, faults: Faults) {
    this.#view = view;
    this.#faults = faults;
    for (const node of view.all('node')) this.#unread.add(node.id);
  }

  get records(): Iterable<NodeRecord> {
    return this.#byId.values();
  }

  /** Undefined for a node that is unknown, can't be read, or is not read yet. */
  get(nodeId: string): NodeRecord | undefined {
    return this.#byId.get(nodeId);
  }

  /** Reads nodes until the budget is spent; false when some are left. */
  read(budget: Budget): boolean {
    for (const id of this.#unread) {
      this.#unread.delete(id);
      this.#readNode(id);
      if (budget.spent()) break;
    }
    return this.#unread.size === 0;
  }

  observeNode(before: Node | undefined, after: Node | undefined): void {
    const id = (after ?? before)?.id ?? '';
    const record = this.#byId.get(id);
    this.version++;
    if (after === undefined) {
      this.#byId.delete(id);
      this.#unread.delete(id);
    } else if (record === undefined) this.#unread.add(id);
    else record.node = after;
  }

  observeTask(before: Task | undefined, after: Task | undefined): void {
    if (before?.nodeId !== undefined && before.nodeId !== after?.nodeId) {
      this.#remove(before.nodeId, before.id);
    }
    if (after?.nodeId !== undefined) this.#put(after.nodeId, after);
  }

  /** A plan gave the task to the node, whose record has it already. */
  given(taskId: string, nodeId: string): void {
    this.#tentative.push({ taskId, nodeId });
  }

  /** The last plan was decided: what its tasks did not get is given back. */
  settle(): void {
    for (const { taskId, nodeId } of this.#tentative) {
      const task = this.#view.get('task', taskId);
      if (task?.nodeId === nodeId) this.#put(nodeId, task);
      else this.#remove(nodeId, taskId);
    }
    this.#tentative = [];
  }

  #put(nodeId: string, task: Task): void {
    if (this.#byId.get(nodeId)?.put(task, this.#demandOf(task)) === true) this.version++;
  }

  #remove(nodeId: string, taskId: string): void {
    if (this.#byId.get(nodeId)?.remove(taskId) === true) this.version++;
  }

  /** A node that can't be read gets nothing until it has changed. */
  #readNode(id: string): void {
    this.version++;
    this.#byId.delete(id);
    const node = this.#view.get('node', id);
    if (node === undefined) return;
    try {
      const record = new NodeRecord(node);
      for (const task of this.#view.tasksOfNode(id)) record.put(task, this.#demandOf(task));
      this.#byId.set(id, record);
      this.#faults.mended(`node ${id}`);
    } catch (cause) {
      this.#faults.failed(`node ${id}`, cause);
    }
  }

  /** One task whose spec can't be read does not take its whole node away. */
  #demandOf(task: Task): Demand {
    const revision = this.#view.get('revision', task.revisionId);
    if (revision === undefined) return NO_DEMAND;
    let demand = this.#demands.get(revision);
    if (demand === undefined) {
      try {
        demand = demandOf(revision.spec, revision.ports);
      } catch {
        demand = NO_DEMAND;
      }
      this.#demands.set(revision, demand);
    }
    return demand;
  }
}
