// The orchestrator as a control loop: keeps an agenda of services and slots to look at and plans them with
// `planService` and `planOneSlot`. Replicated and global services, restarts, updates and rollbacks all go
// through here. What asks for nothing is not looked at: a task on its way to run is nobody's concern.
import type { Random } from '../../base/index.ts';
import {
  TASK_STATE,
  isTerminal,
  modeOf,
  slotKey,
  type Action,
  type Node,
  type Service,
  type StoreChange,
  type Task,
} from '../../model/index.ts';
import type { Budget, ControlLoop, Plan, Planned } from '../loops/index.ts';
import type { StoreView } from '../store/index.ts';
import { explainService } from './explain.ts';
import { MODES } from './modes/index.ts';
import { planOneSlot, planService } from './plan-service.ts';
import { SlotAgenda } from './slot-agenda.ts';
import { desire, nodeIsLost, type ServicePlan, type ServiceView } from './slots/index.ts';

/** Decides which tasks there are. */
export class Orchestrator implements ControlLoop {
  readonly name = 'orchestrator';
  readonly #agenda = new SlotAgenda();
  readonly #random: Random;
  #view: StoreView | undefined;
  /** Ids of services that get and lose slots with nodes. */
  readonly #followNodes = new Set<string>();

  /** `random` makes the ids of tasks. */
  constructor(random: Random) {
    this.#random = random;
  }

  reset(view: StoreView): void {
    this.#view = view;
    this.#agenda.clear();
    this.#followNodes.clear();
    for (const service of view.all('service')) this.#addService(service);
    // Services may have been removed while nobody led.
    for (const id of view.servicesWithTasks()) this.#agenda.addService(id);
  }

  observe(change: StoreChange): void {
    const view = this.#view;
    if (view === undefined) return;
    if (change.table === 'service') {
      if (change.after !== undefined) this.#addService(change.after);
      else if (change.before !== undefined) {
        this.#followNodes.delete(change.before.id);
        this.#agenda.addService(change.before.id);
      }
    } else if (change.table === 'task') {
      const { before, after } = change;
      const task = after ?? before;
      if (task !== undefined && asksForPlan(view, before, after)) {
        this.#agenda.addSlot(task.serviceId, slotKey(task));
      }
    } else if (change.table === 'node' && matters(change.before, change.after)) {
      this.#observeNode(view, (change.after ?? change.before)?.id ?? '');
    }
  }

  plan(now: number, budget: Budget): Plan {
    return this.#agenda.plan(now, budget, {
      planService: (id, room) => this.#planService(id, room, now),
      planSlot: (id, key, room) => this.#planSlot(id, key, room, now),
      explain: (id, error) => explainService(this.#view, id, this.name, error),
    });
  }

  refused(transactions: readonly (readonly Action[])[]): void {
    for (const action of transactions.flat()) {
      if (action.kind !== 'create' && action.kind !== 'update') continue;
      if (action.table === 'task') {
        this.#agenda.addSlot(action.object.serviceId, slotKey(action.object));
      } else if (action.table === 'service') this.#agenda.addService(action.object.id);
    }
  }

  #addService(service: Service): void {
    this.#agenda.addService(service.id);
    if (followsNodes(service)) this.#followNodes.add(service.id);
    else this.#followNodes.delete(service.id);
  }

  #observeNode(view: StoreView, nodeId: string): void {
    for (const task of view.tasksOfNode(nodeId)) {
      this.#agenda.addSlot(task.serviceId, slotKey(task));
    }
    for (const serviceId of this.#followNodes) this.#agenda.addSlot(serviceId, nodeId);
  }

  #planService(id: string, room: number, now: number): Planned {
    const view = this.#view;
    if (view === undefined) return { transactions: [] };
    const service = view.get('service', id);
    if (service === undefined) {
      const transactions: (readonly Action[])[] = [];
      for (const task of view.tasksOfService(id)) {
        if (transactions.length > room) break;
        if (isLeftOver(task)) transactions.push([desire(task, 'remove')]);
      }
      return { transactions };
    }
    const options = { random: this.#random, now, room };
    return this.#planned(id, planService(serviceView(view, service), options));
  }

  #planSlot(id: string, key: string, room: number, now: number): Planned | undefined {
    const view = this.#view;
    if (view === undefined) return { transactions: [] };
    const service = view.get('service', id);
    if (service === undefined) {
      const leftOver = (view.slotsOfService(id).get(key) ?? []).filter(isLeftOver);
      return { transactions: leftOver.map((task) => [desire(task, 'remove')]) };
    }
    const options = { random: this.#random, now, room };
    const plan = planOneSlot(serviceView(view, service), key, options);
    return plan === undefined ? undefined : this.#planned(id, plan);
  }

  #planned(id: string, { transactions, wakeAt, wakes }: ServicePlan): Planned {
    for (const [key, time] of wakes) this.#agenda.addSlotAt(id, key, time);
    return { transactions, wakeAt };
  }
}

function serviceView(view: StoreView, service: Service): ServiceView {
  return {
    service,
    slots: view.slotsOfService(service.id),
    node: (nodeId) => view.get('node', nodeId),
    allNodes: () => view.all('node'),
    revision: (revisionId) => view.get('revision', revisionId),
  };
}

/** One whose mode can't be read is planned, and that says so. */
function followsNodes({ spec }: Service): boolean {
  try {
    return MODES[modeOf(spec).kind].followsNodes;
  } catch {
    return false;
  }
}

/** Of a service that was removed. */
function isLeftOver(task: Task): boolean {
  return task.desiredState !== 'remove' && !isInUse(task);
}

/** The place of a user's container on its networks: it is the daemon's to end it. */
function isInUse({ attachment, status }: Task): boolean {
  return attachment !== undefined && !isTerminal(status.state);
}

/** Whether a change of a task may ask for something: on its way to run a task asks for nothing. */
function asksForPlan(view: StoreView, before: Task | undefined, after: Task | undefined): boolean {
  if (after === undefined) return before?.desiredState !== 'remove';
  const service = view.get('service', after.serviceId);
  if (before === undefined) {
    // One that is to run later has a time at which that is looked at; who made it has planned all else.
    return service === undefined || after.desiredState !== 'running';
  }
  if (before.desiredState !== after.desiredState) return true;
  // Given to a node that was lost meanwhile: of the loss nobody looked at this task.
  const { nodeId } = after;
  if (nodeId !== before.nodeId && nodeId !== undefined && nodeIsLost(view.get('node', nodeId))) {
    return true;
  }
  const { state } = after.status;
  if (before.status.state === state) return false;
  if (state === 'running' || isTerminal(state)) return true;
  // Of another revision it may be what is wanted from the moment on at which it has a node.
  return after.revisionId !== service?.revisionId && isPlaced(before) !== isPlaced(after);
}

function isPlaced({ status }: Task): boolean {
  return TASK_STATE[status.state] >= TASK_STATE.assigned;
}

/** Of all that changes in nodes only these fields move tasks. */
function matters(before: Node | undefined, after: Node | undefined): boolean {
  if (before === undefined || after === undefined) return true;
  return (
    before.status.state !== after.status.state ||
    before.status.address !== after.status.address ||
    before.role !== after.role ||
    // A written node is a new object all through.
    JSON.stringify([before.spec, before.description]) !==
      JSON.stringify([after.spec, after.description])
  );
}
