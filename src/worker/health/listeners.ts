// A program needs a moment between its start and the socket that it listens on. A task without a health
// check says that it runs only then, so that nobody is sent to it too early.
import { readFile } from 'node:fs/promises';
import {
  boolean,
  ifPresent,
  integer,
  list,
  record,
  sleep,
  type Clock,
  type Decoded,
} from '../../base/index.ts';
import type { PortConfig } from '../../model/index.ts';
import { listeningPorts } from './tcp-table.ts';

/** Who does not listen within this time may never do so; then it counts as running all the same. */
export const LISTEN_LIMIT_MS = 2_000;
const FIRST_LOOK_MS = 2;
const LONGEST_LOOK_MS = 50;

/** TCP ports that clients will ask for. */
export const LISTEN_PLAN = record({
  ports: list(integer(0, 99_999)),
  /** False: one of them is enough, as images expose more than their programs use. */
  all: boolean(),
});
export type ListenPlan = Decoded<typeof LISTEN_PLAN>;

/** The published ports if there are any, else those that the image exposes; undefined without either. */
export function listenPlan(
  published: readonly PortConfig[],
  exposed: Readonly<Record<string, object>> | null | undefined,
): ListenPlan | undefined {
  const targets = published.filter(({ Protocol }) => Protocol === 'tcp').map((p) => p.TargetPort);
  if (targets.length > 0) return { ports: [...new Set(targets)], all: true };
  const ports = Object.keys(exposed ?? {}).flatMap((text) => {
    const [, number] = /^(\d{1,5})(?:\/tcp)?$/.exec(text) ?? [];
    return number === undefined ? [] : [Number(number)];
  });
  return ports.length === 0 ? undefined : { ports, all: false };
}

export function listens(plan: ListenPlan, open: ReadonlySet<number>): boolean {
  return plan.all
    ? plan.ports.every((port) => open.has(port))
    : plan.ports.some((port) => open.has(port));
}

/** Resolves when the process listens as planned, has ended, the limit is over or `signal` aborts. */
export async function waitForListeners(
  plan: ListenPlan,
  pid: number,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const deadline = clock.monotonicMs() + LISTEN_LIMIT_MS;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(LONGEST_LOOK_MS, 2 * pause)) {
    const tables = await ifPresent(socketTables(pid), 'EINVAL');
    if (tables === undefined || signal.aborted || listens(plan, listeningPorts(...tables))) return;
    if (clock.monotonicMs() + pause > deadline) return;
    await sleep(clock, pause, signal);
  }
}

/** Of the process's network namespace; fails when there is no such process. */
export function socketTables(pid: number): Promise<string[]> {
  const names = ['tcp', 'tcp6'];
  return Promise.all(names.map((name) => readFile(`/proc/${pid}/net/${name}`, 'utf8')));
}
