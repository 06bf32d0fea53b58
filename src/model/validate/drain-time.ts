// How long a task that is to stop waits for the connections that its clients have open: the service's
// label `tsswarm.drain`.
import { SwarmError } from '../../base/index.ts';

/** A duration such as `10s`, `1m30s` or `500ms`; `0` stops tasks without waiting for anybody. */
export const DRAIN_LABEL = 'tsswarm.drain';

const DEFAULT_MS = 2_000;
const LONGEST_MS = 3_600_000;
const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h)/gy;
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;

/** Milliseconds; 2 s without the label. Raises `invalid` for what is not a duration up to 1h. */
export function drainTimeMs(labels: Readonly<Record<string, string>> | undefined): number {
  const text = labels?.[DRAIN_LABEL];
  if (text === undefined) return DEFAULT_MS;
  if (text === '0') return 0;
  if (!WHOLE.test(text)) throw wrong(text);
  let sum = 0;
  for (const [, number, unit] of text.matchAll(PART)) {
    sum += Number(number) * UNIT_MS[unit as keyof typeof UNIT_MS];
  }
  if (sum > LONGEST_MS) throw wrong(text);
  return sum;
}

function wrong(text: string): SwarmError {
  return new SwarmError(
    'invalid',
    `label ${DRAIN_LABEL}=${JSON.stringify(text)} must be a duration from 0 to 1h, such as 10s`,
  );
}
