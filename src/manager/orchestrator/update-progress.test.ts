// How far an update is, read from slots in any mixture, and which slots come next.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import type { Task } from '../../model/index.ts';
import { taskIn } from '../../../test/builders/cluster-objects.ts';
import { slotOf, type Slot, type UpdateRules } from './slots/index.ts';
import { hasTooManyFailures, updateProgress } from './update.ts';

const STARTED = 100_000;
const NOW = 200_000;
const RULES: UpdateRules = {
  parallelism: 1,
  delayMs: 2_000,
  monitorMs: 5_000,
  failureAction: 'pause',
  maxFailureRatio: 0,
  order: 'stop-first',
};
const GOAL = { revisionId: 'new', upToDate: (task: Task) => task.revisionId === 'new' };

function slot(key: string, ...tasks: readonly Task[]): Slot {
  const made = slotOf(
    key,
    tasks.map((task, i) => ({ ...task, createdIndex: i + 1 })),
  );
  if (made === undefined) throw new Error('no slot');
  return made;
}

const old = (state: Task['status']['state'] = 'running', more: Partial<Task> = {}): Task =>
  taskIn('old', state, 'n', { revisionId: 'old', ...more });

/** A task of the new revision that was made during the update. */
const fresh = (state: Task['status']['state'], more: Partial<Task> = {}): Task =>
  taskIn('new', state, 'n', { revisionId: 'new', createdAt: STARTED, ...more });

function ranFor(ms: number): Task {
  const since = NOW - ms;
  const status = { state: 'running', timestamp: since, message: '', runningSince: since } as const;
  return fresh('running', { status });
}

const progress = (slots: readonly Slot[], rules: Partial<UpdateRules> = {}) =>
  updateProgress(slots, GOAL, { ...RULES, ...rules }, STARTED, NOW);

const next = (slots: readonly Slot[], rules: Partial<UpdateRules> = {}): string[] =>
  progress(slots, rules).next.map(({ key }) => key);

describe('the next slots of an update', () => {
  it('are those with the lowest numbers, as numbers', () => {
    const slots = ['10', '9', '100', '1'].map((key) => slot(key, old()));
    expect(next(slots, { parallelism: 3 })).toEqual(['1', '9', '10']);
  });

  it('are those with the lowest ids in global services', () => {
    const slots = ['node-b', 'node-a', 'node-c'].map((key) => slot(key, old()));
    expect(next(slots, { parallelism: 2 })).toEqual(['node-a', 'node-b']);
  });

  it('are as many as parallelism leaves beside those that are under way', () => {
    const under = slot('1', fresh('starting'));
    const slots = [under, ...['2', '3', '4'].map((key) => slot(key, old()))];
    expect(next(slots, { parallelism: 1 })).toEqual([]);
    expect(next(slots, { parallelism: 3 })).toEqual(['2', '3']);
    expect(next(slots, { parallelism: 0 })).toEqual(['2', '3', '4']);
  });

  it('are none when more are under way than may be', () => {
    const slots = [slot('1', fresh('starting')), slot('2', fresh('starting')), slot('3', old())];
    expect(next(slots, { parallelism: 1 })).toEqual([]);
  });

  it('are the first of all, in order, however many there are', () => {
    const random = new Prng('next');
    for (let round = 0; round < 50; round++) {
      const keys = Array.from({ length: random.below(40) }, (_, i) => String(i + 1));
      const shuffled = keys.toSorted(() => random.below(3) - 1);
      const parallelism = 1 + random.below(50);
      const found = next(
        shuffled.map((key) => slot(key, old())),
        { parallelism },
      );
      expect(found).toEqual(keys.slice(0, parallelism));
    }
  });
});

describe('a slot', () => {
  it.each([
    ['starts', fresh('starting')],
    ['has run for less than the delay', ranFor(1_999)],
  ])('whose new task %s is under way', (_what, task) => {
    expect(next([slot('1', task), slot('2', old())])).toEqual([]);
  });

  it('whose new task has run for the delay leaves room for the next', () => {
    expect(next([slot('1', ranFor(2_000)), slot('2', old())])).toEqual(['2']);
  });

  it('is under way while its old task is still wanted beside the new one', () => {
    const both = slot('1', old(), { ...ranFor(60_000), id: 'second' });
    expect(next([both, slot('2', old())])).toEqual([]);
  });

  it('that had what it is to have before the update is done', () => {
    const before = fresh('running', { createdAt: STARTED - 1 });
    expect(progress([slot('1', before)])).toMatchObject({ complete: true, next: [] });
  });

  it('whose last task has ended is judged by that', () => {
    const ended = old('failed', { desiredState: 'shutdown' });
    expect(next([slot('1', ended)])).toEqual(['1']);
  });
});

describe('a failure', () => {
  it.each([
    ['never ran', {}, 1],
    ['ran for less than the monitor period', { runningSince: NOW - 5_000, endedSince: NOW }, 1],
    ['ran for longer', { runningSince: NOW - 5_001, endedSince: NOW }, 0],
  ])('is a new task that %s: %j', (_what, status, failures) => {
    const task = fresh('failed', {
      desiredState: 'shutdown',
      status: { state: 'failed', timestamp: NOW, message: '', ...status },
    });
    expect(progress([slot('1', task)]).failures).toBe(failures);
  });

  it('is one that could not be prepared as well', () => {
    expect(progress([slot('1', fresh('rejected'))]).failures).toBe(1);
  });

  it.each([
    ['the old revision', old('failed')],
    ['an earlier update', fresh('failed', { createdAt: STARTED - 1 })],
    ['nobody, being told to stop', fresh('shutdown')],
    ['nobody, having done its work', fresh('complete')],
  ])('is not one of %s', (_whose, task) => {
    expect(progress([slot('1', task)]).failures).toBe(0);
  });

  it('counts once for a slot that fails again and again', () => {
    const again = [fresh('failed', { id: 'x', desiredState: 'shutdown' }), fresh('failed')];
    expect(progress([slot('1', ...again)]).failures).toBe(1);
  });

  it('holds the others up for no time', () => {
    expect(next([slot('1', fresh('failed')), slot('2', old())])).toEqual(['2']);
  });
});

describe('the failures of an update', () => {
  const with_ = (failures: number, total: number) => ({
    next: [],
    failures,
    total,
    complete: false,
    wakeAt: undefined,
  });

  it.each([
    [1, 4, 0, true],
    [1, 4, 0.25, false],
    [2, 4, 0.25, true],
    [0, 4, 0, false],
    [4, 4, 1, false],
  ])('are %i of %i with a ratio of %d: too many is %j', (failures, total, ratio, expected) => {
    const rules = { ...RULES, maxFailureRatio: ratio };
    expect(hasTooManyFailures(with_(failures, total), rules)).toBe(expected);
  });

  it('are never too many for one that is to go on', () => {
    expect(hasTooManyFailures(with_(4, 4), { ...RULES, failureAction: 'continue' })).toBe(false);
  });
});

describe('an update is complete', () => {
  it('when all new tasks have run for the monitor period', () => {
    const slots = [slot('1', ranFor(60_000)), slot('2', ranFor(4_999))];
    expect(progress(slots)).toMatchObject({ complete: false, wakeAt: NOW + 1 });
    expect(progress([slot('1', ranFor(60_000)), slot('2', ranFor(5_000))]).complete).toBe(true);
  });

  it('not while a slot waits for its turn', () => {
    expect(progress([slot('1', ranFor(60_000)), slot('2', old())]).complete).toBe(false);
  });

  it('when there is nothing to update', () => {
    expect(progress([])).toMatchObject({ complete: true, total: 0 });
  });

  it('and wakes at the first of delay and monitor period that is not over', () => {
    expect(progress([slot('1', ranFor(500))]).wakeAt).toBe(NOW + 1_500);
    expect(progress([slot('1', ranFor(3_000))]).wakeAt).toBe(NOW + 2_000);
    expect(progress([slot('1', ranFor(9_000))]).wakeAt).toBeUndefined();
  });
});
