// The order in which nodes are handed out, one task at a time.
import { describe, expect, it } from 'vitest';
import type { Node } from '../model/index.ts';
import { aNode, taskIn } from '../../test/builders/cluster-objects.ts';
import { NOTHING } from '../../test/builders/placements.ts';
import { Candidates, type BranchOf } from './candidates.ts';
import { NodeRecord } from './node-record.ts';

const byLabel =
  (name: string): BranchOf =>
  (node: Node) =>
    node.spec.Labels?.[name] ?? '';

/** Nodes by id: their labels, and how many tasks of the service they have. */
type World = Readonly<Record<string, readonly [labels: Record<string, string>, own: number]>>;

function candidatesOf(world: World, ...spreadBy: readonly BranchOf[]): Candidates {
  return new Candidates(recordsOf(world), { serviceId: 's', revisionId: 'r', spreadBy }, 0);
}

function recordsOf(world: World): NodeRecord[] {
  return Object.entries(world).map(([id, [labels, own]]) => {
    const record = new NodeRecord(aNode(id, { labels }));
    for (let i = 0; i < own; i++) record.take(`${id}-${i}`, 's', NOTHING);
    return record;
  });
}

/** The nodes of `count` tasks, in order; a node that has got `full` of them gets no more. */
function order(candidates: Candidates, count: number, full = Infinity): string {
  const nodes: string[] = [];
  for (let i = 0; i < count; i++) {
    const more = candidates.place((record) => {
      nodes.push(record.node.id);
      return nodes.filter((id) => id === record.node.id).length < full;
    });
    if (!more) break;
  }
  return nodes.join(' ');
}

describe('without preferences nodes', () => {
  it('are handed out in turn', () => {
    expect(order(candidatesOf({ a: [{}, 0], b: [{}, 0], c: [{}, 0] }), 5)).toBe('a b c a b');
  });

  it('with fewer tasks catch up first', () => {
    expect(order(candidatesOf({ a: [{}, 2], b: [{}, 0] }), 4)).toBe('b b a b');
  });

  it('that are full are left out, and the last one ends it', () => {
    expect(order(candidatesOf({ a: [{}, 0], b: [{}, 0] }), 9, 2)).toBe('a b a b');
  });

  it('are none when there are none', () => {
    const candidates = candidatesOf({});
    expect(candidates.place(() => true)).toBe(false);
  });
});

describe('with a preference branches', () => {
  const zones: World = {
    a: [{ zone: 'x' }, 0],
    b: [{ zone: 'x' }, 0],
    c: [{ zone: 'y' }, 0],
  };

  it('are handed out in turn, and nodes within them', () => {
    expect(order(candidatesOf(zones, byLabel('zone')), 6)).toBe('a c b c a c');
  });

  it('with fewer tasks catch up first', () => {
    const world: World = { ...zones, c: [{ zone: 'y' }, 3] };
    expect(order(candidatesOf(world, byLabel('zone')), 5)).toBe('a b a b c');
  });

  it('that are full are left out', () => {
    expect(order(candidatesOf(zones, byLabel('zone')), 9, 2)).toBe('a c b c a b');
  });

  it('lose the tasks of a node that is full', () => {
    // Node a is full with two of the three tasks of x: the one of b is less than the two of y.
    const world: World = {
      a: [{ zone: 'x' }, 1],
      b: [{ zone: 'x' }, 1],
      c: [{ zone: 'y' }, 3],
    };
    expect(order(candidatesOf(world, byLabel('zone')), 4, 1)).toBe('a b c');
  });

  it('of equal load go by their value, the empty one first', () => {
    const world: World = { a: [{ zone: 'y' }, 0], b: [{ zone: 'x' }, 0], c: [{}, 0] };
    expect(order(candidatesOf(world, byLabel('zone')), 3)).toBe('c b a');
  });
});

describe('nodes where the revision fails', () => {
  /** Five failures of revision r on each of these nodes, among nodes that have none. */
  function failingOn(failing: readonly string[], world: World, ...spreadBy: readonly BranchOf[]) {
    const records = recordsOf(world);
    for (const record of records) {
      const { id } = record.node;
      for (let i = 0; failing.includes(id) && i < 5; i++) {
        record.put(taskIn(`${id}-f${i}`, 'failed', id, {}, 1_000), NOTHING);
      }
    }
    return new Candidates(records, { serviceId: 's', revisionId: 'r', spreadBy }, 2_000);
  }

  it('are handed out when the others are full', () => {
    const world: World = { a: [{}, 0], b: [{}, 5], c: [{}, 7] };
    expect(order(failingOn(['a'], world), 6, 2)).toBe('b b c c a a');
  });

  it('come last in their branch, which has its turn all the same', () => {
    const world: World = { a: [{ zone: 'x' }, 0], b: [{ zone: 'x' }, 1], c: [{ zone: 'y' }, 1] };
    expect(order(failingOn(['a'], world, byLabel('zone')), 4)).toBe('b c b c');
  });

  it('are as any other when all of them are such', () => {
    const world: World = { a: [{}, 1], b: [{}, 0] };
    expect(order(failingOn(['a', 'b'], world), 3)).toBe('b a b');
  });
});

describe('with two preferences', () => {
  it('the second divides the branches of the first', () => {
    const world: World = {
      a: [{ zone: 'x', rack: '1' }, 0],
      b: [{ zone: 'x', rack: '1' }, 0],
      c: [{ zone: 'x', rack: '2' }, 0],
      d: [{ zone: 'y', rack: '1' }, 0],
    };
    const spread = [byLabel('zone'), byLabel('rack')];
    expect(order(candidatesOf(world, ...spread), 8)).toBe('a d c d b d c d');
    expect(order(candidatesOf(world, ...spread.toReversed()), 8)).toBe('a c d c b c d c');
  });

  it('a branch that is full goes with its parts', () => {
    const world: World = {
      a: [{ zone: 'x', rack: '1' }, 0],
      b: [{ zone: 'y', rack: '1' }, 0],
      c: [{ zone: 'y', rack: '2' }, 0],
    };
    expect(order(candidatesOf(world, byLabel('zone'), byLabel('rack')), 9, 1)).toBe('a b c');
  });
});
