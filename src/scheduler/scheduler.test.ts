// Where tasks go: the rules in small worlds, the same as by looking at all nodes for each task, and how
// much is looked at.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { valueOf } from '../model/index.ts';
import { aNode } from '../../test/builders/cluster-objects.ts';
import {
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
import { NodeRecord } from './node-record.ts';
import { GroupPlacer, fits, type PlacementRules } from './scheduler.ts';

describe('tasks of a service', () => {
  it('go evenly over all nodes', () => {
    expect(placedOn({ a: {}, b: {}, c: {} }, rulesOf(), 7)).toBe('a:3 b:2 c:2');
  });

  it('go where the service has fewest, whatever else runs there', () => {
    expect(placedOn({ a: { own: 2 }, b: { own: 1, other: 50 }, c: {} }, rulesOf(), 3)).toBe(
      'b:1 c:2',
    );
  });

  it('go where fewest tasks are among nodes with as many of the service', () => {
    expect(placedOn({ a: { other: 2 }, b: { other: 1 } }, rulesOf(), 1)).toBe('b:1');
  });

  it('go to the node with the lowest id when all else is the same', () => {
    expect(placedOn({ b: {}, c: {}, a: {} }, rulesOf(), 1)).toBe('a:1');
  });

  it('avoid a node where they keep failing, until there is no other', () => {
    expect(placedOn({ a: { failures: 5 }, b: { own: 20 } }, rulesOf(), 3)).toBe('b:3');
    expect(placedOn({ a: { failures: 5 }, b: { own: 20 } }, rulesOf({ MaxReplicas: 21 }), 3)).toBe(
      'a:2 b:1',
    );
  });

  it('are placed in their order until nothing is left', () => {
    const records = [recordOf('a'), recordOf('b')];
    const { placed, explanation } = placeTasks(
      records,
      rulesOf({ MaxReplicas: 1 }),
      taskIds(3),
      NOW,
    );
    expect([...placed]).toEqual([
      ['t0', 'a'],
      ['t1', 'b'],
    ]);
    expect(explanation).toBe('no suitable node (max replicas per node limit exceed on 2 nodes)');
  });

  it('fill nodes of different size to the brim and no further', () => {
    const big = { traits: { nanoCpus: 4e9 } };
    const small = { traits: { nanoCpus: 1e9 } };
    expect(placedOn({ a: small, b: big }, rulesOf({}, { nanoCpus: 1e9 }), 9)).toBe('a:1 b:4');
  });

  it('that need a host port get one node each', () => {
    const rules = rulesOf({}, { hostPorts: ['tcp/80'] });
    expect(placedOn({ a: {}, b: {}, c: {} }, rules, 5)).toBe('a:1 b:1 c:1');
  });

  it('need no reason when there are none', () => {
    expect(placeTasks([], rulesOf(), [], NOW)).toEqual({
      placed: new Map(),
      explanation: undefined,
    });
  });

  it('are on their nodes afterwards', () => {
    const record = recordOf('a');
    placeTasks([record], rulesOf({}, { nanoCpus: 1e9 }), taskIds(2), NOW);
    expect([record.taskCount, record.tasksOf('s'), record.freeNanoCpus]).toEqual([2, 2, 2e9]);
  });
});

describe('a preference', () => {
  const zone = (name: string): Start => ({ traits: { labels: { zone: name } } });
  const rack = (name: string, inner: string, own = 0): Start => ({
    own,
    traits: { labels: { zone: name, rack: inner } },
  });

  it('spreads over the values of a label and not over nodes', () => {
    const nodes = { a: zone('x'), b: zone('y'), c: zone('y'), d: zone('y') };
    expect(placedOn(nodes, rulesOf(spreadOver('zone')), 6)).toBe('a:3 b:1 c:1 d:1');
  });

  it('makes a branch of the nodes without the label', () => {
    expect(placedOn({ a: zone('x'), b: {}, c: {} }, rulesOf(spreadOver('zone')), 4)).toBe(
      'a:2 b:1 c:1',
    );
  });

  it('counts what runs already', () => {
    const nodes = { a: { ...zone('x'), own: 3 }, b: zone('y') };
    expect(placedOn(nodes, rulesOf(spreadOver('zone')), 3)).toBe('b:3');
  });

  it('comes before the number of tasks in all, and before failures', () => {
    const nodes = { a: { ...zone('x'), failures: 5, other: 9 }, b: zone('y'), c: zone('y') };
    expect(placedOn(nodes, rulesOf(spreadOver('zone')), 2)).toBe('a:1 b:1');
  });

  it('is followed by the next within each branch', () => {
    const nodes = {
      a: rack('x', '1'),
      b: rack('x', '1'),
      c: rack('x', '2'),
      d: rack('y', '1'),
    };
    expect(placedOn(nodes, rulesOf(spreadOver('zone', 'rack')), 8)).toBe('a:1 b:1 c:2 d:4');
  });

  it('leaves a branch that is full, and its tasks count no more', () => {
    const nodes = { a: zone('x'), b: zone('y'), c: zone('y') };
    const rules = rulesOf({ ...spreadOver('zone'), MaxReplicas: 2 });
    expect(placedOn(nodes, rules, 9)).toBe('a:2 b:2 c:2');
  });

  it('of a kind that is not known is as if it were not there', () => {
    const rules = rulesOf({ Preferences: [{}] });
    expect(placedOn({ a: {}, b: {} }, rules, 2)).toBe('a:1 b:1');
  });
});

/**
 * The scheduler as it was first written: looks at every node for every task. `records` are in the order
 * of their branches, which decides ties.
 */
function placeSlowly(
  records: readonly NodeRecord[],
  rules: PlacementRules,
  descriptors: readonly string[],
  ids: readonly string[],
): Map<string, string> {
  const fitting = new Set(records.filter((record) => fits(record, rules)));
  const placed = new Map<string, string>();
  for (const id of ids) {
    let left = [...fitting];
    for (const descriptor of descriptors) {
      const branches = new Map<string, NodeRecord[]>();
      for (const record of left) {
        const value = valueOf(record.node, descriptor);
        branches.set(value, [...(branches.get(value) ?? []), record]);
      }
      let fewest = Infinity;
      for (const branch of branches.values()) {
        const count = branch.reduce((sum, record) => sum + record.tasksOf('s'), 0);
        if (count < fewest) [fewest, left] = [count, branch];
      }
    }
    const [best] = left.toSorted(
      (a, b) =>
        Number(a.avoids('r', NOW)) - Number(b.avoids('r', NOW)) ||
        a.tasksOf('s') - b.tasksOf('s') ||
        a.taskCount - b.taskCount ||
        (a.node.id < b.node.id ? -1 : 1),
    );
    if (best === undefined) break;
    best.take(id, 's', rules.demand);
    if (!fits(best, rules)) fitting.delete(best);
    placed.set(id, best.node.id);
  }
  return placed;
}

describe('any group in any cluster', () => {
  it('is placed as by looking at all nodes for each task', () => {
    const random = new Prng('placements');
    const chance = (percent: number): boolean => random.below(100) < percent;
    for (let round = 0; round < 400; round++) {
      const labels = ['zone', 'rack', 'row'].slice(0, random.below(4));
      const starts = Array.from({ length: random.below(15) }, (_, i): [string, Start] => [
        `n${String(random.below(1000)).padStart(4, '0')}-${i}`,
        {
          own: random.below(4),
          other: random.below(4),
          failures: chance(20) ? 5 : random.below(5),
          traits: {
            labels: Object.fromEntries(
              ['zone', 'rack', 'row']
                .filter(() => chance(80))
                .map((name) => [name, `v${random.below(3)}`]),
            ),
            availability: chance(90) ? 'active' : 'drain',
            nanoCpus: random.below(6) * 1e9,
          },
        },
      ]);
      const values = (node: NodeRecord['node']): string[] =>
        labels.map((label) => node.spec.Labels?.[label] ?? '');
      const records = (): NodeRecord[] =>
        starts
          .map(([id, start]) => recordOf(id, start))
          .sort((a, b) => (values(a.node).join('\0') < values(b.node).join('\0') ? -1 : 1));
      const rules = rulesOf(
        {
          ...spreadOver(...labels),
          ...(chance(30) ? { MaxReplicas: 1 + random.below(5) } : {}),
          ...(chance(20) ? { Constraints: ['node.labels.zone!=v1'] } : {}),
        },
        {
          nanoCpus: chance(40) ? 1e9 : 0,
          hostPorts: chance(10) ? ['tcp/80'] : [],
        },
      );
      const ids = taskIds(random.below(40));
      const { placed } = placeTasks(records(), rules, ids, NOW);
      const descriptors = labels.map((label) => `node.labels.${label}`);
      expect([...placed], `round ${round}`).toEqual([
        ...placeSlowly(records(), rules, descriptors, ids),
      ]);
    }
  });
});

describe('a placer', () => {
  it('goes on as if all had been placed at once', () => {
    const records = (): NodeRecord[] =>
      ['a', 'b', 'c'].map((id) => recordOf(id, { own: id.charCodeAt(0) % 2 }));
    const together = placeTasks(records(), rulesOf(), taskIds(10), NOW).placed;
    const placer = new GroupPlacer(rulesOf());
    const nodes = { records: records(), version: 7 };
    const apart = taskIds(10).flatMap((id) => [...placer.place(nodes, [id], NOW).placed]);
    expect(apart).toEqual([...together]);
  });

  it('looks at the nodes again when something else has changed', () => {
    const a = recordOf('a', { own: 3 });
    const nodes = { records: [a, recordOf('b')], version: 0 };
    const placer = new GroupPlacer(rulesOf());
    placer.place(nodes, ['t0'], NOW);
    for (let i = 0; i < 3; i++) a.remove(`a-own${i}`);
    nodes.version++;
    expect([...placer.place(nodes, ['t1'], NOW).placed.values()]).toEqual(['a']);
  });

  it('sees what another group took', () => {
    const nodes = { records: [recordOf('a'), recordOf('b')], version: 0 };
    const demand = { nanoCpus: 4e9 };
    const one = new GroupPlacer(rulesOf({}, demand));
    const other = new GroupPlacer(rulesOf({}, demand));
    const placed = [one, other, one].map((placer, i) => [
      ...placer.place(nodes, [`t${i}`], NOW).placed.values(),
    ]);
    expect(placed).toEqual([['a'], ['b'], []]);
  });

  it('forgets failures in time', () => {
    const nodes = {
      records: [recordOf('a', { failures: 5 }), recordOf('b', { own: 1 })],
      version: 0,
    };
    const placer = new GroupPlacer(rulesOf());
    expect([...placer.place(nodes, ['t0'], NOW).placed.values()]).toEqual(['b']);
    const later = NOW + 5 * 60_000;
    expect([...placer.place(nodes, ['t1'], later).placed.values()]).toEqual(['a']);
  });

  it.each([
    [{}, {}, false],
    [{ Constraints: ['node.id==a'] }, {}, false],
    [{ MaxReplicas: 1 }, {}, true],
    [{}, { nanoCpus: 1 }, true],
    [{}, { hostPorts: ['tcp/80'] }, true],
  ])('knows for %j and %j whether the end of a task can make room', (placement, demand, makes) => {
    expect(new GroupPlacer(rulesOf(placement, demand)).canMakeRoom).toBe(makes);
  });
});

describe('the work of placing', () => {
  /** How often a node's tasks of the service are asked for, beyond once for each node. */
  function looks(nodes: number, tasks: number, placement: Placement = {}): number {
    let looked = 0;
    class Watched extends NodeRecord {
      override tasksOf(serviceId: string): number {
        looked++;
        return super.tasksOf(serviceId);
      }
    }
    const records = Array.from({ length: nodes }, (_, i) => {
      const labels = { zone: `z${i % 10}` };
      return new Watched(aNode(`n${i}`, { labels }));
    });
    const { placed } = placeTasks(records, rulesOf(placement), taskIds(tasks), NOW);
    expect(placed.size).toBe(tasks);
    return looked - nodes;
  }

  it('of a task does not grow with the number of nodes', () => {
    expect(looks(100, 1_000)).toBe(looks(3_000, 1_000));
    expect(looks(3_000, 1_000)).toBeLessThanOrEqual(1_000);
  });

  it('of a task does not grow with the number of nodes when it is spread', () => {
    const spread = spreadOver('zone');
    expect(looks(100, 1_000, spread)).toBe(looks(3_000, 1_000, spread));
  });

  it('of further tasks asks no node again while nothing else changes', () => {
    let looked = 0;
    class Watched extends NodeRecord {
      override tasksOf(serviceId: string): number {
        looked++;
        return super.tasksOf(serviceId);
      }
    }
    const records = Array.from({ length: 500 }, (_, i) => new Watched(aNode(`n${i}`)));
    const nodes = { records, version: 0 };
    const placer = new GroupPlacer(rulesOf());
    placer.place(nodes, ['first'], NOW);
    looked = 0;
    for (let i = 0; i < 50; i++) placer.place(nodes, [`t${i}`], NOW);
    // A record counts its own tasks once for each that it takes.
    expect(looked).toBe(50);
  });

  it('asks each node once for its labels, however often tasks are placed', () => {
    let asked = 0;
    const node = aNode('n');
    const watched = {
      ...node,
      spec: {
        ...node.spec,
        get Labels() {
          asked++;
          return { zone: 'a' };
        },
      },
    };
    const record = new NodeRecord(watched);
    const rules = rulesOf({ ...spreadOver('zone'), Constraints: ['node.labels.zone==a'] });
    for (let i = 0; i < 20; i++) placeTasks([record], rules, [`t${i}`], NOW);
    expect(record.taskCount).toBe(20);
    expect(asked).toBe(2);
  });
});
