// Processes by id and start time, so that a number that was given to somebody else is never hit.
import { readFile } from 'node:fs/promises';

export interface ProcessIdentity {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat. */
  readonly startTime: string;
}

const POLL_MS = 10;
const END_LIMIT_MS = 10_000;

/** Undefined when there is no such process, or only its zombie. */
export async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  return state === 'Z' || startTime === undefined ? undefined : { pid, startTime };
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  return (await identify(identity.pid))?.startTime === identity.startTime;
}

/** Sends the signal if it is still the same process, and waits for its end. */
export async function end(
  identity: ProcessIdentity | undefined,
  signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL',
): Promise<void> {
  if (identity === undefined || !(await isAlive(identity))) return;
  process.kill(identity.pid, signal);
  const limit = Date.now() + END_LIMIT_MS;
  while (await isAlive(identity)) {
    if (Date.now() > limit) throw new Error(`process ${identity.pid} does not end after ${signal}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
