// What the processes of one host of the lab have cost so far, from /proc: CPU time with that of children
// that have ended, and how often their threads were woken.
import { readFile, readdir, readlink } from 'node:fs/promises';

/** Of /proc/PID/stat; Linux has had no other value for what it tells programs. */
const TICKS_PER_SECOND = 100;

/** A sum since the start of what it is of. */
export interface Cost {
  /** Seconds of a core, user and system. */
  readonly cpuSeconds: number;
  /** Times that a thread waited and was woken. */
  readonly wakeUps: number;
}

export const NOTHING: Cost = { cpuSeconds: 0, wakeUps: 0 };

export function sum(a: Cost, b: Cost): Cost {
  return { cpuSeconds: a.cpuSeconds + b.cpuSeconds, wakeUps: a.wakeUps + b.wakeUps };
}

export function difference(later: Cost, earlier: Cost): Cost {
  return {
    cpuSeconds: later.cpuSeconds - earlier.cpuSeconds,
    wakeUps: later.wakeUps - earlier.wakeUps,
  };
}

/**
 * By kind of program, for all processes of the PID namespace that `init` is in. A program that ends in
 * between goes on counting with whoever started it; its wake-ups are lost.
 */
export async function costsOf(init: number): Promise<ReadonlyMap<string, Cost>> {
  const costs = new Map<string, Cost>();
  for (const [pid, kind] of await programsOf(init)) {
    costs.set(kind, sum(costs.get(kind) ?? NOTHING, await costOf(pid)));
  }
  return costs;
}

/** Ends programs of these kinds in the PID namespace that `init` is in: those that outlive a daemon. */
export async function endPrograms(init: number, kinds: readonly string[]): Promise<void> {
  for (const [pid, kind] of await programsOf(init)) {
    if (kinds.includes(kind)) process.kill(Number(pid), 'SIGKILL');
  }
}

/** Ids and kinds of the processes of a PID namespace. */
async function programsOf(init: number): Promise<[string, string][]> {
  const namespace = await readlink(`/proc/${init}/ns/pid`);
  const found: [string, string][] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/u.test(entry)) continue;
    const where = await readlink(`/proc/${entry}/ns/pid`).catch(() => '');
    if (where === namespace) found.push([entry, await kindOf(entry)]);
  }
  return found;
}

/** Name of the program; of ours, of the script. */
async function kindOf(pid: string): Promise<string> {
  const words = (await read(`/proc/${pid}/cmdline`)).split('\0');
  const script = words.find((word) => /\/dist\/\w+\.js$/u.test(word));
  if (script !== undefined) return script.replace(/^.*\/(\w+)\.js$/u, '$1');
  return (await read(`/proc/${pid}/comm`)).trim();
}

async function costOf(pid: string): Promise<Cost> {
  const stat = await read(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // utime, stime, cutime, cstime.
  const ticks = fields.slice(11, 15).reduce((all, field) => all + Number(field), 0);
  let wakeUps = 0;
  for (const thread of await readdir(`/proc/${pid}/task`).catch(() => [])) {
    const status = await read(`/proc/${pid}/task/${thread}/status`);
    wakeUps += Number(/^voluntary_ctxt_switches:\s*(\d+)/mu.exec(status)?.[1] ?? 0);
  }
  return { cpuSeconds: ticks / TICKS_PER_SECOND, wakeUps };
}

/** A process may end while it is looked at. */
function read(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
