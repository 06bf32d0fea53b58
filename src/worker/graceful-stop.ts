// What a running task does between the order to stop and its stop signal: it leaves names and
// addresses of all hosts, then the connections that are open come to their end, within limits.
import { messageOf, sleep, type Clock, type Logger } from '../base/index.ts';
import type { Drained } from './endpoint-drain.ts';

/** Between two looks at the open connections; the last one must find none twice. */
const FIRST_LOOK_MS = 50;
const LONGEST_LOOK_MS = 500;
/** Between two words about how many are left. */
const SAY_MS = 5_000;

export interface GracefulStopOptions {
  readonly taskId: string;
  /** Asks that no host sends the task anything new. */
  readonly drainEndpoints: (taskId: string, signal: AbortSignal) => Promise<Drained>;
  /** How many clients are being served. */
  readonly connections: () => Promise<number>;
  readonly drainMs: number;
  /** Says in the task's status what it is doing. */
  readonly say: (message: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Resolves when the task may get its stop signal; early when `signal` aborts. Raises nothing. */
export async function stopGracefully(
  options: GracefulStopOptions,
  signal: AbortSignal,
): Promise<void> {
  const { taskId, drainEndpoints, clock, logger } = options;
  const { missing } = await drainEndpoints(taskId, signal);
  if (signal.aborted) return;
  if (missing === undefined || missing.length > 0) {
    logger.warn(
      { taskId, hosts: missing ?? 'no manager answered' },
      'the task stops although hosts may still send it something',
    );
  }
  const deadline = clock.monotonicMs() + options.drainMs;
  try {
    await drainConnections(options, deadline, signal);
  } catch (error) {
    // Its process may have ended meanwhile: nobody is left to be waited for.
    logger.debug({ taskId, error: messageOf(error) }, 'open connections could not be counted');
  }
}

/** What was on its way when the last host let go arrives between the two looks. */
async function drainConnections(
  { connections, clock, say }: GracefulStopOptions,
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  let pause = FIRST_LOOK_MS;
  let said = -Infinity;
  for (let none = 0; ;) {
    if (signal.aborted || clock.monotonicMs() >= deadline) return;
    const open = await connections();
    none = open === 0 ? none + 1 : 0;
    if (none === 2) return;
    const now = clock.monotonicMs();
    if (open > 0 && now >= said + SAY_MS) {
      said = now;
      say(`draining ${open} ${open === 1 ? 'connection' : 'connections'}`);
    }
    if (open > 0) pause = Math.min(LONGEST_LOOK_MS, pause * 1.5);
    else pause = FIRST_LOOK_MS;
    await sleep(clock, Math.min(pause, deadline - now), signal);
  }
}
