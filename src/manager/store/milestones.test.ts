// When a task ran and when it ended is counted in the managers' time, whatever its node's clock says.
import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { memoryStore, newNode } from '../../../test/builders/memory-store.ts';
import { create, type TaskState, type TaskStatus } from '../../model/index.ts';

const HOUR_MS = 3_600_000;

/** A task on node n, whose clock is off by `offMs`; returns what its reports come to. */
async function reported(offMs: number): Promise<(state: TaskState) => Promise<TaskStatus>> {
  const clock = new VirtualClock();
  const { store } = memoryStore(clock);
  await store.propose([newNode('n')]);
  const status = { state: 'assigned', timestamp: clock.now(), message: '' } as const;
  await store.propose([
    create('task', {
      id: 't',
      serviceId: 's',
      revisionId: 'r',
      slot: 1,
      nodeId: 'n',
      desiredState: 'running',
      status,
      networks: [],
    }),
    { kind: 'session', nodeId: 'n', managerId: 'm' },
  ]);
  const epoch = store.view.get('session', 'n')?.epoch ?? 0;
  let sequence = 0;
  return async (state) => {
    await clock.advance(1_000);
    const report = {
      state,
      timestamp: clock.now() + offMs,
      message: '',
      epoch,
      sequence: ++sequence,
    };
    await store.tryPropose([{ kind: 'taskStatus', taskId: 't', nodeId: 'n', status: report }]);
    const stored = store.view.get('task', 't')?.status;
    if (stored === undefined) throw new Error('the task is gone');
    return stored;
  };
}

describe('a task’s times', () => {
  it.each([-HOUR_MS, 0, HOUR_MS])('are the managers’, with a clock off by %i ms', async (offMs) => {
    const report = await reported(offMs);
    const start = new VirtualClock().now();
    expect((await report('running')).runningSince).toBe(start + 1_000);
    expect((await report('running')).runningSince).toBe(start + 1_000);
    const ended = await report('failed');
    expect(ended.runningSince).toBe(start + 1_000);
    expect(ended.endedSince).toBe(start + 3_000);
  });
});
