// The restart supervisor as a pure function: a task of a slot has ended, or its node was lost; is
// there to be another one, and from when on. All that counts is read from the task records, so a new
// leader goes on where the old one stopped.
import { endedAt, hasFailed, isTerminal, type Node, type Task } from '../../model/index.ts';
import { nodeIsLost, type RestartRules, type Slot } from './slots/index.ts';

/** With the default delay of 5 s: at least one try a minute. */
const REJECTION_FACTOR_MAX = 12;

/** What is to become of a slot whose newest task may have ended. */
export type RestartDecision =
  /** Nothing to do: it runs, or is on its way. */
  | { readonly kind: 'leave' }
  /** It ended and stays ended, as the policy says. */
  | { readonly kind: 'finished' }
  /** A new task; it may run from `startAfter` (ms since 1970) on. */
  | { readonly kind: 'replace'; readonly startAfter: number };

/** Decides over the newest wanted task of a slot. */
export function decideRestart(
  slot: Slot,
  task: Task,
  node: Node | undefined,
  rules: RestartRules,
  now: number,
): RestartDecision {
  const { state } = task.status;
  const lost = task.nodeId !== undefined && nodeIsLost(node);
  if (!isTerminal(state) && !lost) return { kind: 'leave' };
  // Lost, or stopped on request without a successor (a constraint no longer held): the slot is to be filled.
  if (!isTerminal(state) || state === 'shutdown' || state === 'orphaned') {
    return isDone(slot, task, rules) ? { kind: 'finished' } : { kind: 'replace', startAfter: now };
  }
  if (!wants(task, rules.condition)) return { kind: 'finished' };
  if (attemptsUsed(slot, task, rules, now)) return { kind: 'finished' };
  if (lost) return { kind: 'replace', startAfter: now };
  // The delay counts from the end of the task, not from when the leader noticed.
  const since = Math.min(endedAt(task), now);
  return { kind: 'replace', startAfter: since + rules.delayMs * rejectionFactor(slot) };
}

/** A task that can't even be prepared (no such image) is tried ever more slowly: 1, 2, 4 … 12 delays. */
function rejectionFactor(slot: Slot): number {
  let rejected = 0;
  for (let i = slot.tasks.length - 1; i >= 0; i--) {
    if (slot.tasks[i]?.status.state !== 'rejected') break;
    rejected++;
  }
  return Math.min(REJECTION_FACTOR_MAX, 2 ** Math.max(0, rejected - 1));
}

/**
 * Whether the slot has done its work already: the task that this one replaced was on a lost node, came back
 * with it and ended well.
 */
function isDone(slot: Slot, task: Task, { condition }: RestartRules): boolean {
  if (condition === 'any') return false;
  return slot.tasks.some(
    ({ revisionId, status }) => revisionId === task.revisionId && status.state === 'complete',
  );
}

function wants(task: Task, condition: RestartRules['condition']): boolean {
  if (condition === 'none') return false;
  return condition === 'any' || hasFailed(task);
}

/** MaxAttempts restarts of this revision in this slot happened already (within the window, if set). */
function attemptsUsed(slot: Slot, task: Task, rules: RestartRules, now: number): boolean {
  if (rules.maxAttempts === 0) return false;
  const since = rules.windowMs > 0 ? now - rules.windowMs : 0;
  const restarts = slot.tasks.filter(
    (other) =>
      other.revisionId === task.revisionId &&
      other.replaces !== undefined &&
      other.createdAt >= since &&
      slot.tasks.some((old) => old.id === other.replaces && old.revisionId === other.revisionId),
  );
  return restarts.length >= rules.maxAttempts;
}
