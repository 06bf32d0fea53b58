// Waits until services are as they were asked for, and shows how far they are. On a terminal the
// display is drawn over itself; elsewhere a line is printed whenever a count changed.
import type { Context, WireService, WireTask } from '../client/index.ts';
import { bar, mayComplete, progressOf, type Progress } from './progress.ts';

const POLL_MS = 100;
/** Tasks must stay up this long: one that fails at once is noticed. */
const STABLE_MS = 1_000;
const STACK_BAR_WIDTH = 20;
const REASON_LENGTH = 80;

/** What a display shows: lines for terminals, facts (by key) for plain output. */
interface Picture {
  readonly lines: readonly string[];
  readonly facts: ReadonlyMap<string, string>;
  readonly converged: boolean;
  readonly failures: readonly string[];
}

/** One service; raises an error when its update was paused or rolled back. */
export async function converge(context: Context, serviceId: string): Promise<void> {
  await watch(context, async () => {
    const service = await context.api.get<WireService>(`/services/${serviceId}`);
    const filters = { service: { [serviceId]: true } };
    const progress = progressOf(service, await tasksOf(context, filters, mayComplete(service)));
    const summary = `overall progress: ${progress.running} out of ${progress.wanted} tasks`;
    return {
      lines: [summary, ...progress.lines],
      facts: new Map([['', summary]]),
      converged: progress.converged,
      failures: progress.failure === undefined ? [] : [progress.failure],
    };
  });
  context.print('verify: Service converged\n');
}

/** Several services that have the label (`key=value`), one line each; `ids` are those to wait for. */
export async function convergeAll(
  context: Context,
  label: string,
  ids: ReadonlySet<string>,
): Promise<void> {
  await watch(context, async () => {
    const filters = { label: { [label]: true } };
    const all = await context.api.get<WireService[]>('/services', {
      filters: JSON.stringify(filters),
    });
    const services = all.filter(({ ID }) => ids.has(ID));
    const present = await tasksOf(context, filters, false);
    const ever = services.some(mayComplete) ? await tasksOf(context, filters, true) : [];
    const rows = services.map((service) => {
      const tasks = mayComplete(service) ? ever : present;
      const own = tasks.filter(({ ServiceID }) => ServiceID === service.ID);
      return { name: service.Spec.Name, progress: progressOf(service, own) };
    });
    return stackPicture(rows, ids.size);
  });
  context.print(`verify: ${ids.size} service${ids.size === 1 ? '' : 's'} converged\n`);
}

function stackPicture(
  rows: readonly { readonly name: string; readonly progress: Progress }[],
  wanted: number,
): Picture {
  const width = Math.max(0, ...rows.map(({ name }) => name.length));
  // A service whose update was stopped holds nobody up; its failure is told at the end.
  const settled = rows.filter(
    ({ progress }) => progress.converged || progress.failure !== undefined,
  );
  const failures = rows.flatMap(({ name, progress }) =>
    progress.failure === undefined ? [] : [`${name}: ${progress.failure}`],
  );
  return {
    lines: [
      `overall progress: ${settled.length - failures.length} out of ${wanted} services`,
      ...rows.map(({ name, progress }) => serviceLine(name.padEnd(width), progress)),
    ],
    facts: new Map(
      rows.map(({ name, progress }) => [
        name,
        `${name}: ${progress.running} out of ${progress.wanted} tasks`,
      ]),
    ),
    converged: settled.length === wanted,
    failures: settled.length === wanted ? failures : [],
  };
}

function serviceLine(name: string, progress: Progress): string {
  const { running, wanted, reason, converged } = progress;
  const part = wanted === 0 ? Number(converged) : running / wanted;
  const text = (reason ?? '').replaceAll('\n', ' ').slice(0, REASON_LENGTH);
  const count = `${running}/${wanted}`.padEnd(7);
  return `${name}  ${bar(part, STACK_BAR_WIDTH)} ${count} ${text}`.trimEnd();
}

/** `ended`: also those that are no longer wanted. */
function tasksOf({ api }: Context, filters: object, ended: boolean): Promise<WireTask[]> {
  const all = ended ? filters : { ...filters, '_up-to-date': { true: true } };
  return api.get<WireTask[]>('/tasks', { filters: JSON.stringify(all) });
}

/** Looks again and again until all is stable; raises an error with the failures. */
async function watch(context: Context, look: () => Promise<Picture>): Promise<void> {
  const display = new Display(context);
  let stableSince: number | undefined;
  for (;;) {
    const picture = await look();
    display.show(picture);
    if (picture.failures.length > 0) throw new Error(picture.failures.join('\n'));
    if (!picture.converged) stableSince = undefined;
    else if (stableSince === undefined) stableSince = context.now();
    else if (context.now() - stableSince >= STABLE_MS) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

class Display {
  readonly #context: Context;
  readonly #facts = new Map<string, string>();
  #drawn = 0;
  #last = '';

  constructor(context: Context) {
    this.#context = context;
  }

  show({ lines, facts }: Picture): void {
    if (!this.#context.isTerminal) {
      for (const [key, fact] of facts) {
        if (this.#facts.get(key) !== fact) this.#context.print(`${fact}\n`);
        this.#facts.set(key, fact);
      }
      return;
    }
    const shown = fitted(lines, process.stdout.columns, process.stdout.rows);
    const text = shown.join('\n');
    if (text === this.#last) return;
    this.#last = text;
    const up = this.#drawn > 0 ? `\u001B[${this.#drawn}A` : '';
    this.#context.print(`${up}\u001B[J${text}\n`);
    this.#drawn = shown.length;
  }
}

/** Lines that wrap, or scroll away, can't be drawn over; sizes are undefined off a terminal. */
export function fitted(
  lines: readonly string[],
  columns: number | undefined,
  rows: number | undefined,
): readonly string[] {
  const cut =
    columns === undefined || columns < 1 ? lines : lines.map((line) => line.slice(0, columns - 1));
  const most = Math.max(1, (rows ?? Infinity) - 2);
  return cut.length <= most ? cut : [...cut.slice(0, most), `… and ${cut.length - most} more`];
}
