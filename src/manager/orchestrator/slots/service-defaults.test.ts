// What holds where a spec says nothing, and what its figures mean.
import { describe, expect, it } from 'vitest';
import type { ServiceSpec, UpdateConfig } from '../../../model/index.ts';
import { aServiceSpec } from '../../../../test/builders/specs.ts';
import { restartRules, stopLimitMs, updateRules } from './service-defaults.ts';

type Template = ServiceSpec['TaskTemplate'];

const spec = (template: Partial<Template>): ServiceSpec =>
  aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, ...template } });

describe('restarts', () => {
  it('are after 5 s, whatever the end, without number', () => {
    const expected = { condition: 'any', delayMs: 5_000, maxAttempts: 0, windowMs: 0 };
    expect(restartRules(spec({}))).toEqual(expected);
    expect(restartRules(spec({ RestartPolicy: {} }))).toEqual(expected);
  });

  it('are as the policy says, in milliseconds', () => {
    const RestartPolicy = { Condition: 'none', Delay: 0, MaxAttempts: 3, Window: 60e9 } as const;
    expect(restartRules(spec({ RestartPolicy }))).toEqual({
      condition: 'none',
      delayMs: 0,
      maxAttempts: 3,
      windowMs: 60_000,
    });
  });
});

describe('updates', () => {
  it('take one slot after another, and pause at the first failure', () => {
    expect(updateRules(undefined)).toEqual({
      parallelism: 1,
      delayMs: 0,
      monitorMs: 5_000,
      failureAction: 'pause',
      maxFailureRatio: 0,
      order: 'stop-first',
    });
  });

  it('are as the config says, in milliseconds', () => {
    const config: UpdateConfig = {
      Parallelism: 0,
      Delay: 2e9,
      Monitor: 7e9,
      FailureAction: 'rollback',
      MaxFailureRatio: 0.25,
      Order: 'start-first',
    };
    expect(updateRules(config)).toEqual({
      parallelism: 0,
      delayMs: 2_000,
      monitorMs: 7_000,
      failureAction: 'rollback',
      maxFailureRatio: 0.25,
      order: 'start-first',
    });
  });

  it('watch tasks for 5 s where the config says 0', () => {
    expect(updateRules({ Parallelism: 1, Monitor: 0 }).monitorMs).toBe(5_000);
  });
});

describe('a task that does not stop', () => {
  it.each([
    [undefined, 60_000],
    [spec({}), 60_000],
    [spec({ ContainerSpec: { Image: 'i', StopGracePeriod: 1e9 } }), 60_000],
  ])('is waited for a minute', (of, expected) => {
    expect(stopLimitMs(of)).toBe(expected);
  });

  it('is waited for longer when it may take longer', () => {
    const slow = spec({ ContainerSpec: { Image: 'i', StopGracePeriod: 300e9 } });
    expect(stopLimitMs(slow)).toBeGreaterThanOrEqual(330_000);
  });
});
