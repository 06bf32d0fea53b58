// A service seen as slots: for replicated services numbers from 1, for global ones node ids. A slot is
// what lives on; its tasks come and go.
import { compareAge, desiredAlive, slotKey, type Node, type Task } from '../../../model/index.ts';

export interface Slot {
  /** Number, or the node's id in global services. */
  readonly key: string;
  /** Oldest first, without those that are to be removed. */
  readonly tasks: readonly Task[];
  /** Newest task that the orchestrator still wants. */
  readonly current: Task | undefined;
  /** Every wanted task; two of them during a start-first update. */
  readonly alive: readonly Task[];
}

export function slotsOf(tasks: Iterable<Task>): Map<string, Slot> {
  const groups = new Map<string, Task[]>();
  for (const task of tasks) {
    if (task.desiredState === 'remove') continue;
    const key = slotKey(task);
    const group = groups.get(key);
    if (group) group.push(task);
    else groups.set(key, [task]);
  }
  const slots = new Map<string, Slot>();
  for (const [key, group] of groups) {
    group.sort(compareAge);
    const alive = group.filter(desiredAlive);
    slots.set(key, { key, tasks: group, alive, current: alive.at(-1) });
  }
  return slots;
}

/** The task's node can't be counted on: gone, down, or to be emptied. */
export function nodeIsLost(node: Node | undefined): boolean {
  return node === undefined || node.status.state === 'down' || node.spec.Availability === 'drain';
}

/** Runs, as far as the managers know. */
export function isRunning(task: Task): boolean {
  return task.status.state === 'running';
}
