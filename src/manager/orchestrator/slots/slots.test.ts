// A slot as its tasks make it, and the small questions about tasks and nodes.
import { describe, expect, it } from 'vitest';
import type { Task } from '../../../model/index.ts';
import { aNode, taskIn } from '../../../../test/builders/cluster-objects.ts';
import { isRunning, nodeIsLost, slotOf } from './slots.ts';

const task = (id: string, desiredState: Task['desiredState'], state: Task['status']['state']) =>
  taskIn(id, state, 'n', { desiredState });

const ids = (tasks: readonly Task[] = []): string[] => tasks.map(({ id }) => id);

describe('a slot', () => {
  it('has the tasks that are not to be removed', () => {
    const slot = slotOf('1', [task('a', 'remove', 'running'), task('b', 'running', 'running')]);
    expect(ids(slot?.tasks)).toEqual(['b']);
  });

  it('is none when all of its tasks are to be removed, or there are none', () => {
    expect(slotOf('1', [task('a', 'remove', 'running')])).toBeUndefined();
    expect(slotOf('1', [])).toBeUndefined();
  });

  it.each(['ready', 'running', 'complete'] as const)('wants a task that is to be %s', (desired) => {
    const slot = slotOf('1', [task('a', desired, 'running')]);
    expect([ids(slot?.alive), slot?.current?.id]).toEqual([['a'], 'a']);
  });

  it('does not want one that is to stop, but remembers it', () => {
    const slot = slotOf('1', [task('a', 'shutdown', 'running')]);
    expect([ids(slot?.tasks), ids(slot?.alive), slot?.current]).toEqual([['a'], [], undefined]);
  });

  it('has the newest wanted task as its current one', () => {
    const slot = slotOf('1', [
      task('a', 'running', 'running'),
      task('b', 'running', 'starting'),
      task('c', 'shutdown', 'failed'),
    ]);
    expect([ids(slot?.alive), slot?.current?.id]).toEqual([['a', 'b'], 'b']);
  });

  it('keeps the order in which its tasks were made', () => {
    const slot = slotOf('1', [
      task('z', 'shutdown', 'failed'),
      task('y', 'remove', 'failed'),
      task('x', 'running', 'running'),
    ]);
    expect(ids(slot?.tasks)).toEqual(['z', 'x']);
  });

  it('of tasks that all stay is made without a copy of them', () => {
    const tasks = [task('a', 'running', 'running')];
    const slot = slotOf('1', tasks);
    expect([slot?.tasks === tasks, slot?.alive === tasks]).toEqual([true, true]);
  });
});

describe('a node', () => {
  it.each([
    [{}, false],
    [{ state: 'unknown' }, false],
    [{ state: 'disconnected' }, false],
    [{ state: 'down' }, true],
    [{ availability: 'pause' }, false],
    [{ availability: 'drain' }, true],
  ] as const)('that is %j is lost to its tasks: %j', (traits, lost) => {
    expect(nodeIsLost(aNode('n', traits))).toBe(lost);
  });

  it('that was removed is lost', () => {
    expect(nodeIsLost(undefined)).toBe(true);
  });
});

describe('a task', () => {
  it.each(['assigned', 'starting', 'complete', 'failed'] as const)('%s does not run', (state) => {
    expect(isRunning(taskIn('t', state, 'n'))).toBe(false);
  });

  it('runs when it says so', () => {
    expect(isRunning(taskIn('t', 'running', 'n'))).toBe(true);
  });
});
