// Records of nodes that are kept up with the store say what a look at the whole store says.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { create, remove, update, type Task } from '../../model/index.ts';
import { aRevision, taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { Faults, type ControlLoop } from '../loops/index.ts';
import { NodeTable } from './node-table.ts';

const BUDGET = { transactions: 1, spent: () => false };
const SLOWLY = { transactions: 1, spent: () => true };

/** A loop that does nothing but keep a table. */
class Keeper implements ControlLoop {
  readonly name = 'keeper';
  table: NodeTable | undefined;

  reset(view: Parameters<ControlLoop['reset']>[0]): void {
    this.table = new NodeTable(view, new Faults());
  }

  observe(change: Parameters<ControlLoop['observe']>[0]): void {
    if (change.table === 'task') this.table?.observeTask(change.before, change.after);
    if (change.table === 'node') this.table?.observeNode(change.before, change.after);
  }

  plan(): { transactions: []; more: false } {
    return { transactions: [], more: false };
  }
}

async function aWorld(...nodes: readonly string[]) {
  const keeper = new Keeper();
  const driver = new LoopDriver(keeper);
  const spec = aServiceSpec({
    TaskTemplate: {
      ContainerSpec: { Image: 'i' },
      Resources: { Reservations: { NanoCPUs: 1e9, MemoryBytes: 1e9 } },
    },
  });
  const { ports } = aRevision('r');
  await driver.put(create('revision', { id: 'r', serviceId: 's', spec, ports }));
  await driver.addNodes(...nodes);
  const { table } = keeper;
  if (table === undefined) throw new Error('no table');
  return { driver, table };
}

const summary = (table: NodeTable): Record<string, unknown> =>
  Object.fromEntries(
    [...table.records]
      .map((record) => [
        record.node.id,
        [
          record.taskCount,
          record.tasksOf('s'),
          record.freeNanoCpus,
          record.freeMemoryBytes,
          record.node.spec.Availability,
        ],
      ])
      .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
  );

describe('a table of nodes', () => {
  it('has no node before it was read', async () => {
    const { table } = await aWorld('a');
    expect([table.get('a'), [...table.records]]).toEqual([undefined, []]);
    expect(table.read(BUDGET)).toBe(true);
    expect(table.get('a')?.taskCount).toBe(0);
  });

  it('reads one node after another when it has to', async () => {
    const { table } = await aWorld('a', 'b', 'c');
    expect([table.read(SLOWLY), table.read(SLOWLY), table.read(SLOWLY)]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it('counts a task that came before its node was read, once', async () => {
    const { driver, table } = await aWorld('a');
    await driver.addTasks(taskIn('t', 'running', 'a'));
    table.read(BUDGET);
    await driver.setState('t', 'running');
    expect(table.get('a')).toMatchObject({ taskCount: 1, freeNanoCpus: 3e9 });
  });

  it('forgets a node that goes, and knows it again with its tasks', async () => {
    const { driver, table } = await aWorld('a');
    await driver.addTasks(taskIn('t', 'running', 'a'));
    table.read(BUDGET);
    await driver.put(remove('node', 'a'));
    expect(table.get('a')).toBeUndefined();
    await driver.addNode('a');
    table.read(BUDGET);
    expect(table.get('a')?.taskCount).toBe(1);
  });

  it('has another version after each change that placements go by, and no other', async () => {
    const { driver, table } = await aWorld('a');
    table.read(BUDGET);
    const changes: boolean[] = [];
    const did = async (change: Promise<void>): Promise<void> => {
      const { version } = table;
      await change;
      changes.push(table.version !== version);
    };
    await did(driver.addTasks(taskIn('t', 'pending', undefined)));
    await did(driver.changeTask('t', { nodeId: 'a', status: taskIn('t', 'assigned', 'a').status }));
    await did(driver.setState('t', 'preparing'));
    await did(driver.setState('t', 'running'));
    await did(driver.changeTask('t', { desiredState: 'shutdown' }));
    await did(driver.setState('t', 'failed'));
    await did(driver.put(remove('task', 't')));
    await did(driver.changeNode('a', () => ({ role: 'manager' })));
    expect(changes).toEqual([false, true, false, false, false, true, true, true]);
  });

  it('gives back what a plan took and did not get', async () => {
    const { driver, table } = await aWorld('a');
    table.read(BUDGET);
    await driver.addTasks(
      taskIn('got', 'pending', undefined, { slot: 1 }),
      taskIn('lost', 'pending', undefined, { slot: 2 }),
    );
    const record = table.get('a');
    const demand = { nanoCpus: 1e9, memoryBytes: 1e9, hostPorts: [] };
    for (const id of ['got', 'lost', 'removed']) {
      record?.take(id, 's', demand);
      table.given(id, 'a');
    }
    await driver.changeTask('got', { nodeId: 'a', status: taskIn('t', 'assigned', 'a').status });
    table.settle();
    expect([record?.taskCount, record?.freeNanoCpus]).toEqual([1, 3e9]);
    table.settle();
    expect(record?.taskCount).toBe(1);
  });

  it('leaves out a node that can not be read until it changes, and says so once', async () => {
    const { driver } = await aWorld('a', 'b');
    const { view } = driver;
    const tasksOfNode = view.tasksOfNode.bind(view);
    view.tasksOfNode = (id) => {
      if (id === 'a') throw new Error('no sense');
      return tasksOfNode(id);
    };
    const faults = new Faults();
    const table = new NodeTable(view, faults);
    expect(table.read(BUDGET)).toBe(true);
    expect([table.get('a'), table.get('b')?.taskCount]).toEqual([undefined, 0]);
    expect(faults.takeFresh()).toEqual([{ object: 'node a', error: 'no sense' }]);
    view.tasksOfNode = tasksOfNode;
    table.read(BUDGET);
    expect(table.get('a')).toBeUndefined();
    const node = view.get('node', 'a');
    table.observeNode(node, node);
    table.read(BUDGET);
    expect([table.get('a')?.taskCount, faults.has('node a')]).toEqual([0, false]);
  });

  it('does not take a node away for a task of which it can not tell what it takes', async () => {
    const { driver, table } = await aWorld('a');
    const { view } = driver;
    const get = view.get.bind(view);
    // As an older version of the program may have stored it.
    const odd = { ...aRevision('odd'), spec: {} };
    view.get = ((name: 'revision', id: string) =>
      id === 'odd' && name === 'revision' ? odd : get(name, id)) as typeof get;
    await driver.addTasks(
      taskIn('odd', 'running', 'a', { revisionId: 'odd' }),
      taskIn('unknown', 'running', 'a', { revisionId: 'unknown', slot: 2 }),
      taskIn('sound', 'running', 'a', { slot: 3 }),
    );
    table.read(BUDGET);
    expect(table.get('a')).toMatchObject({ taskCount: 3, freeNanoCpus: 3e9 });
  });

  it('follows a task that moves from one node to another', async () => {
    const { driver, table } = await aWorld('a', 'b');
    table.read(BUDGET);
    await driver.addTasks(taskIn('t', 'running', 'a'));
    await driver.changeTask('t', { nodeId: 'b' });
    expect([table.get('a')?.taskCount, table.get('b')?.taskCount]).toEqual([0, 1]);
  });

  it('says what a new one says, whatever happened', async () => {
    const random = new Prng('table');
    const { driver, table } = await aWorld('a', 'b', 'c');
    const states: readonly Task['status']['state'][] = [
      'pending',
      'assigned',
      'running',
      'failed',
      'shutdown',
    ];
    for (let step = 0; step < 400; step++) {
      const id = `t${random.below(20)}`;
      const known = driver.view.get('task', id);
      const nodeId = ['a', 'b', 'c'][random.below(3)] ?? 'a';
      const state = states[random.below(states.length)] ?? 'pending';
      if (known === undefined) {
        await driver.addTasks(taskIn(id, state, state === 'pending' ? undefined : nodeId));
      } else if (random.below(4) === 0) await driver.put(remove('task', id));
      else {
        const status = { state, timestamp: 0, message: '' };
        await driver.put(update('task', { ...known, nodeId: known.nodeId ?? nodeId, status }));
      }
      if (random.below(20) === 0) {
        const Availability = random.below(2) === 0 ? 'active' : 'drain';
        await driver.changeNode(nodeId, ({ spec }) => ({ spec: { ...spec, Availability } }));
      }
      if (random.below(10) === 0) table.read(random.below(2) === 0 ? BUDGET : SLOWLY);
      if (step % 40 !== 39) continue;
      table.read(BUDGET);
      const anew = new NodeTable(driver.view, new Faults());
      anew.read(BUDGET);
      expect(summary(table)).toEqual(summary(anew));
    }
  });
});
