// A service seen as slots: for replicated services numbers from 1, for global ones node ids. A slot is
// what lives on; its tasks come and go.
import { desiredAlive, type Node, type Task } from '../../../model/index.ts';

/** One slot and its tasks. */
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

/** The slot of these tasks, which are the oldest first; undefined when none of them is to stay. */
export function slotOf(key: string, tasks: readonly Task[]): Slot | undefined {
  const kept = tasks.every(isKept) ? tasks : tasks.filter(isKept);
  if (kept.length === 0) return undefined;
  const alive = kept.every(desiredAlive) ? kept : kept.filter(desiredAlive);
  return { key, tasks: kept, alive, current: alive.at(-1) };
}

const isKept = (task: Task): boolean => task.desiredState !== 'remove';

/** The task's node can't be counted on: gone, down, or to be emptied. */
export function nodeIsLost(node: Node | undefined): boolean {
  return node === undefined || node.status.state === 'down' || node.spec.Availability === 'drain';
}

/** Runs, as far as the managers know. */
export function isRunning(task: Task): boolean {
  return task.status.state === 'running';
}
