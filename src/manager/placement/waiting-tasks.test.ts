// Which waiting tasks are to be placed, which were told why not, and what makes them be tried again.
import { describe, expect, it } from 'vitest';
import type { Task } from '../../model/index.ts';
import { taskIn } from '../../../test/builders/cluster-objects.ts';
import { WaitingGroup, WaitingTasks } from './waiting-tasks.ts';

const floating = (id: string, more: Partial<Task> = {}): Task =>
  taskIn(id, 'pending', undefined, more);
const pinned = (id: string, nodeId: string): Task => taskIn(id, 'pending', nodeId, { slot: 0 });

function groupOf(told: readonly string[], untold: readonly string[]): WaitingGroup {
  const group = new WaitingGroup();
  for (const id of told) group.told.add(id);
  for (const id of untold) group.untold.add(id);
  return group;
}

describe('a group', () => {
  it('has those next that were not told, unless there may be room for all', () => {
    const group = groupOf(['a', 'b'], ['c']);
    expect(group.next(10)).toEqual(['c']);
    group.retry = true;
    expect(group.next(10)).toEqual(['a', 'b', 'c']);
    expect(group.next(2)).toEqual(['a', 'b']);
    expect(group.next(0)).toEqual([]);
  });

  it('is due while somebody was not told', () => {
    expect([groupOf(['a'], []).isDue, groupOf([], ['a']).isDue]).toEqual([false, true]);
  });

  it('is due when those that were told may have room now', () => {
    const group = groupOf(['a'], []);
    group.retry = true;
    expect(group.isDue).toBe(true);
    const empty = groupOf([], []);
    empty.retry = true;
    expect(empty.isDue).toBe(false);
  });

  it('that finds no room tells nobody again for the same reason', () => {
    const group = groupOf(['a'], ['b']);
    group.explanation = 'full';
    group.retry = true;
    group.full('full');
    expect([[...group.told], [...group.untold], group.retry]).toEqual([['a'], ['b'], false]);
  });

  it('that finds no room for another reason tells all of them, the longest waiting first', () => {
    const group = groupOf(['a'], ['b']);
    group.explanation = 'full';
    group.full('drained');
    expect([[...group.told], [...group.untold], group.explanation]).toEqual([
      [],
      ['a', 'b'],
      'drained',
    ]);
  });

  it('is empty once all have gone', () => {
    const group = groupOf(['a'], ['b']);
    group.allPinned.add('c');
    for (const id of ['a', 'b']) group.delete(id);
    expect(group.isEmpty).toBe(false);
    group.delete('c');
    expect(group.isEmpty).toBe(true);
  });
});

describe('waiting tasks', () => {
  it('are grouped by revision', () => {
    const waiting = new WaitingTasks();
    waiting.add(floating('a'), true);
    waiting.add(floating('b', { revisionId: 'q' }), true);
    expect([...waiting.due]).toEqual(['r', 'q']);
    expect([...(waiting.group('q')?.untold ?? [])]).toEqual(['b']);
  });

  it('that come again unchanged stay where they are', () => {
    const waiting = new WaitingTasks();
    waiting.add(floating('a'), true);
    const group = waiting.group('r');
    group?.untold.delete('a');
    group?.told.add('a');
    waiting.due.clear();
    waiting.add(floating('a'), false);
    expect([...waiting.due]).toEqual([]);
    waiting.add(floating('a'), true);
    expect([[...waiting.due], [...(group?.told ?? [])], [...(group?.untold ?? [])]]).toEqual([
      ['r'],
      [],
      ['a'],
    ]);
  });

  it('of which a new leader does not know that they were told are looked at', () => {
    const waiting = new WaitingTasks();
    waiting.add(floating('a'), false);
    expect([...waiting.due]).toEqual(['r']);
  });

  it('leave no group behind', () => {
    const waiting = new WaitingTasks();
    waiting.add(floating('a'), true);
    waiting.add(pinned('b', 'n'), true);
    waiting.delete(floating('a'));
    expect(waiting.group('r')).toBeDefined();
    waiting.delete(pinned('b', 'n'));
    expect(waiting.group('r')).toBeUndefined();
  });

  it('are tried again where there may be room and somebody waits', () => {
    const waiting = new WaitingTasks();
    for (const revisionId of ['r', 'q', 'p'])
      waiting.add(floating(revisionId, { revisionId }), true);
    for (const revisionId of ['r', 'q']) {
      const group = waiting.group(revisionId);
      group?.untold.clear();
      group?.told.add(revisionId);
    }
    waiting.due.clear();
    waiting.retry((revisionId) => revisionId !== 'q');
    expect([...waiting.due]).toEqual(['r']);
    expect(['r', 'q', 'p'].map((id) => waiting.group(id)?.retry)).toEqual([true, false, false]);
  });
});

describe('a task that left its group', () => {
  it.each(['told', 'untold'] as const)('is not next any more, though it was %s', (was) => {
    const waiting = new WaitingTasks();
    waiting.add(floating('a'), true);
    waiting.add(floating('b'), true);
    const group = waiting.group('r');
    if (group === undefined) throw new Error('no group');
    if (was === 'told') {
      group.untold.clear();
      for (const id of ['a', 'b']) group.told.add(id);
      group.retry = true;
    }
    waiting.delete(floating('a'));
    expect([group.next(10), group.isEmpty]).toEqual([['b'], false]);
  });

  it('is last when it comes again', () => {
    const waiting = new WaitingTasks();
    for (const id of ['a', 'b']) waiting.add(floating(id), true);
    waiting.delete(floating('a'));
    waiting.add(floating('a'), true);
    expect(waiting.group('r')?.next(10)).toEqual(['b', 'a']);
  });

  it('and was never there changes nothing', () => {
    const waiting = new WaitingTasks();
    waiting.add(floating('a'), true);
    waiting.delete(floating('b'));
    waiting.delete(floating('c', { revisionId: 'q' }));
    waiting.delete(pinned('d', 'n'));
    expect(waiting.group('r')?.next(10)).toEqual(['a']);
  });
});

describe('tasks that wait for one node', () => {
  it('are tried again when that node changes, and no others', () => {
    const waiting = new WaitingTasks();
    for (const [id, nodeId] of [
      ['a', 'n'],
      ['b', 'n'],
      ['c', 'm'],
    ] as const) {
      waiting.add(pinned(id, nodeId), true);
    }
    const group = waiting.group('r');
    group?.pinned.clear();
    waiting.due.clear();
    waiting.retryNode('n');
    expect([[...(group?.pinned ?? [])], [...waiting.due]]).toEqual([['a', 'b'], ['r']]);
  });

  it('that have gone are not', () => {
    const waiting = new WaitingTasks();
    waiting.add(pinned('a', 'n'), true);
    waiting.delete(pinned('a', 'n'));
    waiting.due.clear();
    waiting.retryNode('n');
    expect([...waiting.due]).toEqual([]);
  });

  it('are not tried again because of what they were told', () => {
    const waiting = new WaitingTasks();
    waiting.add(pinned('a', 'n'), true);
    const group = waiting.group('r');
    group?.pinned.clear();
    waiting.due.clear();
    waiting.add(pinned('a', 'n'), false);
    expect([[...(group?.pinned ?? [])], [...waiting.due]]).toEqual([[], []]);
  });
});
