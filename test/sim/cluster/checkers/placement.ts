// Placement: nothing new on nodes that are drained, paused or down, and never more on a node than it
// has room for. (The scheduler's filters.)
import { demandOf, occupies } from '../../../../src/scheduler/node-record.ts';
import type { Manager, StoreView } from '../../../../src/manager/index.ts';
import type { Action, Task, Transaction } from '../../../../src/model/index.ts';
import type { AppliedStep, Checker, World } from '../world.ts';

/** A plan may have been made in the very instant in which the node changed. */
const SAME_INSTANT_MS = 100;

export class PlacementChecker implements Checker {
  readonly name = 'placement';
  readonly #world: World;
  /** Node → when it last changed. */
  readonly #changed = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  applied({ manager, changes, first }: AppliedStep): void {
    if (!first) return;
    for (const change of changes) {
      if (change.table === 'node') {
        const id = (change.after ?? change.before)?.id ?? '';
        this.#changed.set(id, this.#world.clock.monotonicMs());
      } else if (change.table === 'task' && change.after?.status.state === 'assigned') {
        if (change.before?.status.state !== 'assigned') this.#checkRoom(manager.view, change.after);
      }
    }
  }

  proposing(_daemon: AppliedStep['daemon'], { view }: Manager, payload: Uint8Array): void {
    const text = new TextDecoder().decode(payload);
    if (!text.includes('"assigned"')) return;
    const entry = JSON.parse(text) as { tx: readonly Transaction[] };
    for (const action of entry.tx.flatMap(({ actions }) => actions)) this.#checkNode(view, action);
  }

  #checkNode(view: StoreView, action: Action): void {
    if (action.kind !== 'update' || action.table !== 'task') return;
    const { id, nodeId = '', status } = action.object;
    if (status.state !== 'assigned' || view.get('task', id)?.status.state !== 'pending') return;
    const node = view.get('node', nodeId);
    if (node?.spec.Availability === 'active' && node.status.state === 'ready') return;
    const age = this.#world.clock.monotonicMs() - (this.#changed.get(nodeId) ?? 0);
    if (age < SAME_INSTANT_MS) return;
    const what = node === undefined ? 'gone' : `${node.spec.Availability} and ${node.status.state}`;
    this.#world.fail(this.name, `task ${id} is given to node ${nodeId}, which is ${what}`);
  }

  #checkRoom(view: StoreView, placed: Task): void {
    const node = view.get('node', placed.nodeId ?? '');
    const resources = node?.description?.resources;
    if (node === undefined || resources === undefined) return;
    let nanoCpus = 0;
    const ports = new Map<string, string>();
    for (const task of view.tasksOfNode(node.id)) {
      const revision = view.get('revision', task.revisionId);
      if (!occupies(task) || revision === undefined) continue;
      const demand = demandOf(revision.spec, revision.ports);
      nanoCpus += demand.nanoCpus;
      for (const port of demand.hostPorts) {
        const other = ports.get(port);
        if (other !== undefined) {
          const who = `tasks ${other} and ${task.id}`;
          this.#world.fail(this.name, `${who} both have port ${port} of node ${node.id}`);
        }
        ports.set(port, task.id);
      }
    }
    if (nanoCpus <= resources.nanoCpus) return;
    const sum = `${nanoCpus / 1e9} of ${resources.nanoCpus / 1e9} CPUs`;
    this.#world.fail(this.name, `task ${placed.id} makes ${sum} reserved on node ${node.id}`);
  }
}
