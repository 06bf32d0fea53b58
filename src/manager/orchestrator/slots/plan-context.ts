// What the plan of one service is made from, and what its parts decide: every part takes this one thing.
import type { Random } from '../../../base/index.ts';
import type { Action, Node, Revision, Service, Task } from '../../../model/index.ts';
import { fitness, type Fitness } from './fitness.ts';
import { createTask, type NewTaskOptions } from './new-task.ts';

/** A service, its tasks by slot, and what they refer to. */
export interface ServiceView {
  readonly service: Service;
  /** By slot key; the tasks of a slot oldest first. */
  readonly slots: ReadonlyMap<string, readonly Task[]>;
  readonly node: (id: string) => Node | undefined;
  readonly allNodes: () => Iterable<Node>;
  readonly revision: (id: string) => Revision | undefined;
}

/** What the parts of a plan have decided. */
export interface ServicePlan {
  /** Each is one transaction: all of it, or nothing. */
  readonly transactions: readonly (readonly Action[])[];
  /** When to plan the service again without a change (ms since 1970). */
  readonly wakeAt: number | undefined;
  /** When to plan one slot again without a change (ms since 1970), by its key. */
  readonly wakes: ReadonlyMap<string, number>;
}

/** What is the same for all parts of all plans of one call. */
export interface PlanOptions {
  readonly random: Random;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Transactions that can be proposed: a plan may end with one more than that. */
  readonly room: number;
}

/** Collects the plan of one service. */
export class PlanContext implements ServicePlan {
  readonly view: ServiceView;
  readonly service: Service;
  readonly random: Random;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** See fitness.ts. */
  readonly upToDate: Fitness['upToDate'];
  readonly fits: Fitness['fits'];
  readonly transactions: (readonly Action[])[] = [];
  readonly wakes = new Map<string, number>();
  wakeAt: number | undefined;
  readonly #room: number;

  constructor(view: ServiceView, { random, now, room }: PlanOptions) {
    this.view = view;
    this.service = view.service;
    this.random = random;
    this.now = now;
    this.#room = room;
    const { fits, upToDate } = fitness(view);
    this.fits = fits;
    this.upToDate = upToDate;
  }

  /** How many more transactions are worth planning: the rest is planned when these are applied. */
  get left(): number {
    return Math.max(0, this.#room + 1 - this.transactions.length);
  }

  /** The node that a task is on; undefined: it has none, or that node was removed. */
  nodeOf({ nodeId }: Task): Node | undefined {
    return nodeId === undefined ? undefined : this.view.node(nodeId);
  }

  /** One transaction: all of it, or nothing. */
  add(...actions: Action[]): void {
    if (actions.length > 0) this.transactions.push(actions);
  }

  /** Asks for another plan of the service at `time` (ms since 1970), or earlier. */
  wake(time: number | undefined): void {
    if (time !== undefined && (this.wakeAt === undefined || time < this.wakeAt)) this.wakeAt = time;
  }

  /** Asks for another plan of one slot at `time` (ms since 1970), or earlier. */
  wakeSlot(key: string, time: number): void {
    if (time < (this.wakes.get(key) ?? Infinity)) this.wakes.set(key, time);
  }

  /** The action that creates a task of the service's current revision. */
  newTask(options: NewTaskOptions): Action {
    return createTask(this.service, options, this.random, this.now);
  }
}
