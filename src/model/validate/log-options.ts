// The log driver that a service asks for. There is one, json-file, with Docker's options; unlike
// Docker's it rotates unless told otherwise, because full disks are the commonest outage.
import { SwarmError, count, record, type Decoded } from '../../base/index.ts';
import type { TaskSpec } from '../spec/index.ts';

/** How a container’s output is kept: bytes of a file, files. */
export const LOG_PLAN = record({
  /** Bytes after which the file is rotated; 0 = never. */
  maxSize: count(),
  /** Files kept, the current one included. */
  maxFiles: count(),
});
/** See LOG_PLAN. */
export type LogPlan = Decoded<typeof LOG_PLAN>;

const DEFAULTS: LogPlan = { maxSize: 10 * 1024 * 1024, maxFiles: 3 };
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const MAX_FILES = 1000;

/** Undefined for driver "none". Throws `invalid` for other drivers, options and values. */
export function logPlan(driver: TaskSpec['LogDriver']): LogPlan | undefined {
  const name = driver?.Name || 'json-file';
  if (name === 'none') return undefined;
  if (name !== 'json-file' && name !== 'local') {
    throw new SwarmError(
      'invalid',
      `logger: no log driver named '${name}' is registered: use json-file or none`,
    );
  }
  let plan = DEFAULTS;
  for (const [key, value] of Object.entries(driver?.Options ?? {})) {
    if (key === 'max-size') plan = { ...plan, maxSize: parseSize(value) };
    else if (key === 'max-file') plan = { ...plan, maxFiles: parseCount(value) };
    // These only decide what is written beside each line; "local" alone knows compress.
    else if (!WITHOUT_EFFECT.includes(key)) {
      throw new SwarmError('invalid', `unknown log opt '${key}' for ${name} log driver`);
    }
  }
  return plan;
}

/** Options that only nodes of Docker carry out; a stored spec may have them. */
const WITHOUT_EFFECT = ['compress', 'labels', 'labels-regex', 'env', 'env-regex', 'tag'];

/** As managers check it: also what a node would take and not carry out is refused. */
export function checkLogDriver(driver: TaskSpec['LogDriver']): void {
  if (driver?.Name === 'none' || logPlan(driver) === undefined) return;
  for (const [key, value] of Object.entries(driver?.Options ?? {})) {
    if (!WITHOUT_EFFECT.includes(key) || value === '' || value === 'false') continue;
    throw new SwarmError(
      'unimplemented',
      `log opt ${key} is not available in this release: leave it out`,
    );
  }
}

function parseSize(text: string): number {
  if (text === '-1') return 0;
  const [, digits, unit = ''] = /^(\d{1,15}(?:\.\d{1,9})?)([kmg]?)(?:i?b)?$/i.exec(text) ?? [];
  if (digits === undefined) throw new SwarmError('invalid', `invalid log opt max-size: '${text}'`);
  return Math.floor(Number(digits) * (UNITS[unit.toLowerCase()] ?? 1));
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MAX_FILES) {
    throw new SwarmError('invalid', `max-file must be between 1 and ${MAX_FILES}, got '${text}'`);
  }
  return count;
}
