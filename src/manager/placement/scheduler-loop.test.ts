// The scheduler on a store: which tasks it gives to which nodes when, what it tells the others, and how
// often it looks at them.
import { describe, expect, it } from 'vitest';
import { remove, update, type ServiceSpec, type Task } from '../../model/index.ts';
import { aRevision, taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { SchedulerLoop } from './scheduler-loop.ts';

const FULL = 'no suitable node (insufficient resources on 1 node)';

type Template = ServiceSpec['TaskTemplate'];

function specWith(template: Partial<Template>): ServiceSpec {
  return aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, ...template } });
}

/** Tasks that each take one of a node's four processors. */
const HUNGRY = specWith({ Resources: { Reservations: { NanoCPUs: 1e9 } } });

async function aWorld(spec: ServiceSpec, ...nodes: readonly string[]): Promise<LoopDriver> {
  const driver = new LoopDriver(new SchedulerLoop());
  await driver.addService(spec);
  await driver.addNodes(...nodes);
  return driver;
}

function waiting(count: number, more: Partial<Task> = {}): Task[] {
  return Array.from({ length: count }, (_, i) =>
    taskIn(`t${i}`, 'pending', undefined, { slot: i + 1, ...more }),
  );
}

const nodeOf = (driver: LoopDriver, id: string): string | undefined => driver.task(id).nodeId;

describe('a task that waits for a node', () => {
  it('gets one', async () => {
    const driver = await aWorld(aServiceSpec(), 'a');
    await driver.addTasks(...waiting(1));
    await driver.run();
    expect(driver.task('t0')).toMatchObject({ nodeId: 'a', status: { state: 'assigned' } });
  });

  it('is left alone before it has its addresses', async () => {
    const driver = await aWorld(aServiceSpec(), 'a');
    await driver.addTasks(taskIn('t0', 'new', undefined));
    expect(await driver.run()).toEqual([]);
  });

  it('is left alone when it is to stop', async () => {
    const driver = await aWorld(aServiceSpec(), 'a');
    await driver.addTasks(...waiting(1, { desiredState: 'shutdown' }));
    expect(await driver.run()).toEqual([]);
  });

  it('is placed when it is prepared for later as well', async () => {
    const driver = await aWorld(aServiceSpec(), 'a');
    await driver.addTasks(...waiting(1, { desiredState: 'ready' }));
    await driver.run();
    expect(nodeOf(driver, 't0')).toBe('a');
  });

  it('was there before the loop began', async () => {
    const driver = await aWorld(aServiceSpec(), 'a');
    await driver.addTasks(...waiting(3));
    driver.loop.reset(driver.view);
    await driver.run();
    expect(driver.tasks('assigned')).toHaveLength(3);
  });

  it('waits while its revision is not there', async () => {
    const driver = await aWorld(aServiceSpec(), 'a');
    await driver.addTasks(...waiting(1, { revisionId: 'unknown' }));
    expect(await driver.run()).toEqual([]);
  });
});

describe('a task without a node', () => {
  it('is told why, once', async () => {
    const driver = await aWorld(specWith({ Placement: { Constraints: ['node.id==b'] } }), 'a');
    await driver.addTasks(...waiting(1));
    expect(await driver.run()).toHaveLength(1);
    expect(driver.task('t0').status).toMatchObject({
      state: 'pending',
      error: 'no suitable node (scheduling constraints not satisfied on 1 node)',
    });
    expect(await driver.run()).toEqual([]);
  });

  it('is told anew when the reason is another one', async () => {
    const driver = await aWorld(specWith({ Placement: { Constraints: ['node.id==c'] } }), 'a');
    await driver.addTasks(...waiting(2));
    await driver.run();
    await driver.addNode('b');
    expect(await driver.run()).toHaveLength(2);
    expect(driver.task('t1').status.error).toContain('on 2 nodes');
  });

  it('is not told again by a new leader', async () => {
    const driver = await aWorld(specWith({ Placement: { Constraints: ['node.id==b'] } }), 'a');
    await driver.addTasks(...waiting(3));
    await driver.run();
    driver.loop.reset(driver.view);
    expect(await driver.run()).toEqual([]);
  });

  it('gets one that comes, and its error goes', async () => {
    const driver = await aWorld(specWith({ Placement: { Constraints: ['node.id==b'] } }), 'a');
    await driver.addTasks(...waiting(1));
    await driver.run();
    await driver.addNode('b');
    await driver.run();
    expect(driver.task('t0')).toMatchObject({ nodeId: 'b', status: { state: 'assigned' } });
    expect(driver.task('t0').status.error).toBeUndefined();
  });

  it.each([
    ['is switched on again', { availability: 'drain' }, { Availability: 'active' }],
    ['gets a label', {}, { Labels: { zone: 'a' } }],
  ] as const)('gets one that %s', async (_what, traits, change) => {
    const labelled = 'Labels' in change;
    const Placement = labelled ? { Constraints: ['node.labels.zone==a'] } : {};
    const driver = await aWorld(specWith({ Placement }));
    await driver.addNode('a', traits);
    await driver.addTasks(...waiting(1));
    await driver.run();
    expect(nodeOf(driver, 't0')).toBeUndefined();
    await driver.changeNode('a', ({ spec }) => ({ spec: { ...spec, ...change } }));
    await driver.run();
    expect(nodeOf(driver, 't0')).toBe('a');
  });

  it.each(['shutdown', 'failed', 'complete', 'orphaned'] as const)(
    'gets the room of one that is %s',
    async (state) => {
      const driver = await aWorld(HUNGRY, 'a');
      await driver.addTasks(...waiting(5));
      await driver.run();
      expect(driver.task('t4').status.error).toBe(FULL);
      await driver.setState('t0', state);
      await driver.run();
      expect(nodeOf(driver, 't4')).toBe('a');
    },
  );

  it('gets the room of one that was removed', async () => {
    const driver = await aWorld(HUNGRY, 'a');
    await driver.addTasks(...waiting(5));
    await driver.run();
    await driver.put(remove('task', 't0'));
    await driver.run();
    expect(nodeOf(driver, 't4')).toBe('a');
  });

  it('gets no room from one that merely goes on', async () => {
    const driver = await aWorld(HUNGRY, 'a');
    await driver.addTasks(...waiting(5));
    await driver.run();
    for (const state of ['preparing', 'starting', 'running'] as const) {
      await driver.setState('t0', state);
    }
    expect(await driver.run()).toEqual([]);
    expect(nodeOf(driver, 't4')).toBeUndefined();
  });

  it('was first and is served first', async () => {
    const driver = await aWorld(HUNGRY, 'a');
    await driver.addTasks(...waiting(6));
    await driver.run();
    await driver.setState('t0', 'shutdown');
    await driver.addTasks(taskIn('later', 'pending', undefined, { slot: 9 }));
    await driver.run();
    expect([nodeOf(driver, 't4'), nodeOf(driver, 'later')]).toEqual(['a', undefined]);
  });
});

describe('a task of a global service', () => {
  const pinned = (id: string, nodeId: string): Task => taskIn(id, 'pending', nodeId, { slot: 0 });

  it('goes to its node and no other', async () => {
    const driver = await aWorld(aServiceSpec(), 'a', 'b');
    await driver.addTasks(pinned('t0', 'b'));
    await driver.run();
    expect(driver.task('t0')).toMatchObject({ nodeId: 'b', status: { state: 'assigned' } });
  });

  it('is told why its node does not fit', async () => {
    const driver = await aWorld(HUNGRY, 'a', 'b');
    await driver.addTasks(...['1', '2', '3', '4', '5'].map((id) => pinned(id, 'a')));
    await driver.run();
    expect(driver.tasks('assigned')).toHaveLength(4);
    expect(driver.tasks('pending').map(({ status }) => status.error)).toEqual([FULL]);
  });

  it('gets room that comes free on its node, and is not asked about others', async () => {
    const driver = await aWorld(HUNGRY, 'a', 'b');
    await driver.addTasks(...['1', '2', '3', '4', '5'].map((id) => pinned(id, 'a')));
    await driver.addTasks(pinned('other', 'b'));
    await driver.run();
    await driver.setState('other', 'shutdown');
    expect(await driver.run()).toEqual([]);
    await driver.setState('1', 'shutdown');
    await driver.run();
    expect(driver.tasks('pending')).toEqual([]);
  });

  it('waits for a node that is not there', async () => {
    const driver = await aWorld(aServiceSpec());
    await driver.addTasks(pinned('t0', 'a'));
    await driver.run();
    expect(driver.task('t0').status.error).toBe('no suitable node');
    await driver.addNode('a');
    await driver.run();
    expect(driver.task('t0').status.state).toBe('assigned');
  });
});

describe('a plan that was refused', () => {
  it('takes no room', async () => {
    const driver = await aWorld(HUNGRY, 'a');
    await driver.addTasks(...waiting(4));
    const { transactions } = driver.plan();
    expect(transactions).toHaveLength(4);
    // Somebody stops all of them before the plan is in the log.
    for (const { id } of waiting(4)) await driver.changeTask(id, { desiredState: 'shutdown' });
    for (const actions of transactions) {
      expect((await driver.store.tryPropose(actions)).ok).toBe(false);
    }
    const next = waiting(4).map((task) => ({ ...task, id: `next-${task.id}` }));
    await driver.addTasks(...next);
    await driver.run();
    expect(driver.tasks('assigned')).toHaveLength(4);
  });

  it('is made again for a task that still waits', async () => {
    const driver = await aWorld(aServiceSpec(), 'a');
    await driver.addTasks(...waiting(1));
    const { transactions } = driver.plan();
    await driver.changeTask('t0', { desiredState: 'ready' });
    for (const actions of transactions) {
      expect((await driver.store.tryPropose(actions)).ok).toBe(false);
    }
    await driver.run();
    expect(driver.task('t0')).toMatchObject({ nodeId: 'a', desiredState: 'ready' });
  });
});

describe('encrypted networks', () => {
  it('are for nodes that can encrypt', async () => {
    const driver = await aWorld(specWith({ Networks: [{ Target: 'net' }] }), 'a');
    await driver.addNode('b', { encrypted: true });
    const spec = { Name: 'net', Driver: 'overlay', Options: { encrypted: '' } };
    await driver.put({
      kind: 'create',
      table: 'network',
      object: { id: 'net', spec, subnets: [] },
    });
    await driver.addTasks(...waiting(2));
    await driver.run();
    expect([nodeOf(driver, 't0'), nodeOf(driver, 't1')]).toEqual(['b', 'b']);
  });
});

describe('a revision that can not be read', () => {
  async function broken(tasks: number): Promise<LoopDriver> {
    const driver = await aWorld(specWith({ Placement: { Constraints: ['nonsense'] } }), 'a');
    await driver.addTasks(...waiting(tasks));
    return driver;
  }

  it('is said in its tasks and tried again ever more slowly', async () => {
    const driver = await broken(2);
    const start = driver.clock.now();
    await driver.run();
    expect(driver.task('t1').status.error).toContain('nonsense');
    expect(driver.wakeAt).toBe(start + 1_000);
    await driver.clock.advance(1_000);
    await driver.run();
    expect(driver.wakeAt).toBe(start + 1_000 + 2_000);
  });

  it('keeps nothing from the others', async () => {
    const driver = await broken(1);
    await driver.put({
      kind: 'create',
      table: 'revision',
      object: { id: 'r2', serviceId: 's', spec: aServiceSpec(), ports: [] },
    });
    await driver.addTasks(taskIn('sound', 'pending', undefined, { revisionId: 'r2' }));
    await driver.run();
    expect(nodeOf(driver, 'sound')).toBe('a');
  });

  it('is mended by a readable one', async () => {
    const driver = await broken(2);
    await driver.run();
    const revision = driver.view.get('revision', 'r');
    if (revision === undefined) throw new Error('no revision');
    await driver.put(update('revision', { ...revision, spec: aRevision('r').spec }));
    await driver.clock.advance(60_000);
    await driver.run();
    expect(driver.tasks('assigned')).toHaveLength(2);
  });
});

describe('many tasks', () => {
  it('are placed in plans of the size that was asked for', async () => {
    const driver = await aWorld(aServiceSpec(), 'a', 'b');
    driver.budget = 30;
    await driver.addTasks(...waiting(100));
    expect(driver.plan().transactions).toHaveLength(30);
    driver.loop.reset(driver.view);
    driver.plans = 0;
    await driver.run();
    expect(driver.tasks('assigned')).toHaveLength(100);
    expect(driver.plans).toBe(5);
  });

  it('without a node are told in plans of that size, and then left alone', async () => {
    const driver = await aWorld(specWith({ Placement: { Constraints: ['node.id==b'] } }), 'a');
    driver.budget = 20;
    await driver.addTasks(...waiting(100));
    expect(await driver.run()).toHaveLength(100);
    expect(driver.plans).toBe(6);
    driver.plans = 0;
    expect(await driver.run()).toEqual([]);
    expect(driver.plans).toBe(1);
  });

  it('are tried in turn with those of other revisions', async () => {
    const driver = await aWorld(aServiceSpec(), 'a');
    driver.budget = 10;
    await driver.put({
      kind: 'create',
      table: 'revision',
      object: { id: 'r2', serviceId: 's', spec: aServiceSpec(), ports: [] },
    });
    await driver.addTasks(...waiting(50));
    await driver.addTasks(taskIn('other', 'pending', undefined, { revisionId: 'r2' }));
    for (let i = 0; i < 2; i++) {
      for (const actions of driver.plan().transactions) await driver.store.propose(actions);
    }
    expect(nodeOf(driver, 'other')).toBe('a');
  });

  it('that wait cost nothing when room comes free that is none for them', async () => {
    const driver = await aWorld(specWith({ Placement: { Constraints: ['node.id==b'] } }), 'a');
    await driver.put({
      kind: 'create',
      table: 'revision',
      object: { id: 'r2', serviceId: 's', spec: aServiceSpec(), ports: [] },
    });
    await driver.addTasks(...waiting(100));
    await driver.addTasks(taskIn('other', 'pending', undefined, { revisionId: 'r2' }));
    await driver.run();
    await driver.setState('other', 'shutdown');
    const looked = driver.countReads();
    await driver.run();
    expect(looked()).toBeLessThan(5);
  });
});

describe('the start of a leader', () => {
  it('looks at the cluster piece by piece, and places nothing before it has seen all', async () => {
    const driver = await aWorld(HUNGRY, 'a', 'b', 'c');
    const running = Array.from({ length: 300 }, (_, i) =>
      taskIn(`x${i}`, 'complete', 'a', { slot: 1000 + i }),
    );
    await driver.addTasks(...running, ...waiting(3));
    driver.loop.reset(driver.view);
    const pieces: number[] = [];
    for (let plans = 0; plans < 50; plans++) {
      const { transactions, more } = driver.plan(() => true);
      pieces.push(transactions.length);
      if (!more) break;
    }
    expect(pieces.filter((count) => count > 0)).toEqual([3]);
    expect(pieces.length).toBeGreaterThan(5);
  });

  it('counts what comes while it looks once', async () => {
    const driver = await aWorld(HUNGRY, 'a');
    const ended = Array.from({ length: 100 }, (_, i) =>
      taskIn(`x${i}`, 'complete', 'c', { slot: 1000 + i }),
    );
    await driver.addTasks(...waiting(1), ...ended);
    driver.loop.reset(driver.view);
    expect(driver.plan(() => true)).toEqual({ transactions: [], more: true });
    await driver.addTasks(taskIn('runs', 'running', 'a', { slot: 99 }));
    await driver.addNode('b');
    await driver.addTasks(...waiting(7).slice(1));
    await driver.run();
    expect(driver.tasks('assigned')).toHaveLength(7);
    expect([...driver.view.tasksOfNode('a')]).toHaveLength(4);
    expect([...driver.view.tasksOfNode('b')]).toHaveLength(4);
  });
});
