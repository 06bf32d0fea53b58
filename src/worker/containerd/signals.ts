// Names and numbers of signals, as Docker takes them for StopSignal.
import { constants } from 'node:os';
import { SwarmError } from '../../base/index.ts';

export const SIGKILL = 9;
const SIGTERM = 15;
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The number for "SIGTERM", "TERM", "15", "SIGRTMIN+3"; empty means SIGTERM. Throws `invalid`. */
export function signalNumber(text: string | undefined): number {
  if (text === undefined || text === '') return SIGTERM;
  if (/^\d+$/.test(text)) {
    const value = Number(text);
    if (value >= 1 && value <= SIGRTMAX) return value;
  }
  const name = text.toUpperCase().startsWith('SIG')
    ? text.toUpperCase()
    : `SIG${text.toUpperCase()}`;
  const known = Object.entries(constants.signals).find(([key]) => key === name)?.[1];
  if (known !== undefined) return known;
  const [, end, sign, offset] = /^SIGRT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name) ?? [];
  if (end !== undefined) {
    const base = end === 'MIN' ? SIGRTMIN : SIGRTMAX;
    const value = base + Number(`${sign ?? '+'}${offset ?? '0'}`);
    if (value >= SIGRTMIN && value <= SIGRTMAX) return value;
  }
  throw new SwarmError('invalid', `invalid signal: ${text}`);
}
