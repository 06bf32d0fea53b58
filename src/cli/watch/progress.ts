// How far a service is from what was asked for, out of the service and its tasks. Pure.
import { capitalized } from '../format/index.ts';
import type { WireService, WireTask } from '../client/index.ts';

/** More tasks than this are shown as one bar. */
const LINES_MAX = 20;
const BAR_WIDTH = 50;
/** The states on the way up, for the bars. */
const STATES = [
  'new',
  'pending',
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
];

export interface Progress {
  /** One line per task, unless there are too many. */
  readonly lines: readonly string[];
  readonly running: number;
  readonly wanted: number;
  readonly converged: boolean;
  /** Said when the update ended otherwise than it should. */
  readonly failure?: string;
  /** Why the latest task is not running, as far as it is known. */
  readonly reason?: string;
}

/** Tasks of this service may end well and stay so. */
export function mayComplete(service: WireService): boolean {
  const condition = service.Spec.TaskTemplate.RestartPolicy?.['Condition'];
  return condition === 'none' || condition === 'on-failure';
}

/**
 * `tasks` are those of the service's present spec; for services that may complete, all tasks, since
 * ended ones are not counted as present.
 */
export function progressOf(service: WireService, tasks: readonly WireTask[]): Progress {
  const update = service.UpdateStatus;
  const state = update?.State;
  const updating = state === 'updating' || state === 'rollback_started';
  const isGlobal = service.Spec.Mode.Global !== undefined;
  const current = newestBySlot(tasks, isGlobal);
  const wanted = isGlobal ? current.length : (service.Spec.Mode.Replicated?.Replicas ?? 0);
  const done = current.filter((task) => isDone(service, task)).length;
  const shown = current.length <= LINES_MAX && wanted <= LINES_MAX ? current : [];
  const full = done === wanted && current.length === wanted && (wanted > 0 || !isGlobal);
  const reason = current.find((task) => !isDone(service, task) && task.Status.Err)?.Status.Err;
  const failure =
    state === 'paused' || state === 'rollback_paused'
      ? `service update ${state}: ${update?.Message ?? ''}`
      : endedBadly(service, current);
  return {
    lines: shown.map((task) =>
      taskLine(isGlobal ? nodeLabel(task) : `${task.Slot}/${wanted}`, task),
    ),
    running: done,
    wanted,
    converged: full && !updating,
    ...(failure === undefined ? {} : { failure }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function isDone(service: WireService, task: WireTask): boolean {
  const { State } = task.Status;
  return State === 'running' || (State === 'complete' && mayComplete(service));
}

/** A task that failed and is never started again. */
function endedBadly(service: WireService, tasks: readonly WireTask[]): string | undefined {
  if (service.Spec.TaskTemplate.RestartPolicy?.['Condition'] !== 'none') return undefined;
  const failed = tasks.find(
    ({ Status }) => Status.State === 'failed' || Status.State === 'rejected',
  );
  if (failed === undefined) return undefined;
  return `a task ${failed.Status.State} and is not restarted: ${failed.Status.Err ?? ''}`;
}

const nodeLabel = (task: WireTask): string => (task.NodeID ?? '').slice(0, 12);

/** In the order of slots, or of nodes. */
function newestBySlot(tasks: readonly WireTask[], isGlobal: boolean): readonly WireTask[] {
  const newest = new Map<string, WireTask>();
  for (const task of tasks) {
    const key = isGlobal ? (task.NodeID ?? '') : String(task.Slot ?? 0);
    const known = newest.get(key);
    if (known && Date.parse(task.CreatedAt) < Date.parse(known.CreatedAt)) continue;
    newest.set(key, task);
  }
  return [...newest]
    .sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true }))
    .map(([, task]) => task);
}

function taskLine(label: string, task: WireTask): string {
  const { State, Err } = task.Status;
  const at = STATES.indexOf(State);
  const error = Err === undefined ? '' : ` ${Err}`;
  return `${label}: ${capitalized(State).padEnd(10)} ${bar((at + 1) / STATES.length)}${error}`;
}

/** `[====>     ]`; `part` from 0 to 1. */
export function bar(part: number, width = BAR_WIDTH): string {
  const filled = Math.round(Math.min(1, Math.max(0, part)) * width);
  const line = filled === 0 ? '' : `${'='.repeat(filled - 1)}>`;
  return `[${line.padEnd(width)}]`;
}
