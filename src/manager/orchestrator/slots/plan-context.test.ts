// What the parts of a plan share: how much is left, when to look again, and what they decided.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import {
  aNode,
  aRevision,
  aService,
  aTask,
  taskIn,
} from '../../../../test/builders/cluster-objects.ts';
import { aServiceSpec, withImage } from '../../../../test/builders/specs.ts';
import { desire } from './new-task.ts';
import { PlanContext } from './plan-context.ts';

function contextOf(room = 200): PlanContext {
  const nodes = [aNode('n', { labels: { zone: 'x' } })];
  const Placement = { Constraints: ['node.labels.zone==x'] };
  const spec = aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, Placement } });
  return new PlanContext(
    {
      service: aService(spec, { revisionId: 'now' }),
      slots: new Map(),
      node: (id) => nodes.find((node) => node.id === id),
      allNodes: () => nodes,
      revision: (id) => (id === 'old' ? aRevision('old', withImage(spec, 'other')) : undefined),
    },
    { random: new Prng('context'), now: 4_000, room },
  );
}

const stop = (id: string) => desire(aTask(id), 'shutdown');

describe('a plan', () => {
  it('ends with one transaction more than can be proposed, which says that there are more', () => {
    const context = contextOf(2);
    const left = [context.left];
    for (const id of ['a', 'b', 'c', 'd']) {
      context.add(stop(id));
      left.push(context.left);
    }
    expect(left).toEqual([3, 2, 1, 0, 0]);
    expect(context.transactions).toHaveLength(4);
  });

  it('has what was added together in one transaction, and nothing where nothing was', () => {
    const context = contextOf();
    context.add(stop('a'), stop('b'));
    context.add();
    context.add(stop('c'));
    expect(context.transactions.map((actions) => actions.length)).toEqual([2, 1]);
  });

  it('is made again at the earliest time that any part asks for', () => {
    const context = contextOf();
    context.wake(undefined);
    expect(context.wakeAt).toBeUndefined();
    for (const time of [9_000, 7_000, 8_000]) context.wake(time);
    context.wake(undefined);
    expect(context.wakeAt).toBe(7_000);
  });

  it('has a time of its own for each slot, the earliest that was asked for', () => {
    const context = contextOf();
    for (const time of [9_000, 7_000, 8_000]) context.wakeSlot('1', time);
    context.wakeSlot('2', 9_500);
    expect([...context.wakes]).toEqual([
      ['1', 7_000],
      ['2', 9_500],
    ]);
    expect(context.wakeAt).toBeUndefined();
  });

  it('knows the node of a task; none where it has none, and where that is gone', () => {
    const context = contextOf();
    expect(context.nodeOf(taskIn('t', 'running', 'n'))?.id).toBe('n');
    expect(context.nodeOf(taskIn('t', 'running', 'gone'))).toBeUndefined();
    expect(context.nodeOf(taskIn('t', 'pending', undefined))).toBeUndefined();
  });

  it('makes tasks of the present revision, now', () => {
    expect(contextOf().newTask({ slot: 2, desiredState: 'ready' })).toMatchObject({
      kind: 'create',
      table: 'task',
      object: { revisionId: 'now', slot: 2, status: { timestamp: 4_000 } },
    });
  });

  it('judges nodes and tasks by the spec of the service', () => {
    const context = contextOf();
    expect(context.fits(aNode('n', { labels: { zone: 'x' } }), false)).toBe(true);
    expect(context.fits(aNode('m'), false)).toBe(false);
    const tasks = ['now', 'old', 'gone'].map((revisionId) =>
      taskIn('t', 'running', 'n', { revisionId }),
    );
    expect(tasks.map(context.upToDate)).toEqual([true, false, false]);
  });
});
