// What the plan of one service is made from, and what its parts decide: every part takes this one thing.
import type { Random } from '../../../base/index.ts';
import type { Action, Node, Revision, Service, Task } from '../../../model/index.ts';
import { isUpToDate } from './fitness.ts';
import { createTask, type NewTaskOptions } from './new-task.ts';

/** A service, its tasks in any order, and what they refer to. */
export interface ServiceView {
  readonly service: Service;
  readonly tasks: readonly Task[];
  readonly node: (id: string) => Node | undefined;
  readonly allNodes: () => Iterable<Node>;
  readonly revision: (id: string) => Revision | undefined;
}

export interface ServicePlan {
  readonly transactions: readonly (readonly Action[])[];
  /** When to plan again without a change (ms since 1970). */
  readonly wakeAt: number | undefined;
}

export class PlanContext implements ServicePlan {
  readonly view: ServiceView;
  readonly service: Service;
  readonly random: Random;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Whether a task is what the service wants now; see fitness.ts. */
  readonly upToDate: (task: Task) => boolean;
  readonly transactions: (readonly Action[])[] = [];
  wakeAt: number | undefined;

  constructor(view: ServiceView, random: Random, now: number) {
    this.view = view;
    this.service = view.service;
    this.random = random;
    this.now = now;
    this.upToDate = isUpToDate(view);
  }

  /** The node that a task is on; undefined: it has none, or that node was removed. */
  nodeOf({ nodeId }: Task): Node | undefined {
    return nodeId === undefined ? undefined : this.view.node(nodeId);
  }

  /** One transaction: all of it, or nothing. */
  add(...actions: Action[]): void {
    if (actions.length > 0) this.transactions.push(actions);
  }

  /** Asks for another plan at `time` (ms since 1970), or earlier. */
  wake(time: number | undefined): void {
    if (time !== undefined && (this.wakeAt === undefined || time < this.wakeAt)) this.wakeAt = time;
  }

  /** The action that creates a task of the service's current revision. */
  newTask(options: NewTaskOptions): Action {
    return createTask(this.service, options, this.random, this.now);
  }
}
