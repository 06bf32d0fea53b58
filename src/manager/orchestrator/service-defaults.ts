// Docker's defaults for what a spec leaves open, in milliseconds where Docker counts nanoseconds.
import type { ServiceSpec, UpdateConfig } from '../../model/index.ts';

const MS = 1e6;

export interface RestartRules {
  readonly condition: 'none' | 'on-failure' | 'any';
  readonly delayMs: number;
  /** 0 means no limit. */
  readonly maxAttempts: number;
  /** 0 means since ever. */
  readonly windowMs: number;
}

export function restartRules(spec: ServiceSpec): RestartRules {
  const policy = spec.TaskTemplate.RestartPolicy;
  return {
    condition: policy?.Condition ?? 'any',
    delayMs: (policy?.Delay ?? 5e9) / MS,
    maxAttempts: policy?.MaxAttempts ?? 0,
    windowMs: (policy?.Window ?? 0) / MS,
  };
}

export interface UpdateRules {
  /** 0 means all at once. */
  readonly parallelism: number;
  readonly delayMs: number;
  readonly monitorMs: number;
  readonly failureAction: 'pause' | 'continue' | 'rollback';
  readonly maxFailureRatio: number;
  readonly order: 'stop-first' | 'start-first';
}

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
