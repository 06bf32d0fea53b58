// The plan of one service from its tasks, without a store: what would be proposed, in words.
import { Prng } from 'sim';
import {
  compareAge,
  slotKey,
  type Action,
  type Node,
  type Revision,
  type Service,
  type ServiceSpec,
  type Task,
} from '../../src/model/index.ts';
import { planOneSlot, planService } from '../../src/manager/orchestrator/plan-service.ts';
import type { ServicePlan, ServiceView } from '../../src/manager/orchestrator/slots/index.ts';
import { aNode, aRevision, aService } from './cluster-objects.ts';
import { aServiceSpec } from './specs.ts';

/** What a test says of a service; the rest is as usual. */
export interface ServiceStory {
  readonly spec?: ServiceSpec;
  readonly service?: Partial<Service>;
  readonly tasks: readonly Task[];
  /** Beside node `n`, which is up. */
  readonly nodes?: readonly Node[];
  /** Beside revision `r`, which has the service's spec. */
  readonly revisions?: readonly Revision[];
  /** Milliseconds since 1970. */
  readonly now?: number;
  readonly room?: number;
}

function viewOf({
  spec = aServiceSpec(),
  service = {},
  tasks,
  nodes = [],
  revisions = [],
}: ServiceStory): ServiceView {
  const slots = new Map<string, Task[]>();
  for (const task of tasks.toSorted(compareAge)) {
    slots.set(slotKey(task), [...(slots.get(slotKey(task)) ?? []), task]);
  }
  const allNodes = [aNode('n'), ...nodes];
  const allRevisions = [aRevision('r', spec), ...revisions];
  return {
    service: aService(spec, service),
    slots,
    node: (id) => allNodes.findLast((node) => node.id === id),
    allNodes: () => allNodes,
    revision: (id) => allRevisions.find((revision) => revision.id === id),
  };
}

function optionsOf({ now = 1_000_000, room = 200 }: ServiceStory) {
  return { random: new Prng('plan'), now, room };
}

/** All of the service. */
export function planned(story: ServiceStory): ServicePlan {
  return planService(viewOf(story), optionsOf(story));
}

/** One slot; undefined when that is not possible. */
export function plannedSlot(story: ServiceStory, key: string): ServicePlan | undefined {
  return planOneSlot(viewOf(story), key, optionsOf(story));
}

/** Each transaction in a line: "t1: shutdown, new in 1: ready after t1". */
export function inWords({ transactions }: ServicePlan): string[] {
  return transactions.map((actions) => actions.map(actionInWords).join(', '));
}

function actionInWords(action: Action): string {
  if (action.kind === 'create' && action.table === 'task') {
    const task = action.object as Task;
    const after = task.replaces === undefined ? '' : ` after ${task.replaces}`;
    return `new in ${slotKey(task)}: ${task.desiredState}${after}`;
  }
  if (action.kind === 'update' && action.table === 'task') {
    const task = action.object as Task;
    return `${task.id}: ${task.desiredState}`;
  }
  if (action.kind === 'update' && action.table === 'service') {
    return `service: ${(action.object as Service).updateStatus?.state}`;
  }
  return action.kind;
}
