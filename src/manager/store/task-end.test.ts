// How a task has ended is told once.
import { expect, it } from 'vitest';
import { memoryStore, newCluster, newNode } from '../../../test/builders/memory-store.ts';
import { create, type TaskState } from '../../model/index.ts';

it.each([
  [0, 'shutdown'],
  [1, 'complete'],
])('at level %i a task that ended well and was then asked to stop is: %s', async (level, state) => {
  const { store } = memoryStore();
  await store.propose([newCluster(level === 0 ? {} : { featureLevel: level })]);
  await store.propose([newNode('n')]);
  await store.propose([
    create('task', {
      id: 't',
      serviceId: 's',
      revisionId: 'r',
      slot: 1,
      nodeId: 'n',
      desiredState: 'running',
      status: { state: 'running', timestamp: 0, message: '' },
      networks: [],
    }),
    { kind: 'session', nodeId: 'n', managerId: 'm' },
  ]);
  const epoch = store.view.get('session', 'n')?.epoch ?? 0;
  let sequence = 0;
  for (const told of ['complete', 'shutdown'] satisfies TaskState[]) {
    const status = { state: told, timestamp: 0, message: '', epoch, sequence: ++sequence };
    await store.propose([{ kind: 'taskStatus', taskId: 't', nodeId: 'n', status }]);
  }
  expect(store.view.get('task', 't')?.status.state).toBe(state);
});
