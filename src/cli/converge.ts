// Waits until a service is as it was asked for, and shows how far it is. On a terminal the display is
// drawn over itself; elsewhere a line is printed whenever something changed.
import type { Context } from './context.ts';
import { capitalized } from './format/text.ts';
import type { WireService, WireTask } from './wire.ts';

const POLL_MS = 100;
/** Tasks must stay up this long: one that fails at once is noticed. */
const STABLE_MS = 1_000;
/** More tasks than this are shown as one bar. */
const LINES_MAX = 20;
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

interface Progress {
  readonly lines: readonly string[];
  readonly summary: string;
  readonly converged: boolean;
  /** Said when the update ended otherwise. */
  readonly failure?: string;
}

/** Raises an error when the update was paused or rolled back. */
export async function converge(context: Context, serviceId: string): Promise<void> {
  const display = new Display(context);
  let stableSince: number | undefined;
  for (;;) {
    const progress = await look(context, serviceId);
    display.show(progress);
    if (progress.failure !== undefined) {
      display.end();
      throw new Error(progress.failure);
    }
    if (!progress.converged) stableSince = undefined;
    else if (stableSince === undefined) stableSince = context.now();
    else if (context.now() - stableSince >= STABLE_MS) break;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  display.end();
  context.print('verify: Service converged\n');
}

async function look({ api }: Context, serviceId: string): Promise<Progress> {
  const service = await api.get<WireService>(`/services/${serviceId}`);
  const filters = JSON.stringify({ service: { [serviceId]: true }, '_up-to-date': { true: true } });
  const tasks = await api.get<WireTask[]>('/tasks', { filters });
  const state = service.UpdateStatus?.State;
  const updating = state === 'updating' || state === 'rollback_started';
  const progress = service.Spec.Mode.Global
    ? globalProgress(tasks)
    : replicaProgress(tasks, service.Spec.Mode.Replicated?.Replicas ?? 0);
  const failure =
    state === 'paused' || state === 'rollback_paused' ? service.UpdateStatus?.Message : undefined;
  return {
    ...progress,
    converged: progress.converged && !updating,
    ...(failure === undefined ? {} : { failure: `service update ${state}: ${failure}` }),
  };
}

function replicaProgress(tasks: readonly WireTask[], wanted: number): Omit<Progress, 'failure'> {
  const bySlot = new Map<number, WireTask>();
  for (const task of tasks) {
    const known = bySlot.get(task.Slot ?? 0);
    if (!known || Date.parse(task.CreatedAt) >= Date.parse(known.CreatedAt))
      bySlot.set(task.Slot ?? 0, task);
  }
  const slots = [...bySlot.keys()].sort((a, b) => a - b);
  const running = slots.filter((slot) => bySlot.get(slot)?.Status.State === 'running').length;
  const lines =
    wanted > LINES_MAX ? [] : slots.map((slot) => line(`${slot}/${wanted}`, bySlot.get(slot)));
  return {
    lines,
    summary: `overall progress: ${running} out of ${wanted} tasks`,
    converged: running === wanted && slots.length === wanted,
  };
}

function globalProgress(tasks: readonly WireTask[]): Omit<Progress, 'failure'> {
  const running = tasks.filter((task) => task.Status.State === 'running').length;
  return {
    lines:
      tasks.length > LINES_MAX
        ? []
        : tasks.map((task) => line((task.NodeID ?? '').slice(0, 12), task)),
    summary: `overall progress: ${running} out of ${tasks.length} tasks`,
    converged: running === tasks.length && tasks.length > 0,
  };
}

function line(label: string, task: WireTask | undefined): string {
  const state = task?.Status.State ?? 'new';
  const at = STATES.indexOf(state);
  const filled = at < 0 ? 0 : Math.round(((at + 1) / STATES.length) * 50);
  const bar = `[${'='.repeat(Math.max(0, filled - 1))}${filled > 0 ? '>' : ''}${' '.repeat(50 - filled)}]`;
  const error = task?.Status.Err === undefined ? '' : ` ${task.Status.Err}`;
  return `${label}: ${capitalized(state).padEnd(10)} ${bar}${error}`;
}

class Display {
  readonly #context: Context;
  #drawn = 0;
  #last = '';
  #summary = '';

  constructor(context: Context) {
    this.#context = context;
  }

  show({ summary, lines }: Progress): void {
    const text = [summary, ...lines].join('\n');
    if (text === this.#last) return;
    this.#last = text;
    if (!this.#context.isTerminal) {
      if (summary !== this.#summary) this.#context.print(`${summary}\n`);
      this.#summary = summary;
      return;
    }
    const up = this.#drawn > 0 ? `\u001B[${this.#drawn}A` : '';
    this.#context.print(`${up}\u001B[J${text}\n`);
    this.#drawn = lines.length + 1;
  }

  end(): void {
    this.#drawn = 0;
  }
}
