// The constraint enforcer: a node's labels, role or resources changed, and some of its tasks don't
// belong there any more. They are wished to stop; the orchestrator then fills their slots elsewhere.
import {
  desiredAlive,
  isTerminal,
  matchesConstraints,
  parseConstraint,
  update,
  TASK_STATE,
  type Action,
  type Node,
  type StoreChange,
} from '../../model/index.ts';
import { Agenda, planAgenda, type Budget, type ControlLoop, type Plan } from '../control-loop.ts';
import type { StoreView } from '../store/index.ts';
import { constraintsOf } from './fitness.ts';

export class ConstraintEnforcer implements ControlLoop {
  readonly name = 'constraint enforcer';
  readonly #agenda = new Agenda();
  #view: StoreView | undefined;

  reset(view: StoreView): void {
    this.#view = view;
    this.#agenda.clear();
    for (const node of view.all('node')) this.#agenda.add(node.id);
  }

  observe(change: StoreChange): void {
    if (change.table !== 'node' || change.after === undefined) return;
    const { before, after } = change;
    if (before?.spec !== after.spec || before.role !== after.role) this.#agenda.add(after.id);
  }

  plan(now: number, budget: Budget): Plan {
    return planAgenda(this.#agenda, now, budget, (nodeId) => {
      const node = this.#view?.get('node', nodeId);
      return { transactions: node === undefined ? [] : this.#planNode(node, now) };
    });
  }

  #planNode(node: Node, now: number): (readonly Action[])[] {
    const transactions: (readonly Action[])[] = [];
    for (const task of this.#view?.tasksOfNode(node.id) ?? []) {
      if (!desiredAlive(task) || isTerminal(task.status.state)) continue;
      if (TASK_STATE[task.status.state] < TASK_STATE.assigned) continue;
      const revision = this.#view?.get('revision', task.revisionId);
      const constraints = constraintsOf(revision, this.#view?.get('service', task.serviceId));
      if (matchesConstraints(node, constraints.map(parseConstraint))) continue;
      const message = 'node no longer satisfies the scheduling constraints';
      transactions.push([
        update('task', {
          ...task,
          desiredState: 'shutdown',
          status: { ...task.status, message, timestamp: now },
        }),
      ]);
    }
    return transactions;
  }
}
