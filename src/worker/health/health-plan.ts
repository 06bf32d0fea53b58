// When a container counts as healthy: Docker's rules for HEALTHCHECK as a pure state machine.
import type { Healthcheck } from '../../model/index.ts';
import {
  SwarmError,
  count,
  integer,
  list,
  number,
  oneOf,
  record,
  text,
  type Decoded,
} from '../../base/index.ts';

/** Times in milliseconds. */
export const HEALTH_PLAN = record({
  args: list(text(1024 * 1024), 100_000),
  intervalMs: number(0),
  timeoutMs: number(0),
  retries: number(0),
  startPeriodMs: number(0),
  startIntervalMs: number(0),
});
export type HealthPlan = Decoded<typeof HEALTH_PLAN>;

export const HEALTH_RECORD = record({
  status: oneOf('starting', 'healthy', 'unhealthy'),
  failures: count(),
  /** What the last check said, and its exit code. */
  output: text(),
  exitCode: integer(),
});
export type HealthRecord = Decoded<typeof HEALTH_RECORD>;

const DEFAULTS = {
  intervalMs: 30_000,
  timeoutMs: 30_000,
  retries: 3,
  startPeriodMs: 0,
  startIntervalMs: 5_000,
};
const DEFAULT_SHELL = ['/bin/sh', '-c'];
const NS_PER_MS = 1e6;
/** Docker's, for those who ask in a spec. */
const SHORTEST_MS = 1;
/** What is kept of a check's output, as in Docker. */
export const MAX_OUTPUT_BYTES = 4096;

export const STARTING: HealthRecord = {
  status: 'starting',
  failures: 0,
  output: '',
  exitCode: 0,
};

/**
 * The check of a container: the service's where it says one, else its image's; single times of the
 * service override the image's. Undefined = no check. Throws `invalid` for an unknown kind of test.
 */
export function healthPlan(
  service: Healthcheck | undefined,
  image: Healthcheck | undefined | null,
  shell: readonly string[] | undefined | null,
): HealthPlan | undefined {
  const own = (service?.Test?.length ?? 0) > 0;
  const test = (own ? service?.Test : image?.Test) ?? [];
  const [kind, ...rest] = test;
  if (kind === undefined || kind === 'NONE') return undefined;
  const pick = (field: Exclude<keyof Healthcheck, 'Test'>): number | undefined =>
    positive(service?.[field]) ?? positive(image?.[field]);
  // An image may ask for a check every nanosecond.
  const ms = (ns: number | undefined): number | undefined =>
    ns === undefined ? undefined : Math.max(SHORTEST_MS, ns / NS_PER_MS);
  return {
    args: checkArgs(kind, rest, shell ?? DEFAULT_SHELL),
    intervalMs: ms(pick('Interval')) ?? DEFAULTS.intervalMs,
    timeoutMs: ms(pick('Timeout')) ?? DEFAULTS.timeoutMs,
    retries: pick('Retries') ?? DEFAULTS.retries,
    startPeriodMs: ms(pick('StartPeriod')) ?? DEFAULTS.startPeriodMs,
    startIntervalMs: ms(pick('StartInterval')) ?? DEFAULTS.startIntervalMs,
  };
}

function checkArgs(
  kind: string,
  rest: readonly string[],
  shell: readonly string[],
): readonly string[] {
  if (kind === 'CMD' && rest.length > 0) return rest;
  if (kind === 'CMD-SHELL' && rest.length > 0) return [...shell, rest.join(' ')];
  throw new SwarmError(
    'invalid',
    `Unknown healthcheck type '${kind}' (expected 'CMD', 'CMD-SHELL' or 'NONE', with a command)`,
  );
}

/** Time until the next check. `ageMs`: since the container started. */
export function checkDelayMs(plan: HealthPlan, record: HealthRecord, ageMs: number): number {
  const early = record.status === 'starting' && ageMs < plan.startPeriodMs;
  return early ? Math.min(plan.startIntervalMs, plan.intervalMs) : plan.intervalMs;
}

/**
 * The state after a check. Failures within the start period don't count until the container has been
 * healthy once; one success makes it healthy, `retries` failures in a row unhealthy.
 */
export function afterCheck(
  plan: HealthPlan,
  record: HealthRecord,
  result: { readonly exitCode: number; readonly output: string },
  ageMs: number,
): HealthRecord {
  if (result.exitCode === 0) return { status: 'healthy', failures: 0, ...result };
  const excused = record.status === 'starting' && ageMs < plan.startPeriodMs;
  const failures = excused ? record.failures : record.failures + 1;
  const status = failures >= plan.retries ? 'unhealthy' : record.status;
  return { status, failures, ...result };
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}
