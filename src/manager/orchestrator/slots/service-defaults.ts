// Docker's defaults for what a spec leaves open, in milliseconds where Docker counts nanoseconds.
import { drainTimeMs, type ServiceSpec, type UpdateConfig } from '../../../model/index.ts';

const MS = 1e6;

/** When tasks that ended are followed by others. */
export interface RestartRules {
  readonly condition: 'none' | 'on-failure' | 'any';
  readonly delayMs: number;
  /** 0 means no limit. */
  readonly maxAttempts: number;
  /** 0 means since ever. */
  readonly windowMs: number;
}

/** The rules of a spec, with Docker's for what it leaves open. */
export function restartRules(spec: ServiceSpec): RestartRules {
  const policy = spec.TaskTemplate.RestartPolicy;
  return {
    condition: policy?.Condition ?? 'any',
    delayMs: (policy?.Delay ?? 5e9) / MS,
    maxAttempts: policy?.MaxAttempts ?? 0,
    windowMs: (policy?.Window ?? 0) / MS,
  };
}

/** Docker's: a replacement waits at least this long for a task that does not end. */
const STOP_LIMIT_MIN_MS = 60_000;
/** Before the connections drain: until no host sends anything new; behind the grace period: the kill. */
const STOP_MARGIN_MS = 30_000;
const GRACE_DEFAULT_NS = 10e9;

/** Milliseconds from its successor's creation on: by then a task has stopped, or nobody knows if ever. */
export function stopLimitMs(spec: ServiceSpec | undefined): number {
  const graceMs = (spec?.TaskTemplate.ContainerSpec.StopGracePeriod ?? GRACE_DEFAULT_NS) / MS;
  return Math.max(STOP_LIMIT_MIN_MS, drainTimeMs(spec?.Labels) + graceMs + STOP_MARGIN_MS);
}

/** How an update, or a rollback, goes on. */
export interface UpdateRules {
  /** 0 means all at once. */
  readonly parallelism: number;
  readonly delayMs: number;
  readonly monitorMs: number;
  readonly failureAction: 'pause' | 'continue' | 'rollback';
  readonly maxFailureRatio: number;
  readonly order: 'stop-first' | 'start-first';
}

/** The rules of an update or rollback config, with Docker's for what it leaves open. */
export function updateRules(config: UpdateConfig | undefined): UpdateRules {
  return {
    parallelism: config?.Parallelism ?? 1,
    delayMs: (config?.Delay ?? 0) / MS,
    monitorMs: (config?.Monitor || 5e9) / MS,
    failureAction: config?.FailureAction ?? 'pause',
    maxFailureRatio: config?.MaxFailureRatio ?? 0,
    order: config?.Order ?? 'stop-first',
  };
}
