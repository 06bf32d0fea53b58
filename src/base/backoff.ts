// Waiting times between tries: exponential with a bound and jitter, so that many clients of one
// failed server do not come back at the same instant.
import type { Random } from './random.ts';

export interface BackoffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Delay before try number `attempt` (0 is the first retry): between half and all of min·2^attempt. */
export function backoffMs(attempt: number, options: BackoffOptions, random: Random): number {
  const ceiling = Math.min(options.maxMs, options.minMs * 2 ** Math.min(attempt, 30));
  return Math.round(ceiling / 2 + random.below(Math.max(1, Math.floor(ceiling / 2))));
}
