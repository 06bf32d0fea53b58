// Names and numbers of signals, as Docker takes them for StopSignal.
import { SwarmError, words } from '../../base/index.ts';

/** Its number on Linux. */
export const SIGKILL = 9;
const SIGTERM = 15;
/** In the order of their numbers, from 1 on (Linux, all machines that we run on). */
const NAMES = words(`
  HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP
  TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS
`);
const ALIASES: Readonly<Record<string, string>> = {
  CLD: 'CHLD',
  IOT: 'ABRT',
  POLL: 'IO',
  UNUSED: 'SYS',
};
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The number for "SIGTERM", "TERM", "15", "SIGRTMIN+3"; empty means SIGTERM. Throws `invalid`. */
export function signalNumber(text: string | undefined): number {
  if (text === undefined || text === '') return SIGTERM;
  if (/^\d{1,2}$/.test(text)) {
    const value = Number(text);
    if (value >= 1 && value <= SIGRTMAX) return value;
  }
  const name = text.toUpperCase().replace(/^SIG/, '');
  const known = NAMES.indexOf(ALIASES[name] ?? name);
  if (known >= 0) return known + 1;
  const [, end, sign, offset] = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name) ?? [];
  if (end !== undefined) {
    const base = end === 'MIN' ? SIGRTMIN : SIGRTMAX;
    const value = base + Number(`${sign ?? '+'}${offset ?? '0'}`);
    if (value >= SIGRTMIN && value <= SIGRTMAX) return value;
  }
  throw new SwarmError('invalid', `invalid signal: ${text}`);
}
