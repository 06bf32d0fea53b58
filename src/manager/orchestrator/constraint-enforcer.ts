// The constraint enforcer: a node's labels or role changed, and some of its tasks don't belong
// there any more. They are told to stop; the orchestrator then fills their slots elsewhere.
import {
  desiredAlive,
  isTerminal,
  matchesConstraints,
  parseConstraint,
  update,
  TASK_STATE,
  type Action,
  type Constraint,
  type Node,
  type Revision,
  type Service,
  type StoreChange,
  type Task,
} from '../../model/index.ts';
import { Agenda, planAgenda, type Budget, type ControlLoop, type Plan } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';
import { constraintsOf } from './slots/index.ts';

/** Asks tasks to stop that their node must not have any more. */
export class ConstraintEnforcer implements ControlLoop {
  readonly name = 'constraint enforcer';
  readonly #agenda = new Agenda();
  #view: StoreView | undefined;
  /** What was parsed for a revision, and the service that it was parsed for. */
  readonly #parsed = new WeakMap<Revision, Parsed>();

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

  refused(transactions: readonly (readonly Action[])[]): void {
    for (const action of transactions.flat()) {
      if (action.kind !== 'update' || action.table !== 'task') continue;
      if (action.object.nodeId !== undefined) this.#agenda.add(action.object.nodeId);
    }
  }

  plan(now: number, budget: Budget): Plan {
    return planAgenda(this.#agenda, now, budget, {
      planOne: (nodeId, room) => {
        const node = this.#view?.get('node', nodeId);
        return { transactions: node === undefined ? [] : this.#planNode(node, room, now) };
      },
      explain: (nodeId, error) => explainNode(this.#view?.get('node', nodeId), error),
    });
  }

  #planNode(node: Node, room: number, now: number): (readonly Action[])[] {
    const transactions: (readonly Action[])[] = [];
    for (const task of this.#view?.tasksOfNode(node.id) ?? []) {
      if (transactions.length > room) break;
      if (!desiredAlive(task) || isTerminal(task.status.state)) continue;
      if (TASK_STATE[task.status.state] < TASK_STATE.assigned) continue;
      const constraints = this.#constraintsOf(task);
      if (constraints === undefined || matchesConstraints(node, constraints)) continue;
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

  /** Undefined for those that can't be read: the orchestrator says so in the service. */
  #constraintsOf(task: Task): readonly Constraint[] | undefined {
    const revision = this.#view?.get('revision', task.revisionId);
    const service = this.#view?.get('service', task.serviceId);
    if (revision === undefined) return [];
    const known = this.#parsed.get(revision);
    if (known !== undefined && known.service === service) return known.constraints;
    const constraints = parsed(revision, service);
    this.#parsed.set(revision, { service, constraints });
    return constraints;
  }
}

interface Parsed {
  readonly service: Service | undefined;
  readonly constraints: readonly Constraint[] | undefined;
}

function parsed(revision: Revision, service: Service | undefined): Constraint[] | undefined {
  try {
    return constraintsOf(revision, service).map(parseConstraint);
  } catch {
    return undefined;
  }
}

const START = "constraints of tasks can't be checked: ";

function explainNode(node: Node | undefined, error: string | undefined): (readonly Action[])[] {
  const message = error === undefined ? '' : `${START}${error}`;
  const known = node?.status.message ?? '';
  if (node === undefined || known === message) return [];
  if (error === undefined && !known.startsWith(START)) return [];
  return [[update('node', { ...node, status: { ...node.status, message } })]];
}
