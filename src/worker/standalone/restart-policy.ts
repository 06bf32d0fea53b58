// Whether and when a user's container runs again, by Docker's rules. Pure.
import type { ContainerRestartPolicy } from '../../model/index.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** After a run of this length a failure is a new one. */
const SETTLED_MS = 10_000;

export interface EndedRun {
  readonly exitCode: number;
  readonly lastedMs: number;
  /** Restarts without a pause until now, and the delay before the last of them (0: none). */
  readonly restarts: number;
  readonly lastDelayMs: number;
  /** Its user ended it. */
  readonly stopped: boolean;
}

/** The delay in milliseconds; undefined: it stays as it is. */
export function restartDelayMs(
  policy: ContainerRestartPolicy,
  { exitCode, lastedMs, restarts, lastDelayMs, stopped }: EndedRun,
): number | undefined {
  if (stopped || policy.name === 'no') return undefined;
  if (policy.name === 'on-failure') {
    const spent = policy.maximumRetries > 0 && restarts >= policy.maximumRetries;
    if (exitCode === 0 || spent) return undefined;
  }
  if (lastDelayMs === 0 || lastedMs >= SETTLED_MS) return FIRST_DELAY_MS;
  return Math.min(lastDelayMs * 2, LONGEST_DELAY_MS);
}

/** Whether a container that does not run is started by a daemon that starts. */
export function startsWithDaemon(
  policy: ContainerRestartPolicy,
  { stopped, ran, exitCode }: { stopped: boolean; ran: boolean; exitCode: number },
): boolean {
  switch (policy.name) {
    case 'no':
      return false;
    case 'always':
      return ran || stopped;
    case 'unless-stopped':
      return ran && !stopped;
    case 'on-failure':
      return ran && !stopped && exitCode !== 0;
  }
}
