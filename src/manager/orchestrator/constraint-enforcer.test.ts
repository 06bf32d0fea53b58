// Which tasks have to leave a node that changed.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  create,
  update,
  type Node,
  type NodeDescription,
  type Service,
  type ServiceSpec,
  type Task,
} from '../../model/index.ts';
import { taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { ConstraintEnforcer } from './constraint-enforcer.ts';

let driver: LoopDriver;

const constrained = (...Constraints: readonly string[]): ServiceSpec =>
  aServiceSpec({
    TaskTemplate: { ContainerSpec: { Image: 'i' }, Placement: { Constraints: [...Constraints] } },
  });

beforeEach(async () => {
  driver = new LoopDriver(new ConstraintEnforcer());
  await driver.addNode('a', { labels: { zone: 'x' } });
});

const ENGINE = { version: 'test', labels: {}, plugins: [] };

/** A node that says so of itself. */
const described =
  (change: Partial<NodeDescription>) =>
  ({ description }: Node): Partial<Node> =>
    description === undefined ? {} : { description: { ...description, ...change } };

const label = (zone: string): Promise<void> =>
  driver.changeNode('a', ({ spec }) => ({ spec: { ...spec, Labels: { zone } } }));

function service(): Service {
  const found = driver.view.get('service', 's');
  if (found === undefined) throw new Error('no service');
  return found;
}

async function withTask(
  spec: ServiceSpec,
  state: Task['status']['state'] = 'running',
  more: Partial<Task> = {},
): Promise<void> {
  await driver.addService(spec);
  await driver.addTasks(taskIn('t', state, 'a', more));
  await driver.run();
}

const desired = (): string => driver.task('t').desiredState;

describe('a task', () => {
  it('goes when its node no longer satisfies its constraints, and says why', async () => {
    await withTask(constrained('node.labels.zone==x'));
    expect(desired()).toBe('running');
    await label('y');
    await driver.run();
    expect(driver.task('t')).toMatchObject({
      desiredState: 'shutdown',
      status: { state: 'running', message: 'node no longer satisfies the scheduling constraints' },
    });
  });

  it('stays when the change is nothing to it', async () => {
    await withTask(constrained('node.labels.zone!=z'));
    await label('y');
    expect(await driver.run()).toEqual([]);
  });

  it('without constraints stays whatever changes', async () => {
    await withTask(aServiceSpec());
    await label('y');
    expect(await driver.run()).toEqual([]);
  });

  it('goes when its node has another role', async () => {
    await withTask(constrained('node.role==worker'));
    await driver.changeNode('a', () => ({ role: 'manager' }));
    await driver.run();
    expect(desired()).toBe('shutdown');
  });

  it.each<[string, string, (node: Node) => Partial<Node>]>([
    ['a label of its engine', 'engine.labels.disk==ssd', described({ engine: ENGINE })],
    ['its host name', 'node.hostname==a', described({ hostname: 'other' })],
    [
      'its system',
      'node.platform.os==linux',
      described({ platform: { architecture: 'x86_64', os: 'windows' } }),
    ],
    [
      'its architecture',
      'node.platform.arch==x86_64',
      described({ platform: { architecture: 'aarch64', os: 'linux' } }),
    ],
    [
      'its address',
      'node.ip!=10.1.0.0/16',
      ({ status }) => ({ status: { ...status, address: '10.1.2.3:2377' } }),
    ],
  ])('goes when %s is another one: %s', async (_what, constraint, change) => {
    await driver.changeNode('a', described({ engine: { ...ENGINE, labels: { disk: 'ssd' } } }));
    await withTask(constrained(constraint));
    expect(desired()).toBe('running');
    await driver.changeNode('a', change);
    await driver.run();
    expect(desired()).toBe('shutdown');
  });

  it.each([
    [['node.labels.zone==x', 'node.role==worker'], 'running'],
    [['node.labels.zone==x', 'node.role==manager'], 'shutdown'],
    [['node.labels.zone!=x', 'node.role==worker'], 'shutdown'],
  ] as const)('has to satisfy all of %j: it is to be %s', async (constraints, expected) => {
    await withTask(constrained(...constraints));
    await driver.changeNode('a', ({ spec }) => ({ spec: { ...spec } }));
    await driver.run();
    expect(desired()).toBe(expected);
  });

  it('goes when a label is taken off, and stays where it must be missing', async () => {
    await withTask(constrained('node.labels.zone==x'));
    await driver.addTasks(
      taskIn('other', 'running', 'a', { slot: 2, serviceId: 'o', revisionId: 'o' }),
    );
    const spec = constrained('node.labels.zone!=x');
    await driver.put(create('revision', { id: 'o', serviceId: 'o', spec, ports: [] }));
    await driver.changeNode('a', (node) => ({ spec: { ...node.spec, Labels: {} } }));
    await driver.run();
    expect([desired(), driver.task('other').desiredState]).toEqual(['shutdown', 'running']);
  });

  it('whose revision is unknown is left alone', async () => {
    await withTask(constrained('node.labels.zone==x'), 'running', { revisionId: 'unknown' });
    await label('y');
    expect(await driver.run()).toEqual([]);
  });

  it.each(['pause', 'drain'] as const)(
    'without need to go stays on a node that is to %s: that is for the orchestrator',
    async (Availability) => {
      await withTask(constrained('node.labels.zone==x'));
      await driver.changeNode('a', ({ spec }) => ({ spec: { ...spec, Availability } }));
      expect(await driver.run()).toEqual([]);
    },
  );

  it.each(['assigned', 'preparing', 'ready', 'starting'] as const)(
    'goes as well while it is %s',
    async (state) => {
      await withTask(constrained('node.labels.zone==x'), state);
      await label('y');
      await driver.run();
      expect(desired()).toBe('shutdown');
    },
  );

  it.each(['pending', 'complete', 'failed'] as const)('that is %s is left alone', async (state) => {
    await withTask(constrained('node.labels.zone==x'), state);
    await label('y');
    expect(await driver.run()).toEqual([]);
  });

  it.each(['shutdown', 'remove'] as const)('that is to %s is told nothing more', async (state) => {
    await withTask(constrained('node.labels.zone==x'), 'running', { desiredState: state });
    await label('y');
    expect(await driver.run()).toEqual([]);
  });

  it('is found by a new leader', async () => {
    await withTask(constrained('node.labels.zone==x'));
    await label('y');
    driver.loop.reset(driver.view);
    await driver.run();
    expect(desired()).toBe('shutdown');
  });

  it('whose constraints can not be read stays, and keeps nothing from others', async () => {
    await withTask(constrained('nonsense'));
    await label('y');
    expect(await driver.run()).toEqual([]);
    expect(desired()).toBe('running');
  });
});

describe('a task of an older revision', () => {
  it('is under the constraints of today where nothing else has changed', async () => {
    await withTask(constrained('node.labels.zone==x'));
    await driver.put(
      update('service', {
        ...service(),
        spec: constrained('node.labels.zone==y'),
        revisionId: 'q',
      }),
    );
    await label('y');
    await driver.run();
    expect(desired()).toBe('running');
    await label('x');
    await driver.run();
    expect(desired()).toBe('shutdown');
  });
});

describe('the enforcer', () => {
  it('asks no more tasks at once than can be proposed', async () => {
    driver.budget = 10;
    await driver.addService(constrained('node.labels.zone==x'));
    await driver.addTasks(
      ...Array.from({ length: 35 }, (_, i) => taskIn(`t${i}`, 'running', 'a', { slot: i + 1 })),
    );
    await driver.run();
    driver.plans = 0;
    await label('y');
    expect(await driver.run()).toHaveLength(35);
    expect(driver.plans).toBeLessThan(7);
  });

  it('looks at no other node than the one that changed', async () => {
    await withTask(constrained('node.labels.zone==x'));
    await driver.addNode('b');
    await driver.run();
    const looked: string[] = [];
    const { view } = driver;
    const tasksOfNode = view.tasksOfNode.bind(view);
    view.tasksOfNode = (id) => {
      looked.push(id);
      return tasksOfNode(id);
    };
    await label('y');
    await driver.run();
    expect(new Set(looked)).toEqual(new Set(['a']));
  });

  it('asks again when it was refused', async () => {
    await withTask(constrained('node.labels.zone==x'));
    await label('y');
    const { transactions } = driver.plan();
    await driver.setState('t', 'running');
    for (const actions of transactions) {
      expect((await driver.store.tryPropose(actions)).ok).toBe(false);
    }
    expect(driver.plan().transactions).toEqual([]);
    driver.loop.refused?.(transactions);
    await driver.run();
    expect(desired()).toBe('shutdown');
  });

  it('reads the constraints of a revision once, however many tasks are under them', async () => {
    await driver.addService(constrained('node.labels.zone==x'));
    await driver.addTasks(
      ...Array.from({ length: 30 }, (_, i) => taskIn(`t${i}`, 'running', 'a', { slot: i + 1 })),
    );
    await driver.run();
    const revision = driver.view.get('revision', 'r');
    if (revision === undefined) throw new Error('no revision');
    let read = 0;
    const watched = new Proxy(revision, {
      get: (target, name): unknown => {
        if (name === 'spec') read++;
        return Reflect.get(target, name);
      },
    });
    const get = driver.view.get.bind(driver.view);
    driver.view.get = ((table: 'revision', id: string) =>
      table === 'revision' ? watched : get(table, id)) as typeof get;
    await label('x');
    await driver.run();
    expect(read).toBeLessThan(5);
  });

  it('forgets a node that goes', async () => {
    await driver.put({ kind: 'remove', table: 'node', id: 'a' });
    expect(await driver.run()).toEqual([]);
  });
});
