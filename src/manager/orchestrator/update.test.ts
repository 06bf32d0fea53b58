// When an update is over, read from the tasks alone.
import { describe, expect, it } from 'vitest';
import type { Task, TaskStatus } from '../../model/index.ts';
import { slotOf } from './slots/index.ts';
import { updateProgress } from './update.ts';

const RULES = {
  parallelism: 1,
  delayMs: 0,
  monitorMs: 1_000,
  failureAction: 'pause',
  maxFailureRatio: 0.5,
  order: 'stop-first',
} as const;

/** One slot, updated at 1,000; its new task has this status at 10,000. */
function progress(status: Partial<TaskStatus>, desiredState: Task['desiredState'] = 'shutdown') {
  const task: Task = {
    id: 't',
    version: 1,
    createdAt: 1_000,
    updatedAt: 1_000,
    serviceId: 's',
    revisionId: 'new',
    slot: 1,
    desiredState,
    status: { state: 'failed', timestamp: 0, message: '', ...status },
    networks: [],
  };
  const goal = { revisionId: 'new', upToDate: () => true };
  const slot = slotOf('1', [task]);
  return updateProgress(slot === undefined ? [] : [slot], goal, RULES, 1_000, 10_000);
}

describe('an update', () => {
  it('waits for a task that has not run for the monitor period', () => {
    const running = { state: 'running', runningSince: 9_500 } as const;
    expect(progress(running, 'running')).toMatchObject({ complete: false, failures: 0 });
  });

  it('is over with a task that failed after it, and is not to run again', () => {
    expect(progress({ runningSince: 2_000, endedSince: 3_600 })).toMatchObject({
      complete: true,
      failures: 0,
    });
  });

  it('counts a task that failed within it, and is over all the same', () => {
    expect(progress({ runningSince: 2_000, endedSince: 2_600 })).toMatchObject({
      complete: true,
      failures: 1,
    });
  });

  it('is over with tasks that have done their work', () => {
    const done = { state: 'complete', runningSince: 2_000, endedSince: 2_100 } as const;
    expect(progress(done, 'shutdown')).toMatchObject({ complete: true, failures: 0 });
  });
});
