// Docker's rules of placement on a store: what moves, what never does, and who is counted with whom.
import { describe, expect, it } from 'vitest';
import { create, remove, type PortConfig, type ServiceSpec, type Task } from '../../model/index.ts';
import { taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { SchedulerLoop } from './scheduler-loop.ts';

type Template = ServiceSpec['TaskTemplate'];

const specWith = (template: Partial<Template>): ServiceSpec =>
  aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, ...template } });

const reserving = (NanoCPUs: number): ServiceSpec =>
  specWith({ Resources: { Reservations: { NanoCPUs } } });

/** A cluster with these nodes and revision `r` of service `s`. */
async function aCluster(spec: ServiceSpec, ...nodes: readonly string[]): Promise<LoopDriver> {
  const driver = new LoopDriver(new SchedulerLoop());
  await addRevision(driver, 'r', spec);
  await driver.addNodes(...nodes);
  return driver;
}

async function addRevision(
  driver: LoopDriver,
  id: string,
  spec: ServiceSpec = aServiceSpec(),
  serviceId = 's',
  ports: readonly PortConfig[] = [],
): Promise<void> {
  await driver.put(create('revision', { id, serviceId, spec, ports }));
}

/** Waiting tasks `${name}0`, `${name}1` and so on. */
function waiting(name: string, count: number, more: Partial<Task> = {}): Task[] {
  return Array.from({ length: count }, (_, i) =>
    taskIn(`${name}${i}`, 'pending', undefined, { slot: i + 1, ...more }),
  );
}

/** Tasks on each node that may still run, as "a:2 b:1". */
function spread(driver: LoopDriver): string {
  const counts = new Map<string, number>();
  for (const { nodeId, status } of driver.tasks()) {
    const counted = status.state === 'assigned' || status.state === 'running';
    if (nodeId !== undefined && counted) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  }
  return [...counts]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, count]) => `${id}:${count}`)
    .join(' ');
}

const errorOf = (driver: LoopDriver, id: string): string | undefined =>
  driver.task(id).status.error;

describe('a task that has a node', () => {
  it('stays there when another node joins: nothing is balanced again', async () => {
    const driver = await aCluster(aServiceSpec(), 'a');
    await driver.addTasks(...waiting('t', 4));
    await driver.run();
    await driver.addNode('b');
    expect(await driver.run()).toEqual([]);
    await driver.addTasks(...waiting('next', 4));
    await driver.run();
    expect(spread(driver)).toBe('a:4 b:4');
  });

  it('is not driven out by one that waits', async () => {
    const driver = await aCluster(reserving(4e9), 'a');
    await addRevision(driver, 'other', aServiceSpec({ Name: 'other' }), 'o');
    await driver.addTasks(...waiting('small', 1, { serviceId: 'o', revisionId: 'other' }));
    await addRevision(driver, 'large', reserving(3e9), 'l');
    await driver.addTasks(...waiting('large', 1, { serviceId: 'l', revisionId: 'large' }));
    await driver.run();
    await driver.addTasks(...waiting('t', 1));
    expect(await driver.run()).toHaveLength(1);
    expect(errorOf(driver, 't0')).toBe('no suitable node (insufficient resources on 1 node)');
    expect(driver.tasks('assigned')).toHaveLength(2);
  });

  it.each([
    ['paused', { availability: 'pause' }],
    ['drained', { availability: 'drain' }],
    ['down', { state: 'down' }],
    ['unheard of', { state: 'unknown' }],
  ] as const)('got none that is %s', async (_what, traits) => {
    const driver = await aCluster(aServiceSpec(), 'b');
    await driver.addNode('a', traits);
    await driver.addTasks(...waiting('t', 3));
    await driver.run();
    expect(spread(driver)).toBe('b:3');
  });

  it('is told so, from now on, and no more than that is changed', async () => {
    const driver = await aCluster(aServiceSpec(), 'a');
    await driver.addTasks(...waiting('t', 1, { desiredState: 'ready', startAfter: 7 }));
    await driver.clock.advance(5_000);
    await driver.run();
    expect(driver.task('t0')).toMatchObject({
      nodeId: 'a',
      desiredState: 'ready',
      startAfter: 7,
      status: {
        state: 'assigned',
        timestamp: driver.clock.now(),
        message: 'scheduler assigned task to node',
      },
    });
  });
});

describe('tasks of a service', () => {
  it('of all its revisions count when they are spread over nodes', async () => {
    const driver = await aCluster(aServiceSpec(), 'a', 'b');
    await addRevision(driver, 'old');
    await driver.addTasks(
      ...[1, 2, 3].map((slot) => taskIn(`o${slot}`, 'running', 'a', { slot, revisionId: 'old' })),
    );
    await driver.addTasks(...waiting('t', 3));
    await driver.run();
    expect(spread(driver)).toBe('a:3 b:3');
  });

  it('of all its revisions count against replicas per node', async () => {
    const driver = await aCluster(specWith({ Placement: { MaxReplicas: 2 } }), 'a');
    await addRevision(driver, 'old');
    await driver.addTasks(taskIn('old', 'running', 'a', { slot: 9, revisionId: 'old' }));
    await driver.addTasks(...waiting('t', 2));
    await driver.run();
    expect(spread(driver)).toBe('a:2');
    expect(errorOf(driver, 't1')).toContain('max replicas per node limit exceed on 1 node');
    await driver.setState('old', 'shutdown');
    await driver.run();
    expect(driver.task('t1').status.state).toBe('assigned');
  });

  it('take up what they reserve, not what they may use', async () => {
    const Resources = { Limits: { NanoCPUs: 4e9 }, Reservations: { NanoCPUs: 1e9 } };
    const driver = await aCluster(specWith({ Resources }), 'a');
    await driver.addTasks(...waiting('t', 5));
    await driver.run();
    expect(spread(driver)).toBe('a:4');
  });

  it('leave a node alone where five of their revision failed, and others do not', async () => {
    const driver = await aCluster(aServiceSpec(), 'a', 'b');
    await addRevision(driver, 'q', aServiceSpec(), 'other');
    for (let i = 0; i < 5; i++) await driver.addTasks(taskIn(`x${i}`, 'running', 'a', { slot: i }));
    await driver.run();
    for (let i = 0; i < 5; i++) await driver.setState(`x${i}`, 'failed');
    await driver.addTasks(...waiting('t', 2));
    await driver.addTasks(...waiting('o', 2, { serviceId: 'other', revisionId: 'q' }));
    await driver.run();
    expect([driver.task('t0').nodeId, driver.task('t1').nodeId]).toEqual(['b', 'b']);
    const others = new Set([driver.task('o0').nodeId, driver.task('o1').nodeId]);
    expect(others).toEqual(new Set(['a', 'b']));
  });

  it('are spread over labels as nodes have them when they are placed', async () => {
    const Preferences = [{ Spread: { SpreadDescriptor: 'node.labels.zone' } }];
    const driver = await aCluster(specWith({ Placement: { Preferences } }));
    for (const id of ['a', 'b', 'c']) await driver.addNode(id, { labels: { zone: 'x' } });
    await driver.run();
    await driver.changeNode('c', ({ spec }) => ({ spec: { ...spec, Labels: { zone: 'y' } } }));
    await driver.addTasks(...waiting('t', 4));
    await driver.run();
    expect(spread(driver)).toBe('a:1 b:1 c:2');
  });
});

describe('a port of the host', () => {
  const web: PortConfig[] = [
    { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' },
  ];
  const published = async (...nodes: readonly string[]): Promise<LoopDriver> => {
    const driver = new LoopDriver(new SchedulerLoop());
    await addRevision(driver, 'r', aServiceSpec(), 's', web);
    await driver.addNodes(...nodes);
    return driver;
  };

  it('is for one task of each node, whoever has it', async () => {
    const driver = await published('a', 'b');
    await addRevision(driver, 'q', aServiceSpec(), 'other', web);
    await driver.addTasks(...waiting('o', 1, { serviceId: 'other', revisionId: 'q' }));
    await driver.run();
    await driver.addTasks(...waiting('t', 2));
    await driver.run();
    expect(spread(driver)).toBe('a:1 b:1');
    expect(errorOf(driver, 't1')).toBe(
      'no suitable node (host-mode port already in use on 2 nodes)',
    );
  });

  it('is taken until its task has ended, not only until it is to', async () => {
    const driver = await published('a');
    await driver.addTasks(taskIn('old', 'running', 'a', { slot: 9 }), ...waiting('t', 1));
    await driver.run();
    await driver.changeTask('old', { desiredState: 'shutdown' });
    expect(await driver.run()).toEqual([]);
    await driver.setState('old', 'shutdown');
    await driver.run();
    expect(driver.task('t0').nodeId).toBe('a');
  });

  it('of the mesh is for as many tasks of a node as there are', async () => {
    const driver = new LoopDriver(new SchedulerLoop());
    const ports = web.map((port) => ({ ...port, PublishMode: 'ingress' as const }));
    await addRevision(driver, 'r', aServiceSpec(), 's', ports);
    await driver.addNode('a');
    await driver.addTasks(...waiting('t', 3));
    await driver.run();
    expect(spread(driver)).toBe('a:3');
  });
});

describe('a task that waits', () => {
  it('is told in the words of its revision, each in its own', async () => {
    const driver = await aCluster(reserving(9e9), 'a');
    await addRevision(driver, 'q', specWith({ Placement: { Constraints: ['node.id==z'] } }));
    await driver.addTasks(...waiting('t', 1), ...waiting('q', 1, { revisionId: 'q' }));
    await driver.run();
    expect([errorOf(driver, 't0'), errorOf(driver, 'q0')]).toEqual([
      'no suitable node (insufficient resources on 1 node)',
      'no suitable node (scheduling constraints not satisfied on 1 node)',
    ]);
    expect(driver.task('t0').status.message).toBe('pending task scheduling');
  });

  it('and is removed, or told to stop, gets no node that comes', async () => {
    const driver = await aCluster(aServiceSpec());
    await driver.addTasks(...waiting('t', 3));
    await driver.run();
    await driver.put(remove('task', 't0'));
    await driver.changeTask('t1', { desiredState: 'shutdown' });
    await driver.addNode('a');
    await driver.run();
    expect(driver.tasks('assigned').map(({ id }) => id)).toEqual(['t2']);
  });

  it('is not tried again while others merely go on, but once one of them ends', async () => {
    const driver = await aCluster(reserving(4e9), 'a');
    await driver.addTasks(...waiting('t', 2));
    await driver.run();
    const looks: number[] = [];
    for (const state of ['preparing', 'starting', 'running', 'failed'] as const) {
      await driver.setState('t0', state);
      const looked = driver.countReads();
      driver.plan();
      looks.push(looked());
    }
    expect(looks.map((count) => count > 0)).toEqual([false, false, false, true]);
  });

  it('is told again when that was refused', async () => {
    const driver = await aCluster(aServiceSpec());
    await driver.addTasks(...waiting('t', 1));
    const { transactions } = driver.plan();
    await driver.changeTask('t0', { startAfter: 3 });
    for (const actions of transactions) {
      expect((await driver.store.tryPropose(actions)).ok).toBe(false);
    }
    driver.loop.refused?.(transactions);
    await driver.run();
    expect(errorOf(driver, 't0')).toBe('no suitable node');
  });

  it('gets a node though more than a hundred other revisions were placed meanwhile', async () => {
    const driver = await aCluster(reserving(4e9), 'a');
    await driver.addTasks(...waiting('t', 2));
    await driver.run();
    for (let i = 0; i < 120; i++) {
      await addRevision(driver, `r${i}`);
      await driver.addTasks(taskIn(`x${i}`, 'pending', undefined, { revisionId: `r${i}` }));
    }
    await driver.run();
    expect(driver.tasks('pending').map(({ id }) => id)).toEqual(['t1']);
    await driver.setState('t0', 'complete');
    await driver.run();
    expect(driver.tasks('pending')).toEqual([]);
  });
});

describe('before it leads', () => {
  it('a scheduler plans nothing, and minds no change', () => {
    const loop = new SchedulerLoop();
    const after = taskIn('t', 'pending', undefined);
    loop.observe({ table: 'task', index: 1, before: undefined, after });
    loop.refused([]);
    const plan = loop.plan(0, { transactions: 10, spent: () => false });
    expect(plan).toEqual({ transactions: [], more: false });
  });
});
