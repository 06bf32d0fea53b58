// Which nodes a global service is on.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import type { Node, ServiceSpec, Task } from '../../../model/index.ts';
import {
  aNode,
  aService,
  taskIn,
  type NodeTraits,
} from '../../../../test/builders/cluster-objects.ts';
import { aServiceSpec } from '../../../../test/builders/specs.ts';
import { PlanContext, slotOf, type Slot } from '../slots/index.ts';
import { global } from './global.ts';

type Placement = NonNullable<ServiceSpec['TaskTemplate']['Placement']>;

interface Start {
  readonly nodes: readonly Node[];
  /** Ids of nodes that have a task that runs. */
  readonly on?: readonly string[];
  readonly placement?: Placement;
  readonly room?: number;
}

function contextOf({ nodes, on = [], placement = {}, room = 200 }: Start) {
  const spec = aServiceSpec({
    Mode: { Global: {} },
    TaskTemplate: { ContainerSpec: { Image: 'i' }, Placement: placement },
  });
  const tasks = new Map<string, readonly Task[]>(
    on.map((id) => [id, [taskIn(`on-${id}`, 'running', id, { slot: 0 })]]),
  );
  const context = new PlanContext(
    {
      service: aService(spec),
      slots: tasks,
      node: (id) => nodes.find((node) => node.id === id),
      allNodes: () => nodes,
      revision: () => undefined,
    },
    { random: new Prng('global'), now: 1_000, room },
  );
  const slots = [...tasks].flatMap(([key, own]) => slotOf(key, own) ?? []);
  return { context, slots };
}

/** Nodes that get a task, nodes whose task goes, nodes whose slot is looked at further. */
function plan(start: Start) {
  const { context, slots } = contextOf(start);
  return summary(context, global.planSlots(context, slots));
}

/** The same, one node at a time. */
function planEach(start: Start) {
  const { context, slots } = contextOf(start);
  const ids = new Set([...start.nodes.map(({ id }) => id), ...(start.on ?? [])]);
  const kept = [...ids].flatMap((id) => {
    const slot = slots.find(({ key }) => key === id);
    return global.planSlot(context, id, slot) === 'stays' && slot ? [slot] : [];
  });
  return summary(context, kept);
}

function summary({ transactions }: PlanContext, kept: readonly Slot[]) {
  const actions = transactions.flat();
  const nodeOf = (action: (typeof actions)[number]): string =>
    'object' in action && 'nodeId' in action.object ? String(action.object.nodeId) : '';
  return {
    added: actions.filter(({ kind }) => kind === 'create').map(nodeOf),
    removed: actions.filter(({ kind }) => kind === 'update').map(nodeOf),
    kept: kept.map(({ key }) => key),
  };
}

const CASES: readonly [string, NodeTraits | undefined, boolean, string][] = [
  // Node, whether it has a task, what becomes of it.
  ['is up', {}, false, 'added'],
  ['is up', {}, true, 'kept'],
  ['is paused', { availability: 'pause' }, false, 'nothing'],
  ['is paused', { availability: 'pause' }, true, 'kept'],
  ['is drained', { availability: 'drain' }, false, 'nothing'],
  ['is drained', { availability: 'drain' }, true, 'removed'],
  ['is down', { state: 'down' }, false, 'nothing'],
  ['is down', { state: 'down' }, true, 'nothing'],
  ['has not been heard of', { state: 'unknown' }, false, 'nothing'],
  ['has not been heard of', { state: 'unknown' }, true, 'kept'],
  ['is gone', undefined, true, 'removed'],
];

describe('a global service', () => {
  it.each(CASES)('on a node that %s (%j, a task: %j): %s', (_what, traits, has, expected) => {
    const nodes = traits === undefined ? [] : [aNode('n', traits)];
    const start = { nodes, on: has ? ['n'] : [] };
    const nothing = { added: [], removed: [], kept: [] };
    const wanted = expected === 'nothing' ? nothing : { ...nothing, [expected]: ['n'] };
    expect(plan(start)).toEqual(wanted);
    expect(planEach(start)).toEqual(wanted);
  });

  it('is on the nodes that satisfy its constraints, and leaves the others', () => {
    const start: Start = {
      nodes: [
        aNode('a', { labels: { zone: 'x' } }),
        aNode('b', { labels: { zone: 'y' } }),
        aNode('c', { labels: { zone: 'x' } }),
        aNode('d', { labels: { zone: 'y' } }),
      ],
      on: ['c', 'd'],
      placement: { Constraints: ['node.labels.zone==x'] },
    };
    expect(plan(start)).toEqual({ added: ['a'], removed: ['d'], kept: ['c'] });
    expect(planEach(start)).toEqual({ added: ['a'], removed: ['d'], kept: ['c'] });
  });

  it('is on the nodes of its platforms', () => {
    const start: Start = {
      nodes: [aNode('a', { architecture: 'aarch64' }), aNode('b')],
      placement: { Platforms: [{ Architecture: 'arm64' }] },
    };
    expect(plan(start).added).toEqual(['a']);
  });

  it('stays on a node whose record can not be read, and does not come to one', () => {
    const odd = aNode('n');
    const nodes = [
      { ...odd, spec: { ...odd.spec, Labels: { zone: 7 } as unknown as Record<string, string> } },
    ];
    const placement = { Constraints: ['node.labels.zone==x'] };
    expect(plan({ nodes, placement }).added).toEqual([]);
    expect(plan({ nodes, placement, on: ['n'] }).kept).toEqual(['n']);
  });

  it('is not planned with constraints that can not be read', () => {
    const placement = { Constraints: ['nonsense'] };
    expect(() => plan({ nodes: [aNode('n')], placement })).toThrow('is not of the form');
  });

  it('gets as many tasks at once as can be proposed', () => {
    const nodes = Array.from({ length: 100 }, (_, i) => aNode(`n${i}`));
    expect(plan({ nodes, room: 20 }).added).toHaveLength(21);
  });

  it('has tasks that carry their node, and no number', () => {
    const { context, slots } = contextOf({ nodes: [aNode('n')] });
    global.planSlots(context, slots);
    expect(context.transactions).toMatchObject([
      [{ kind: 'create', object: { slot: 0, nodeId: 'n', desiredState: 'running' } }],
    ]);
  });
});
