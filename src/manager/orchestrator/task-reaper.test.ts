// What the reaper forgets and ends, when, and how much it looks at for it.
import { beforeEach, describe, expect, it } from 'vitest';
import { create, remove, update, type Task } from '../../model/index.ts';
import { aRevision, taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { newCluster } from '../../../test/builders/memory-store.ts';
import { aClusterSpec, aServiceSpec } from '../../../test/builders/specs.ts';
import { TaskReaper } from './task-reaper.ts';

const DAY_MS = 24 * 3_600_000;

let driver: LoopDriver;

beforeEach(async () => {
  driver = new LoopDriver(new TaskReaper());
  await driver.addNodes('a', 'b');
});

async function withHistoryLimit(TaskHistoryRetentionLimit: number): Promise<void> {
  const spec = { ...aClusterSpec(), Orchestration: { TaskHistoryRetentionLimit } };
  await driver.put(newCluster({ spec }));
}

const ids = (): string[] => driver.tasks().map(({ id }) => id);

/** Tasks that ended one after another in a slot, the last with this desired state. */
function history(count: number, slot = 1, last: Task['desiredState'] = 'shutdown'): Task[] {
  return Array.from({ length: count }, (_, i) =>
    taskIn(`s${slot}-${i}`, 'failed', 'a', {
      slot,
      desiredState: i === count - 1 ? last : 'shutdown',
    }),
  );
}

describe('tasks that are to be removed', () => {
  it.each(['complete', 'shutdown', 'failed', 'rejected', 'orphaned'] as const)(
    'go once they are %s',
    async (state) => {
      await driver.addService();
      await driver.addTasks(taskIn('t', 'running', 'a', { desiredState: 'remove' }));
      await driver.run();
      expect(ids()).toEqual(['t']);
      await driver.setState('t', state);
      await driver.run();
      expect(ids()).toEqual([]);
    },
  );

  it.each(['new', 'pending'] as const)('go at once while they are %s', async (state) => {
    await driver.addService();
    await driver.addTasks(taskIn('t', state, undefined, { desiredState: 'remove' }));
    await driver.run();
    expect(ids()).toEqual([]);
  });

  it.each(['assigned', 'preparing', 'starting', 'running'] as const)(
    'stay while they are %s: they may hold what others wait for',
    async (state) => {
      await driver.addService();
      await driver.addTasks(taskIn('t', state, 'a', { desiredState: 'remove' }));
      await driver.run();
      expect(ids()).toEqual(['t']);
    },
  );
});

describe('a task whose revision went while it was being made', () => {
  // The simulation of the cluster, seed 158: its service was removed at that moment.
  it('goes although it is assigned: no node was ever told of it', async () => {
    const lost = { serviceId: 'gone', revisionId: 'gone', desiredState: 'remove' } as const;
    await driver.addTasks(taskIn('t', 'assigned', 'a', lost));
    await driver.run();
    expect(ids()).toEqual([]);
  });
});

describe('a task that is to stop', () => {
  it.each(['new', 'pending'] as const)('has ended when it is %s', async (state) => {
    await driver.addService();
    await driver.addTasks(taskIn('t', state, undefined, { desiredState: 'shutdown' }));
    await driver.run();
    expect(driver.task('t').status.state).toBe('shutdown');
  });

  it('is waited for when a node has it', async () => {
    await driver.addService();
    await driver.addTasks(taskIn('t', 'assigned', 'a', { desiredState: 'shutdown' }));
    expect(await driver.run()).toEqual([]);
  });
});

describe('the history of a slot', () => {
  it.each([
    [5, 5],
    [2, 2],
    [1, 1],
    // The last one alone tells that the slot has done its work.
    [0, 1],
    [-1, 8],
  ])('with a limit of %i has %i tasks', async (limit, kept) => {
    await withHistoryLimit(limit);
    await driver.addService();
    await driver.addTasks(...history(8));
    await driver.run();
    expect(ids()).toEqual(
      history(8)
        .slice(8 - kept)
        .map(({ id }) => id),
    );
  });

  it('is five tasks where the cluster says nothing', async () => {
    await driver.addService();
    await driver.addTasks(...history(8));
    await driver.run();
    expect(ids()).toHaveLength(5);
  });

  it('is beside the task that runs', async () => {
    await withHistoryLimit(2);
    await driver.addService();
    await driver.addTasks(...history(5), taskIn('runs', 'running', 'a'));
    await driver.run();
    expect(ids()).toEqual(['s1-3', 's1-4', 'runs']);
  });

  it('is its own', async () => {
    await withHistoryLimit(1);
    await driver.addService();
    await driver.addTasks(...history(3, 1), ...history(2, 2));
    await driver.run();
    expect(ids()).toEqual(['s1-2', 's2-1']);
  });

  it('does not count those that may be run again', async () => {
    await withHistoryLimit(1);
    await driver.addService();
    await driver.addTasks(...history(2, 1, 'running'));
    await driver.run();
    expect(ids()).toEqual(['s1-0', 's1-1']);
  });

  it('is long enough to count the attempts of its policy', async () => {
    await withHistoryLimit(1);
    const RestartPolicy = { MaxAttempts: 3 };
    await driver.addService(
      aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, RestartPolicy } }),
    );
    await driver.addTasks(...history(8));
    await driver.run();
    expect(ids()).toHaveLength(4);
  });

  it('shows an update what failed', async () => {
    await withHistoryLimit(0);
    await driver.addService();
    const service = driver.view.get('service', 's');
    if (service === undefined) throw new Error('no service');
    const updateStatus = { state: 'updating', startedAt: 0, message: '' } as const;
    await driver.put(update('service', { ...service, updateStatus }));
    await driver.addTasks(...history(3), taskIn('runs', 'running', 'a'));
    await driver.run();
    expect(ids()).toEqual(['s1-2', 'runs']);
  });

  it('is cut when the service asks for less', async () => {
    await withHistoryLimit(1);
    const RestartPolicy = { MaxAttempts: 7 };
    await driver.addService(
      aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, RestartPolicy } }),
    );
    await driver.addTasks(...history(6));
    await driver.run();
    expect(ids()).toHaveLength(6);
    const service = driver.view.get('service', 's');
    if (service === undefined) throw new Error('no service');
    await driver.put(update('service', { ...service, spec: aServiceSpec() }));
    await driver.run();
    expect(ids()).toEqual(['s1-5']);
  });
});

describe('a task on a node that is lost', () => {
  it('is given up after a day', async () => {
    await driver.addService();
    await driver.addTasks(taskIn('t', 'running', 'a', { desiredState: 'shutdown' }));
    const since = driver.clock.now();
    await driver.changeNode('a', ({ status }) => ({ status: { ...status, state: 'down', since } }));
    await driver.run();
    expect(driver.wakeAt).toBe(since + DAY_MS);
    await driver.clock.advance(DAY_MS - 1);
    expect(await driver.run()).toEqual([]);
    await driver.clock.advance(1);
    await driver.run();
    expect(driver.task('t').status.state).toBe('orphaned');
  });

  it('is given up at once when the node was removed', async () => {
    await driver.addService();
    await driver.addTasks(taskIn('t', 'running', 'a', { desiredState: 'shutdown' }));
    await driver.put(remove('node', 'a'));
    await driver.run();
    expect(driver.task('t').status.state).toBe('orphaned');
  });

  it('is not given up when the node came back in time', async () => {
    await driver.addService();
    await driver.addTasks(taskIn('t', 'running', 'a'));
    const since = driver.clock.now();
    await driver.changeNode('a', ({ status }) => ({ status: { ...status, state: 'down', since } }));
    await driver.run();
    await driver.changeNode('a', ({ status }) => ({ status: { ...status, state: 'ready' } }));
    await driver.clock.advance(2 * DAY_MS);
    expect(await driver.run()).toEqual([]);
  });

  it('was never there when it is not placed', async () => {
    await driver.addService();
    await driver.addTasks(taskIn('t', 'pending', 'gone', { slot: 0 }));
    expect(await driver.run()).toEqual([]);
  });
});

describe("the place of a user's container", () => {
  const attachment = { containerId: 'c' };

  it('that got no addresses in time is given up', async () => {
    await driver.addTasks(taskIn('place', 'new', 'a', { slot: 0, serviceId: 'place', attachment }));
    await driver.run();
    await driver.clock.advance(39_999);
    expect(await driver.run()).toEqual([]);
    await driver.clock.advance(1);
    await driver.run();
    expect(driver.task('place').status.state).toBe('rejected');
  });

  it('that got them stays', async () => {
    await driver.addTasks(taskIn('place', 'new', 'a', { slot: 0, serviceId: 'place', attachment }));
    await driver.run();
    await driver.setState('place', 'assigned');
    await driver.clock.advance(60_000);
    expect(await driver.run()).toEqual([]);
  });
});

describe('a revision', () => {
  const revisions = (): string[] => [...driver.view.all('revision')].map(({ id }) => id);

  async function addRevision(id: string, serviceId = 's'): Promise<void> {
    const { spec, ports } = aRevision(id);
    await driver.put(create('revision', { id, serviceId, spec, ports }));
  }

  it('goes when no task is of it, and its credential with it', async () => {
    await driver.addService();
    await addRevision('old');
    await driver.put(create('credential', { id: 'old', registryAuth: 'x' }));
    await driver.addTasks(
      taskIn('t', 'running', 'a', { revisionId: 'old', desiredState: 'remove' }),
    );
    await driver.run();
    expect(revisions()).toEqual(['r', 'old']);
    await driver.setState('t', 'shutdown');
    await driver.run();
    expect([revisions(), driver.view.get('credential', 'old')]).toEqual([['r'], undefined]);
  });

  it('stays while its service may go back to it', async () => {
    await driver.addService();
    await addRevision('old');
    const service = driver.view.get('service', 's');
    if (service === undefined) throw new Error('no service');
    await driver.put(update('service', { ...service, previousRevisionId: 'old' }));
    expect(await driver.run()).toEqual([]);
    const later = driver.view.get('service', 's');
    if (later === undefined) throw new Error('no service');
    await driver.put(update('service', { ...later, previousRevisionId: 'r' }));
    await driver.run();
    expect(revisions()).toEqual(['r']);
  });

  it('goes with its service', async () => {
    await driver.addService();
    await driver.put(remove('service', 's'));
    await driver.run();
    expect(revisions()).toEqual([]);
  });

  it('that a service left behind is found by a new leader', async () => {
    await addRevision('left', 'gone');
    driver.loop.reset(driver.view);
    await driver.run();
    expect(revisions()).toEqual([]);
  });
});

describe('what is said of a service', () => {
  it.each([
    "the orchestrator can't plan this service: no sense",
    'port 80/tcp is already in use by service web',
    undefined,
  ])('by others (%j) stays when the reaper has nothing to say', async (error) => {
    await driver.addService();
    const service = driver.view.get('service', 's');
    if (service === undefined) throw new Error('no service');
    const endpoint = { ...service.endpoint, ...(error === undefined ? {} : { error }) };
    await driver.put(update('service', { ...service, endpoint }));
    expect(await driver.run()).toEqual([]);
  });

  it('by the reaper itself goes once it can look after it', async () => {
    await driver.addService();
    const service = driver.view.get('service', 's');
    if (service === undefined) throw new Error('no service');
    const error = "the task reaper can't plan this service: no sense";
    await driver.put(update('service', { ...service, endpoint: { ...service.endpoint, error } }));
    await driver.run();
    expect(driver.view.get('service', 's')?.endpoint).toEqual(service.endpoint);
  });
});

describe('the work of the reaper', () => {
  it('for a task that has ended is one look at its slot', async () => {
    await driver.addService();
    await driver.addTasks(
      ...Array.from({ length: 300 }, (_, i) => taskIn(`t${i}`, 'running', 'a', { slot: i + 1 })),
    );
    for (let i = 0; i < 50; i++) {
      const { spec, ports } = aRevision(`r${i}`);
      await driver.put(create('revision', { id: `r${i}`, serviceId: 'other', spec, ports }));
    }
    let looked = 0;
    const { view } = driver;
    const slots = new Map<string, readonly Task[]>(view.slotsOfService('s'));
    const watched = {
      get: (key: string) => {
        looked++;
        return slots.get(key);
      },
      *[Symbol.iterator]() {
        looked += slots.size;
        yield* slots;
      },
    } as unknown as ReadonlyMap<string, readonly Task[]>;
    await driver.run();
    view.slotsOfService = () => watched;
    view.revisionsOfService = () => {
      throw new Error('nobody asked for revisions');
    };
    await driver.setState('t7', 'failed');
    await driver.run();
    expect(looked).toBe(1);
  });

  it('for a task that goes on is none', async () => {
    await driver.addService();
    await driver.addTasks(taskIn('t', 'assigned', 'a'));
    await driver.run();
    driver.view.slotsOfService = () => {
      throw new Error('nobody asked for slots');
    };
    for (const state of ['preparing', 'starting', 'running'] as const) {
      await driver.setState('t', state);
    }
    expect(await driver.run()).toEqual([]);
  });

  it('is done in plans of the size that was asked for', async () => {
    driver.budget = 10;
    await driver.addService();
    await driver.addTasks(
      ...Array.from({ length: 55 }, (_, i) =>
        taskIn(`t${i}`, 'shutdown', 'a', { slot: i + 1, desiredState: 'remove' }),
      ),
    );
    expect(await driver.run()).toHaveLength(55);
    expect(ids()).toEqual([]);
  });
});
