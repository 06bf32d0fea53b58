// Whether a task that has ended, or lost its node, is followed by another, and when.
import { describe, expect, it } from 'vitest';
import type { Task } from '../../model/index.ts';
import { aNode, taskIn, type NodeTraits } from '../../../test/builders/cluster-objects.ts';
import { decideRestart, type RestartDecision } from './restart.ts';
import { slotOf, type RestartRules } from './slots/index.ts';

const RULES: RestartRules = { condition: 'any', delayMs: 5_000, maxAttempts: 0, windowMs: 0 };
const NOW = 1_000_000;

interface Situation {
  readonly rules?: Partial<RestartRules>;
  /** Undefined: the node was removed. */
  readonly node?: NodeTraits | undefined;
  /** Earlier tasks of the slot, oldest first. */
  readonly history?: readonly Task[];
}

function decide(task: Task, { rules = {}, node = {}, history = [] }: Situation = {}) {
  const slot = slotOf('1', [...history, task]);
  if (slot === undefined) throw new Error('no slot');
  return decideRestart(slot, task, aNode('n', node), { ...RULES, ...rules }, NOW);
}

/** A task that is in this state since a second ago. */
const ended = (state: Task['status']['state'], more: Partial<Task> = {}): Task =>
  taskIn('t', state, 'n', more, NOW - 1_000);

const at = (startAfter: number): RestartDecision => ({ kind: 'replace', startAfter });
const LEAVE: RestartDecision = { kind: 'leave' };
const FINISHED: RestartDecision = { kind: 'finished' };

describe('a task that has not ended', () => {
  it.each(['new', 'pending', 'assigned', 'preparing', 'ready', 'starting', 'running'] as const)(
    'is left alone when it is %s',
    (state) => {
      expect(decide(taskIn('t', state, 'n'))).toEqual(LEAVE);
    },
  );

  it.each([
    [{ state: 'down' }, at(NOW)],
    [{ availability: 'drain' }, at(NOW)],
    [{ availability: 'pause' }, LEAVE],
    [{ state: 'unknown' }, LEAVE],
    [{ state: 'disconnected' }, LEAVE],
  ] as const)('on a node that is %j', (node, expected) => {
    expect(decide(taskIn('t', 'running', 'n'), { node })).toEqual(expected);
  });

  it('is replaced at once when its node was removed', () => {
    const task = taskIn('t', 'running', 'n');
    const slot = slotOf('1', [task]);
    if (slot === undefined) throw new Error('no slot');
    expect(decideRestart(slot, task, undefined, RULES, NOW)).toEqual(at(NOW));
  });

  // The simulation of the cluster, seed 95: the slot's work was done twice.
  it.each([
    ['none', 'complete', FINISHED],
    ['on-failure', 'complete', FINISHED],
    ['any', 'complete', at(NOW)],
    ['none', 'failed', at(NOW)],
  ] as const)(
    'under the policy %s is not replaced when the one before it is %s after all',
    (condition, state, expected) => {
      const history = [taskIn('before', state, 'm', { desiredState: 'shutdown' })];
      const situation = { rules: { condition }, node: { state: 'down' }, history } as const;
      expect(decide(taskIn('t', 'assigned', 'n'), situation)).toEqual(expected);
      expect(decide(taskIn('t', 'orphaned', 'n'), situation)).toEqual(expected);
    },
  );

  it('is left alone when it has no node yet', () => {
    const task = taskIn('t', 'pending', undefined);
    const slot = slotOf('1', [task]);
    if (slot === undefined) throw new Error('no slot');
    expect(decideRestart(slot, task, undefined, RULES, NOW)).toEqual(LEAVE);
  });
});

describe('a task that has ended', () => {
  it.each([
    ['any', 'complete', at(NOW + 4_000)],
    ['any', 'failed', at(NOW + 4_000)],
    ['any', 'rejected', at(NOW + 4_000)],
    ['on-failure', 'complete', FINISHED],
    ['on-failure', 'failed', at(NOW + 4_000)],
    ['on-failure', 'rejected', at(NOW + 4_000)],
    ['none', 'complete', FINISHED],
    ['none', 'failed', FINISHED],
    ['none', 'rejected', FINISHED],
    // Nobody asked it to end: its slot is to be filled whatever the policy says.
    ['none', 'shutdown', at(NOW)],
    ['none', 'orphaned', at(NOW)],
    ['any', 'shutdown', at(NOW)],
  ] as const)('under %s as %s', (condition, state, expected) => {
    expect(decide(ended(state), { rules: { condition } })).toEqual(expected);
  });

  it('waits for its delay from its end, not from now', () => {
    const endedSince = NOW - 4_000;
    const task = ended('failed', {
      status: { state: 'failed', timestamp: NOW, message: '', endedSince },
    });
    expect(decide(task)).toEqual(at(NOW + 1_000));
  });

  it('waits no longer than its delay when its node told of a time to come', () => {
    const task = taskIn('t', 'failed', 'n', {}, NOW + 3_600_000);
    expect(decide(task)).toEqual(at(NOW + 5_000));
  });

  it('does not wait when its node is lost', () => {
    expect(decide(ended('failed'), { node: { state: 'down' } })).toEqual(at(NOW));
    expect(decide(ended('complete'), { node: { availability: 'drain' } })).toEqual(at(NOW));
  });

  it.each([{ availability: 'pause' }, { state: 'unknown' }, { state: 'disconnected' }] as const)(
    'waits for its delay on a node that is %j, which may be back',
    (node) => {
      expect(decide(ended('failed'), { node })).toEqual(at(NOW + 4_000));
    },
  );

  it('waits for no longer than its policy says', () => {
    expect(decide(ended('failed'), { rules: { delayMs: 0 } })).toEqual(at(NOW - 1_000));
    expect(decide(ended('failed'), { rules: { delayMs: 60_000 } })).toEqual(at(NOW + 59_000));
  });

  it('stays ended under its policy although its node is lost', () => {
    const rules = { condition: 'none' } as const;
    expect(decide(ended('complete'), { rules, node: { state: 'down' } })).toEqual(FINISHED);
  });
});

describe('a task that can not be prepared', () => {
  const rejected = (count: number): Task[] =>
    Array.from({ length: count }, (_, i) =>
      taskIn(`r${i}`, 'rejected', 'n', { desiredState: 'shutdown', createdIndex: i + 1 }),
    );

  it.each([
    [0, 1],
    [1, 2],
    [2, 4],
    [3, 8],
    [4, 12],
    [20, 12],
  ])('after %i others waits %i times as long', (before, factor) => {
    const task = ended('rejected', { createdIndex: 99 });
    expect(decide(task, { history: rejected(before) })).toEqual(at(NOW - 1_000 + factor * 5_000));
  });

  it('waits as long as any other when one before it ran', () => {
    const history = [...rejected(3), taskIn('ran', 'failed', 'n', { desiredState: 'shutdown' })];
    expect(decide(ended('rejected'), { history })).toEqual(at(NOW + 4_000));
  });
});

describe('attempts', () => {
  /** A slot in which each task replaced the one before it, all of them failed. */
  function chain(restarts: number, createdAt: (index: number) => number = () => 0): Task[] {
    return Array.from({ length: restarts + 1 }, (_, i) =>
      taskIn(
        `c${i}`,
        'failed',
        'n',
        {
          createdAt: createdAt(i),
          createdIndex: i + 1,
          ...(i === 0 ? {} : { replaces: `c${i - 1}` }),
          ...(i === restarts ? {} : { desiredState: 'shutdown' }),
        },
        NOW - 1_000,
      ),
    );
  }

  function after(tasks: readonly Task[], rules: Partial<RestartRules>): RestartDecision['kind'] {
    const slot = slotOf('1', tasks);
    const last = tasks.at(-1);
    if (slot === undefined || last === undefined) throw new Error('no slot');
    return decideRestart(slot, last, aNode('n'), { ...RULES, ...rules }, NOW).kind;
  }

  it('are without number when no limit is set', () => {
    expect(after(chain(50), { maxAttempts: 0 })).toBe('replace');
  });

  it('are as many restarts as the limit says', () => {
    expect(after(chain(2), { maxAttempts: 3 })).toBe('replace');
    expect(after(chain(3), { maxAttempts: 3 })).toBe('finished');
  });

  it('are counted within the window', () => {
    const old = chain(3, (i) => NOW - 60_000 + i);
    expect(after(old, { maxAttempts: 3, windowMs: 30_000 })).toBe('replace');
    expect(after(old, { maxAttempts: 3, windowMs: 90_000 })).toBe('finished');
  });

  it('are those of the present revision', () => {
    const tasks = chain(3).map((task, i) => ({ ...task, revisionId: i < 2 ? 'old' : 'r' }));
    expect(after(tasks, { maxAttempts: 2 })).toBe('replace');
    expect(after(tasks, { maxAttempts: 1 })).toBe('finished');
  });

  it('are not steps of updates, which replace nothing that ended', () => {
    const tasks = chain(3).map(({ replaces: _replaces, ...task }) => task);
    expect(after(tasks, { maxAttempts: 1 })).toBe('replace');
  });
});
