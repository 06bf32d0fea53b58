import { describe, expect, it } from 'vitest';
import { STARTING, afterCheck, checkDelayMs, healthPlan, type HealthPlan } from './health-plan.ts';

const good = { exitCode: 0, output: 'ok' };
const bad = { exitCode: 1, output: 'no' };
const plan: HealthPlan = {
  args: ['check'],
  intervalMs: 1000,
  timeoutMs: 100,
  retries: 2,
  startPeriodMs: 5000,
  startIntervalMs: 200,
};

describe('the plan of a health check', () => {
  it('comes from the service, else from the image, with Docker’s defaults', () => {
    const image = { Test: ['CMD', 'image'], Interval: 2e9, Retries: 9 };
    expect(healthPlan(undefined, image, undefined)).toEqual({
      args: ['image'],
      intervalMs: 2000,
      timeoutMs: 30_000,
      retries: 9,
      startPeriodMs: 0,
      startIntervalMs: 5000,
    });
    const own = healthPlan({ Test: ['CMD-SHELL', 'own | x'], Retries: 1 }, image, null);
    expect(own).toMatchObject({ args: ['/bin/sh', '-c', 'own | x'], retries: 1, intervalMs: 2000 });
    expect(healthPlan({ Timeout: 5e9 }, image, null)).toMatchObject({ timeoutMs: 5000 });
    expect(healthPlan({ Test: ['CMD-SHELL', 'x'] }, undefined, ['/bin/bash', '-c'])?.args).toEqual([
      '/bin/bash',
      '-c',
      'x',
    ]);
  });

  it('is none for NONE and for nothing', () => {
    expect(healthPlan({ Test: ['NONE'] }, { Test: ['CMD', 'x'] }, null)).toBeUndefined();
    expect(healthPlan({ Test: [] }, { Test: ['NONE'] }, null)).toBeUndefined();
    expect(healthPlan(undefined, null, null)).toBeUndefined();
  });

  it('refuses unknown kinds', () => {
    expect(() => healthPlan({ Test: ['HTTP', '/'] }, null, null)).toThrow("type 'HTTP'");
    expect(() => healthPlan({ Test: ['CMD'] }, null, null)).toThrow("type 'CMD'");
  });
});

describe('the state of health', () => {
  it('is healthy after one success and unhealthy after failures in a row', () => {
    let record = afterCheck(plan, STARTING, good, 6000);
    expect(record).toEqual({ status: 'healthy', failures: 0, ...good });
    record = afterCheck(plan, record, bad, 7000);
    expect(record).toMatchObject({ status: 'healthy', failures: 1 });
    expect(afterCheck(plan, record, good, 8000)).toMatchObject({ status: 'healthy', failures: 0 });
    expect(afterCheck(plan, record, bad, 8000)).toMatchObject({
      status: 'unhealthy',
      output: 'no',
    });
  });

  it('forgives failures within the start period, until it was healthy once', () => {
    const early = afterCheck(plan, STARTING, bad, 100);
    expect(early).toMatchObject({ status: 'starting', failures: 0 });
    const healthy = afterCheck(plan, early, good, 200);
    expect(afterCheck(plan, healthy, bad, 300)).toMatchObject({ failures: 1 });
    expect(afterCheck(plan, STARTING, bad, 5000)).toMatchObject({ failures: 1 });
  });

  it('is asked more often at the start', () => {
    expect(checkDelayMs(plan, STARTING, 0)).toBe(200);
    expect(checkDelayMs(plan, STARTING, 5000)).toBe(1000);
    expect(checkDelayMs(plan, { ...STARTING, status: 'healthy' }, 0)).toBe(1000);
  });
});
