// Which of the nodes that fit a task gets: Docker's order, rule by rule, and what plays no part in it.
import { describe, expect, it } from 'vitest';
import type { Task } from '../model/index.ts';
import { taskIn } from '../../test/builders/cluster-objects.ts';
import {
  NOTHING,
  NOW,
  placeTasks,
  placedOn,
  recordOf,
  rulesOf,
  spreadOver,
  taskIds,
  type Placement,
  type Start,
} from '../../test/builders/placements.ts';
import { FAILURE_WINDOW_MS } from './node-record.ts';
import { GroupPlacer } from './scheduler.ts';

const labelled = (labels: Record<string, string>, more: Start = {}): Start => ({
  ...more,
  traits: { ...more.traits, labels },
});
const zone = (name: string, more: Start = {}): Start => labelled({ zone: name }, more);

/** The node of one task. */
const nodeOf = (starts: Readonly<Record<string, Start>>, placement: Placement = {}): string =>
  placedOn(starts, rulesOf(placement), 1);

describe('among nodes that fit', () => {
  it('what is reserved plays no part: the one with fewer tasks gets the next', () => {
    const records = [recordOf('a'), recordOf('b', { other: 2 })];
    records[0]?.take('large', 'other', { ...NOTHING, nanoCpus: 3e9, memoryBytes: 7e9 });
    const rules = rulesOf({}, { nanoCpus: 1e9 });
    expect([...placeTasks(records, rules, ['t'], NOW).placed.values()]).toEqual(['a']);
  });

  it('the size plays no part', () => {
    const large = { traits: { nanoCpus: 64e9, memoryBytes: 256e9 } };
    expect(placedOn({ a: {}, b: large }, rulesOf({}, { nanoCpus: 1e6 }), 8)).toBe('a:4 b:4');
  });

  it('tasks of other services count only where the service has as many', () => {
    expect(nodeOf({ a: { own: 1 }, b: { other: 100 } })).toBe('b:1');
    expect(nodeOf({ a: { own: 1, other: 1 }, b: { own: 1 } })).toBe('b:1');
  });

  it.each([
    ['assigned', true],
    ['preparing', true],
    ['starting', true],
    ['running', true],
    ['complete', false],
    ['shutdown', false],
    ['failed', false],
    ['rejected', false],
    ['orphaned', false],
  ] as const)('a task of the service that is %s counts: %j', (state, counts) => {
    const a = recordOf('a');
    a.put(taskIn('x', state, 'a'), NOTHING);
    const { placed } = placeTasks([a, recordOf('b', { other: 1 })], rulesOf(), ['t'], NOW);
    expect([...placed.values()]).toEqual([counts ? 'b' : 'a']);
  });

  it('a task that is to stop counts until it has', () => {
    const a = recordOf('a');
    a.put(taskIn('x', 'running', 'a', { desiredState: 'shutdown' }), NOTHING);
    const { placed } = placeTasks([a, recordOf('b', { other: 1 })], rulesOf(), ['t'], NOW);
    expect([...placed.values()]).toEqual(['b']);
  });
});

describe('a node where the revision failed', () => {
  it.each([
    [4, 'a:1'],
    [5, 'b:1'],
    [50, 'b:1'],
  ])('%i times lately gets the next task or not: %s', (failures, expected) => {
    expect(nodeOf({ a: { failures }, b: { own: 9, other: 9 } })).toBe(expected);
  });

  it('is still taken when there is no other', () => {
    expect(nodeOf({ a: { failures: 9 }, b: { traits: { availability: 'drain' } } })).toBe('a:1');
  });

  it('competes by its tasks with others like it', () => {
    const starts = { a: { failures: 9, own: 2 }, b: { failures: 5, own: 1 } };
    expect(placedOn(starts, rulesOf(), 3)).toBe('a:1 b:2');
  });

  it.each([
    ['of another revision', { revisionId: 'q' }, NOW - 1_000],
    ['of more than five minutes ago', {}, NOW - FAILURE_WINDOW_MS],
  ] as const)('is as good as any other after failures %s', (_which, more, time) => {
    const a = recordOf('a');
    for (let i = 0; i < 9; i++) a.put(taskIn(`x${i}`, 'failed', 'a', more, time), NOTHING);
    const { placed } = placeTasks([a, recordOf('b', { own: 1 })], rulesOf(), ['t'], NOW);
    expect([...placed.values()]).toEqual(['a']);
  });

  it.each<[Task['status']['state'], string]>([
    ['rejected', 'b'],
    ['complete', 'a'],
    ['shutdown', 'a'],
    ['orphaned', 'a'],
  ])('is one where tasks are %s: the next goes to %s', (state, expected) => {
    const a = recordOf('a');
    for (let i = 0; i < 9; i++) a.put(taskIn(`x${i}`, state, 'a', {}, NOW - 1_000), NOTHING);
    const { placed } = placeTasks([a, recordOf('b', { own: 1 })], rulesOf(), ['t'], NOW);
    expect([...placed.values()]).toEqual([expected]);
  });
});

describe('tasks that are spread', () => {
  it('are as many in a branch of one node as in one of many', () => {
    const nodes = { a: zone('x'), b: zone('y'), c: zone('y'), d: zone('z'), e: zone('z') };
    expect(placedOn(nodes, rulesOf(spreadOver('zone')), 12)).toBe('a:4 b:2 c:2 d:2 e:2');
  });

  it('go by labels of engines as well', () => {
    const disk = (value: string): Start => ({ traits: { engineLabels: { disk: value } } });
    const Preferences = [{ Spread: { SpreadDescriptor: 'engine.labels.disk' } }];
    const nodes = { a: disk('ssd'), b: disk('hdd'), c: disk('hdd') };
    expect(placedOn(nodes, rulesOf({ Preferences }), 4)).toBe('a:2 b:1 c:1');
  });

  it('form no branch of nodes that do not fit', () => {
    const nodes = {
      a: zone('x'),
      b: zone('y', { traits: { availability: 'pause' } }),
      c: zone('z'),
    };
    expect(placedOn(nodes, rulesOf(spreadOver('zone')), 4)).toBe('a:2 c:2');
  });

  it('over a label that no node has go as if they were not spread', () => {
    const nodes = { a: { own: 1 }, b: {}, c: {} };
    expect(placedOn(nodes, rulesOf(spreadOver('zone')), 5)).toBe('a:1 b:2 c:2');
  });

  it('go by the first preference before the second, however uneven the second gets', () => {
    const nodes = {
      a: labelled({ zone: 'x', rack: '1' }),
      b: labelled({ zone: 'y', rack: '1' }),
      c: labelled({ zone: 'y', rack: '2' }),
    };
    expect(placedOn(nodes, rulesOf(spreadOver('zone', 'rack')), 4)).toBe('a:2 b:1 c:1');
    expect(placedOn(nodes, rulesOf(spreadOver('rack', 'zone')), 4)).toBe('a:1 b:1 c:2');
  });

  it('go by three preferences, each within the one before', () => {
    const at = (...[z, rack, row]: [string, string, string]): Start =>
      labelled({ zone: z, rack, row });
    const nodes = {
      a: at('x', '1', '1'),
      b: at('x', '1', '2'),
      c: at('x', '2', '1'),
      d: at('y', '1', '1'),
    };
    const rules = rulesOf(spreadOver('zone', 'rack', 'row'));
    expect(placedOn(nodes, rules, 8)).toBe('a:1 b:1 c:2 d:4');
  });

  it('go on in the other branches when one has no room', () => {
    const nodes = { a: zone('x', { traits: { nanoCpus: 1e9 } }), b: zone('y') };
    expect(placedOn(nodes, rulesOf(spreadOver('zone'), { nanoCpus: 1e9 }), 5)).toBe('a:1 b:4');
  });

  it('make up for what other services do not: their tasks count in no branch', () => {
    const nodes = { a: zone('x', { other: 50 }), b: zone('y', { own: 1 }) };
    expect(nodeOf(nodes, spreadOver('zone'))).toBe('a:1');
  });
});

describe('a group that does not fit as a whole', () => {
  it('is placed as far as it fits, and the rest is told why', () => {
    const records = [recordOf('a'), recordOf('b', { traits: { nanoCpus: 1e9 } })];
    const rules = rulesOf({}, { nanoCpus: 2e9 });
    const { placed, explanation } = placeTasks(records, rules, taskIds(5), NOW);
    expect([...placed.values()]).toEqual(['a', 'a']);
    expect(explanation).toBe('no suitable node (insufficient resources on 2 nodes)');
  });

  it('is told of nodes that were full before, and of those that it filled itself', () => {
    const records = [
      recordOf('a'),
      recordOf('b', { own: 1 }),
      recordOf('c', { traits: { state: 'down' } }),
    ];
    const { placed, explanation } = placeTasks(
      records,
      rulesOf({ MaxReplicas: 1 }),
      taskIds(2),
      NOW,
    );
    expect([...placed.values()]).toEqual(['a']);
    expect(explanation).toBe(
      'no suitable node (1 node not available for new tasks; ' +
        'max replicas per node limit exceed on 2 nodes)',
    );
  });

  it('takes nothing from a node for tasks that were not placed', () => {
    const record = recordOf('a');
    placeTasks([record], rulesOf({}, { memoryBytes: 3e9 }), taskIds(9), NOW);
    expect([record.taskCount, record.freeMemoryBytes]).toEqual([2, 2e9]);
  });

  it('never drives other services out', () => {
    const record = recordOf('a');
    record.take('theirs', 'other', { ...NOTHING, nanoCpus: 4e9 });
    const { placed } = placeTasks([record], rulesOf({}, { nanoCpus: 1e9 }), ['t'], NOW);
    expect([placed.size, record.tasksOf('other')]).toEqual([0, 1]);
  });
});

describe('a placer that goes on', () => {
  it('looks at the nodes again after ten seconds, and when the clock went back', () => {
    const a = recordOf('a', { own: 3 });
    const nodes = { records: [a, recordOf('b')], version: 0 };
    const placer = new GroupPlacer(rulesOf());
    const next = (id: string, now: number): string[] => [
      ...placer.place(nodes, [id], now).placed.values(),
    ];
    expect(next('t0', NOW)).toEqual(['b']);
    // Unsaid, so that only a fresh look can find it.
    for (let i = 0; i < 3; i++) a.remove(`a-own${i}`);
    expect(next('t1', NOW + 9_999)).toEqual(['b']);
    expect(next('t2', NOW + 10_000)).toEqual(['a']);
    a.remove('t2');
    a.take('b-like', 's', NOTHING);
    a.take('b-like-too', 's', NOTHING);
    a.take('b-like-as-well', 's', NOTHING);
    expect(next('t3', NOW)).toEqual(['b']);
  });

  it('places nobody on a node that is full since, and says so', () => {
    const nodes = { records: [recordOf('a')], version: 0 };
    const placer = new GroupPlacer(rulesOf({ MaxReplicas: 1 }));
    expect(placer.place(nodes, ['t0'], NOW).explanation).toBeUndefined();
    expect(placer.place(nodes, ['t1'], NOW)).toEqual({
      placed: new Map(),
      explanation: 'no suitable node (max replicas per node limit exceed on 1 node)',
    });
  });

  it('tells others of what it placed, and nothing where it placed nothing', () => {
    const nodes = { records: [recordOf('a')], version: 5 };
    const placer = new GroupPlacer(rulesOf({ MaxReplicas: 1 }));
    placer.place(nodes, [], NOW);
    expect(nodes.version).toBe(5);
    placer.place(nodes, ['t0'], NOW);
    expect(nodes.version).toBe(6);
    placer.place(nodes, ['t1'], NOW);
    expect(nodes.version).toBe(6);
  });
});
