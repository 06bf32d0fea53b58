// A global service on a store, while nodes come, go and change.
import { Prng } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  create,
  remove,
  update,
  type Node,
  type ServiceSpec,
  type Task,
} from '../../../model/index.ts';
import { aRevision } from '../../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../../test/builders/loop-driver.ts';
import { aServiceSpec, withImage } from '../../../../test/builders/specs.ts';
import { Orchestrator } from '../index.ts';

let driver: LoopDriver;

beforeEach(async () => {
  driver = new LoopDriver(new Orchestrator(new Prng('global nodes')));
  await driver.addNodes('a', 'b');
});

function everywhere(template: Partial<ServiceSpec['TaskTemplate']> = {}): ServiceSpec {
  const TaskTemplate = { ContainerSpec: { Image: 'hello:1' }, ...template };
  return aServiceSpec({ Mode: { Global: {} }, TaskTemplate });
}

const on = (nodeId: string): Task[] => driver.tasks().filter((task) => task.nodeId === nodeId);

const wanted = (nodeId: string): Task[] =>
  on(nodeId).filter(({ desiredState }) => desiredState === 'running' || desiredState === 'ready');

/** The only task that a node is to have. */
function taskOn(nodeId: string): Task {
  const [task, ...others] = wanted(nodeId);
  if (task === undefined || others.length > 0) throw new Error(`${others.length} others`);
  return task;
}

async function deployed(spec: ServiceSpec = everywhere()): Promise<void> {
  await driver.addService(spec);
  await driver.run();
  for (const { id } of driver.tasks()) await driver.setState(id, 'running');
  await driver.run();
}

const available = (id: string, Availability: Node['spec']['Availability']): Promise<void> =>
  driver.changeNode(id, ({ spec }) => ({ spec: { ...spec, Availability } }));

const state = (id: string, to: Node['status']['state']): Promise<void> =>
  driver.changeNode(id, ({ status }) => ({ status: { ...status, state: to } }));

/** The service at its next revision, by an update that is over. */
async function updated(): Promise<void> {
  const service = driver.view.get('service', 's');
  if (service === undefined) throw new Error('no service');
  const spec = withImage(service.spec, 'hello:2');
  const now = driver.clock.now();
  const { version: _v, createdAt: _c, updatedAt: _u, ...revision } = aRevision('q', spec);
  await driver.put(
    create('revision', revision),
    update('service', {
      ...service,
      spec,
      revisionId: 'q',
      updateStatus: { state: 'updating', startedAt: now, message: '' },
    }),
  );
}

/** Tasks stop and start as they are told, until the update is over. */
async function settle(): Promise<void> {
  for (let round = 0; round < 20; round++) {
    await driver.run();
    for (const { id, desiredState, status, nodeId } of driver.tasks()) {
      const node = driver.view.get('node', nodeId ?? '');
      if (node?.status.state !== 'ready') continue;
      if (desiredState === 'shutdown' && status.state === 'running') {
        await driver.setState(id, 'shutdown');
      } else if (desiredState === 'running' && status.state === 'pending') {
        if (node.spec.Availability !== 'active') continue;
        const timestamp = driver.clock.now();
        const runs = { state: 'running', timestamp, message: '', runningSince: timestamp } as const;
        await driver.changeTask(id, { status: runs });
      }
    }
    await driver.clock.advance(5_000);
  }
}

const progress = (): string | undefined => driver.view.get('service', 's')?.updateStatus?.state;

describe('a node that is asked for by what it is', () => {
  it.each<[string, (node: Node) => Partial<Node>]>([
    ['node.labels.zone==x', ({ spec }) => ({ spec: { ...spec, Labels: { zone: 'x' } } })],
    ['node.role==manager', () => ({ role: 'manager' })],
    ['node.ip==10.1.0.0/16', ({ status }) => ({ status: { ...status, address: '10.1.2.3:2377' } })],
    [
      'node.hostname==db',
      ({ description }) =>
        description === undefined ? {} : { description: { ...description, hostname: 'db' } },
    ],
  ])('by %s gets its task when it becomes that', async (constraint, change) => {
    await driver.addService(everywhere({ Placement: { Constraints: [constraint] } }));
    expect(await driver.run()).toEqual([]);
    await driver.changeNode('a', change);
    await driver.run();
    expect([on('a').length, on('b').length]).toEqual([1, 0]);
  });

  it('loses its task when it is that no more', async () => {
    const Placement = { Constraints: ['node.labels.off!=yes'] };
    await deployed(everywhere({ Placement }));
    await driver.changeNode('a', ({ spec }) => ({ spec: { ...spec, Labels: { off: 'yes' } } }));
    await driver.run();
    expect([wanted('a').length, wanted('b').length]).toEqual([0, 1]);
  });
});

describe('a node', () => {
  it('that is down keeps its task, and gets no second one when it is back', async () => {
    await deployed();
    const { id } = taskOn('a');
    await state('a', 'down');
    expect(await driver.run()).toEqual([]);
    await state('a', 'ready');
    expect(await driver.run()).toEqual([]);
    expect(taskOn('a').id).toBe(id);
  });

  it('whose task was given up while it was down gets another one when it is back', async () => {
    await deployed();
    const { id } = taskOn('a');
    await state('a', 'down');
    await driver.setState(id, 'orphaned');
    expect(await driver.run()).toEqual([]);
    await state('a', 'ready');
    await driver.run();
    expect(taskOn('a').replaces).toBe(id);
  });

  it('that is drained loses its task for good, and gets one when it is active again', async () => {
    await deployed();
    const { id } = taskOn('a');
    await available('a', 'drain');
    await driver.run();
    expect(driver.task(id).desiredState).toBe('remove');
    await driver.put(remove('task', id));
    expect(await driver.run()).toEqual([]);
    await available('a', 'active');
    await driver.run();
    expect(taskOn('a').id).not.toBe(id);
  });

  it('that comes while it is paused gets its task when it is active', async () => {
    await deployed();
    await driver.addNode('c', { availability: 'pause' });
    expect(await driver.run()).toEqual([]);
    await available('c', 'active');
    await driver.run();
    expect(wanted('c')).toHaveLength(1);
  });

  it('that is removed takes its task along', async () => {
    await deployed();
    const { id } = taskOn('a');
    await driver.put(remove('node', 'a'));
    await driver.run();
    expect(driver.task(id).desiredState).toBe('remove');
    expect(wanted('b')).toHaveLength(1);
  });

  it('whose task has done its work under its policy gets no other, whatever it becomes', async () => {
    await deployed(everywhere({ RestartPolicy: { Condition: 'none' } }));
    await driver.setState(taskOn('a').id, 'complete');
    await driver.run();
    await state('a', 'down');
    await driver.run();
    await state('a', 'ready');
    expect(await driver.run()).toEqual([]);
    expect([on('a').length, wanted('a').length]).toEqual([1, 0]);
  });
});

describe('an update', () => {
  it.each<[string, () => Promise<void>, () => Promise<void>]>([
    ['is down', () => state('a', 'down'), () => state('a', 'ready')],
    ['is paused', () => available('a', 'pause'), () => available('a', 'active')],
  ])('passes a node that %s over, and reaches it after that', async (_what, leave, comeBack) => {
    await deployed();
    const { id } = taskOn('a');
    await leave();
    await updated();
    await settle();
    expect(progress()).toBe('completed');
    expect([taskOn('a').id, taskOn('b').revisionId]).toEqual([id, 'q']);
    await comeBack();
    await settle();
    expect(taskOn('a')).toMatchObject({ revisionId: 'q', status: { state: 'running' } });
    expect([progress(), driver.task(id).status.state]).toEqual(['completed', 'shutdown']);
  });

  it('takes a node in that comes back while it goes on', async () => {
    await deployed();
    await available('a', 'pause');
    await updated();
    await driver.run();
    expect(taskOn('a').revisionId).toBe('r');
    await available('a', 'active');
    await settle();
    expect([progress(), taskOn('a').revisionId, taskOn('b').revisionId]).toEqual([
      'completed',
      'q',
      'q',
    ]);
  });

  it('gives a node that comes meanwhile the new task at once', async () => {
    await deployed();
    await updated();
    await driver.run();
    await driver.addNode('c');
    await driver.run();
    expect(taskOn('c').revisionId).toBe('q');
  });
});
