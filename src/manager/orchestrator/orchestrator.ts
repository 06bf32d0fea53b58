// The orchestrator as a control loop: keeps an agenda of services to look at and plans each with
// `planService`. Replicated and global services, restarts, updates and rollbacks all go through here.
import type { Random } from '../../base/index.ts';
import {
  isTerminal,
  modeOf,
  type Node,
  type Revision,
  type StoreChange,
  type Task,
} from '../../model/index.ts';
import { Agenda, planAgenda, type Budget, type ControlLoop, type Plan } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';
import { explainService } from './explain.ts';
import { desire, type ServicePlan } from './slots/index.ts';
import { MODES } from './modes/index.ts';
import { planService } from './plan-service.ts';

export class Orchestrator implements ControlLoop {
  readonly name = 'orchestrator';
  readonly #agenda = new Agenda();
  readonly #random: Random;
  #view: StoreView | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  reset(view: StoreView): void {
    this.#view = view;
    this.#agenda.clear();
    for (const service of view.all('service')) this.#agenda.add(service.id);
    // Services may have been removed while nobody led.
    for (const task of view.all('task')) this.#agenda.add(task.serviceId);
  }

  observe(change: StoreChange): void {
    if (change.table === 'service') {
      const id = (change.after ?? change.before)?.id;
      if (id !== undefined) this.#agenda.add(id);
    } else if (change.table === 'task') {
      const task = change.after ?? change.before;
      if (task !== undefined) this.#agenda.add(task.serviceId);
    } else if (change.table === 'node' && matters(change.before, change.after)) {
      this.#observeNode((change.after ?? change.before)?.id ?? '');
    }
  }

  plan(now: number, budget: Budget): Plan {
    return planAgenda(this.#agenda, now, budget, {
      planOne: (id) => this.#planOne(id, now),
      explain: (id, error) => explainService(this.#view, id, this.name, error),
    });
  }

  #observeNode(nodeId: string): void {
    const view = this.#view;
    if (view === undefined) return;
    for (const task of view.tasksOfNode(nodeId)) this.#agenda.add(task.serviceId);
    for (const service of view.all('service')) {
      if (MODES[modeOf(service.spec).kind].followsNodes) this.#agenda.add(service.id);
    }
  }

  #planOne(id: string, now: number): ServicePlan {
    const view = this.#view;
    if (view === undefined) return { transactions: [], wakeAt: undefined };
    const tasks = [...view.tasksOfService(id)];
    const service = view.get('service', id);
    if (service === undefined) {
      const leftOver = tasks.filter((task) => task.desiredState !== 'remove' && !isInUse(task));
      return { transactions: leftOver.map((task) => [desire(task, 'remove')]), wakeAt: undefined };
    }
    const node = (nodeId: string): Node | undefined => view.get('node', nodeId);
    const allNodes = (): Iterable<Node> => view.all('node');
    const revision = (revisionId: string): Revision | undefined => view.get('revision', revisionId);
    return planService({ service, tasks, node, allNodes, revision }, this.#random, now);
  }
}

/** The place of a user's container on its networks: it is the daemon's to end it. */
function isInUse({ attachment, status }: Task): boolean {
  return attachment !== undefined && !isTerminal(status.state);
}

/** Heartbeats and descriptions change nodes all the time; only these fields move tasks. */
function matters(before: Node | undefined, after: Node | undefined): boolean {
  if (before === undefined || after === undefined) return true;
  return (
    before.status.state !== after.status.state ||
    before.spec !== after.spec ||
    before.role !== after.role ||
    before.description !== after.description
  );
}
