import { describe, expect, it } from 'vitest';
import type { ContainerRestartPolicy } from '../../model/index.ts';
import { restartDelayMs, startsWithDaemon, type EndedRun } from './restart-policy.ts';

const policy = (
  name: ContainerRestartPolicy['name'],
  maximumRetries = 0,
): ContainerRestartPolicy => ({ name, maximumRetries });

const ended: EndedRun = { exitCode: 1, lastedMs: 50, restarts: 0, lastDelayMs: 0, stopped: false };

describe('after a run', () => {
  it('nothing runs again without a policy, or once its user stopped it', () => {
    expect(restartDelayMs(policy('no'), ended)).toBeUndefined();
    for (const name of ['always', 'unless-stopped', 'on-failure'] as const) {
      expect(restartDelayMs(policy(name), { ...ended, stopped: true })).toBeUndefined();
    }
  });

  it('delays double from 100 ms to a minute, and begin anew after a long run', () => {
    const delays: number[] = [];
    let lastDelayMs = 0;
    for (let restarts = 0; restarts < 12; restarts++) {
      lastDelayMs = restartDelayMs(policy('always'), { ...ended, restarts, lastDelayMs }) ?? -1;
      delays.push(lastDelayMs);
    }
    expect(delays.slice(0, 4)).toEqual([100, 200, 400, 800]);
    expect(delays.at(-1)).toBe(60_000);
    const long = { ...ended, lastDelayMs: 60_000, lastedMs: 10_000 };
    expect(restartDelayMs(policy('always'), long)).toBe(100);
  });

  it('on-failure minds the exit code and its number of tries', () => {
    expect(restartDelayMs(policy('on-failure'), { ...ended, exitCode: 0 })).toBeUndefined();
    expect(restartDelayMs(policy('on-failure', 3), { ...ended, restarts: 2 })).toBe(100);
    expect(restartDelayMs(policy('on-failure', 3), { ...ended, restarts: 3 })).toBeUndefined();
    expect(restartDelayMs(policy('always'), { ...ended, exitCode: 0 })).toBe(100);
  });
});

describe('when the daemon starts', () => {
  const was = { stopped: false, ran: true, exitCode: 0 };
  it('always means also what was stopped', () => {
    expect(startsWithDaemon(policy('always'), { ...was, stopped: true })).toBe(true);
    expect(startsWithDaemon(policy('unless-stopped'), { ...was, stopped: true })).toBe(false);
    expect(startsWithDaemon(policy('unless-stopped'), was)).toBe(true);
  });
  it('what was never started stays so', () => {
    expect(startsWithDaemon(policy('always'), { ...was, ran: false })).toBe(false);
    expect(startsWithDaemon(policy('no'), was)).toBe(false);
  });
  it('on-failure means what failed', () => {
    expect(startsWithDaemon(policy('on-failure'), was)).toBe(false);
    expect(startsWithDaemon(policy('on-failure'), { ...was, exitCode: 137 })).toBe(true);
  });
});
