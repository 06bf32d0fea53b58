// The store's indexes: what they give after objects came, changed and went.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { compareAge, slotKey, type Revision, type Task } from '../../model/index.ts';
import { TableSet } from './tables.ts';

const META = { version: 1, createdAt: 0, updatedAt: 0 };

function aTask(id: string, more: Partial<Task> = {}): Task {
  return {
    ...META,
    id,
    serviceId: 's',
    revisionId: 'r',
    slot: 1,
    createdIndex: 1,
    desiredState: 'running',
    status: { state: 'new', timestamp: 0, message: '' },
    networks: [],
    ...more,
  };
}

const aRevision = (id: string, serviceId: string): Revision => ({
  ...META,
  id,
  serviceId,
  spec: { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'i' } }, Mode: {} },
  ports: [],
});

const ids = (objects: Iterable<{ readonly id: string }>): string[] =>
  [...objects].map(({ id }) => id);

describe('tasks by slot', () => {
  it('are the oldest first, however they came', () => {
    const tables = new TableSet();
    for (const [id, createdIndex] of [
      ['c', 7],
      ['a', 3],
      ['d', 7],
      ['b', 5],
    ] as const) {
      tables.put('task', aTask(id, { createdIndex }));
    }
    expect(ids(tables.slotsOfService('s').get('1') ?? [])).toEqual(['a', 'b', 'c', 'd']);
  });

  it('are listed by node where the service is global', () => {
    const tables = new TableSet();
    tables.put('task', aTask('a', { slot: 0, nodeId: 'n1' }));
    tables.put('task', aTask('b', { slot: 0, nodeId: 'n2' }));
    expect([...tables.slotsOfService('s').keys()]).toEqual(['n1', 'n2']);
  });

  it('are a list that its reader may keep', () => {
    const tables = new TableSet();
    tables.put('task', aTask('a'));
    const kept = tables.slotsOfService('s').get('1');
    tables.put('task', aTask('a', { desiredState: 'shutdown' }));
    tables.put('task', aTask('b', { createdIndex: 2 }));
    expect(kept?.map(({ desiredState }) => desiredState)).toEqual(['running']);
    expect(ids(tables.slotsOfService('s').get('1') ?? [])).toEqual(['a', 'b']);
  });

  it('are nothing for a service without tasks', () => {
    const tables = new TableSet();
    tables.put('task', aTask('a'));
    tables.drop('task', 'a');
    expect(tables.slotsOfService('s').size).toBe(0);
    expect([...tables.servicesWithTasks()]).toEqual([]);
    expect([...tables.tasksOfService('s')]).toEqual([]);
  });
});

describe('all indexes of tasks', () => {
  it('say what a look at all tasks says, whatever happened', () => {
    const random = new Prng('tables');
    const tables = new TableSet();
    const pick = (names: readonly string[]): string => names[random.below(names.length)] ?? '';
    for (let step = 0; step < 3_000; step++) {
      const id = `t${random.below(40)}`;
      if (random.below(4) === 0) tables.drop('task', id);
      else {
        const nodeId = random.below(3) === 0 ? undefined : pick(['n1', 'n2']);
        const networks = random.below(2) === 0 ? [] : [pick(['x', 'y'])];
        const known = tables.get('task', id);
        tables.put(
          'task',
          aTask(id, {
            serviceId: pick(['s', 'other']),
            revisionId: pick(['r', 'q']),
            slot: random.below(4),
            createdIndex: known?.createdIndex ?? step,
            networks: networks.map((networkId) => ({ networkId, aliases: [], addresses: [] })),
            ...(nodeId === undefined ? {} : { nodeId }),
          }),
        );
      }
      if (step % 50 === 0) check(tables);
    }
    check(tables);
  });

  function check(tables: TableSet): void {
    const all = [...tables.all('task')];
    const matching = (test: (task: Task) => boolean): string[] => ids(all.filter(test)).sort();
    for (const serviceId of ['s', 'other']) {
      const own = all.filter((task) => task.serviceId === serviceId);
      expect(ids(tables.tasksOfService(serviceId)).sort()).toEqual(ids(own).sort());
      for (const [key, tasks] of tables.slotsOfService(serviceId)) {
        const expected = own.filter((task) => slotKey(task) === key).toSorted(compareAge);
        expect(tasks).toEqual(expected);
      }
      expect(new Set(tables.slotsOfService(serviceId).keys())).toEqual(new Set(own.map(slotKey)));
    }
    for (const nodeId of ['n1', 'n2']) {
      expect(ids(tables.tasksOfNode(nodeId)).sort()).toEqual(
        matching((task) => task.nodeId === nodeId),
      );
    }
    for (const networkId of ['x', 'y']) {
      expect(ids(tables.tasksOfNetwork(networkId)).sort()).toEqual(
        matching((task) => task.networks.some((one) => one.networkId === networkId)),
      );
    }
    for (const revisionId of ['r', 'q']) {
      const count = matching((task) => task.revisionId === revisionId).length;
      expect(tables.tasksOfRevision(revisionId)).toBe(count);
    }
  }
});

describe('revisions', () => {
  it('are found by their service until they go', () => {
    const tables = new TableSet();
    tables.put('revision', aRevision('r1', 's'));
    tables.put('revision', aRevision('r2', 's'));
    tables.put('revision', aRevision('r3', 'other'));
    expect(ids(tables.revisionsOfService('s'))).toEqual(['r1', 'r2']);
    tables.drop('revision', 'r1');
    tables.drop('revision', 'r3');
    expect(ids(tables.revisionsOfService('s'))).toEqual(['r2']);
    expect([...tables.servicesWithRevisions()]).toEqual(['s']);
  });
});

describe('a frozen table', () => {
  it('does not show what was written since', () => {
    const tables = new TableSet();
    tables.put('task', aTask('a'));
    const frozen = tables.freeze('task');
    tables.put('task', aTask('b'));
    tables.drop('task', 'a');
    expect(ids(frozen)).toEqual(['a']);
  });
});

describe('cleared tables', () => {
  it('have nothing in any index', () => {
    const tables = new TableSet();
    tables.put('task', aTask('a', { nodeId: 'n1' }));
    tables.put('revision', aRevision('r1', 's'));
    tables.clear();
    expect([tables.count('task'), tables.tasksOfRevision('r')]).toEqual([0, 0]);
    expect([...tables.tasksOfNode('n1'), ...tables.servicesWithTasks()]).toEqual([]);
    expect([...tables.servicesWithRevisions()]).toEqual([]);
  });
});
