// What the managers do for a service, from its tasks: one slot at a time, and all together.
import { describe, expect, it } from 'vitest';
import { update, type Service, type ServiceSpec, type Task } from '../../model/index.ts';
import { aNode, aRevision, taskIn } from '../../../test/builders/cluster-objects.ts';
import {
  inWords,
  planned,
  plannedSlot,
  type ServiceStory,
} from '../../../test/builders/service-plan.ts';
import { aServiceSpec, withImage } from '../../../test/builders/specs.ts';

const NOW = 1_000_000;
const OLD = withImage(aServiceSpec(), 'hello:0');

/** A task of slot 1 that runs on node n. */
const runs = (id: string, more: Partial<Task> = {}): Task => taskIn(id, 'running', 'n', more);

/** What slot 1 asks for; the same by itself and with the whole service, unless that is updated. */
function slot(story: ServiceStory): string[] {
  const whole = planned(story);
  const alone = plannedSlot(story, '1');
  const isUpdating = story.service?.updateStatus?.state === 'updating';
  expect(alone === undefined).toBe(isUpdating);
  if (alone !== undefined) {
    expect(inWords(alone)).toEqual(inWords(whole));
    expect(alone.wakes.get('1')).toEqual(whole.wakes.get('1'));
  }
  return inWords(whole);
}

const wakeOf = (story: ServiceStory): number | undefined => planned(story).wakes.get('1');

describe('a slot', () => {
  it('whose task runs is left alone', () => {
    expect(slot({ tasks: [runs('t')] })).toEqual([]);
  });

  it('whose task failed gets a new one that waits for its delay', () => {
    const story = { tasks: [taskIn('t', 'failed', 'n', {}, NOW)] };
    expect(slot(story)).toEqual(['t: shutdown, new in 1: ready after t']);
    expect(wakeOf(story)).toBe(NOW + 5_000);
  });

  it('whose task failed long ago gets one that runs at once', () => {
    const story = { tasks: [taskIn('t', 'failed', 'n', {}, NOW - 5_000)] };
    expect(slot(story)).toEqual(['t: shutdown, new in 1: running after t']);
  });

  it('whose task has done its work keeps it, and says that none is wanted', () => {
    const RestartPolicy = { Condition: 'none' } as const;
    const spec = aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, RestartPolicy } });
    const done = taskIn('t', 'complete', 'n');
    expect(slot({ spec, tasks: [done] })).toEqual(['t: shutdown']);
    expect(slot({ spec, tasks: [{ ...done, desiredState: 'shutdown' }] })).toEqual([]);
  });

  it('whose node is lost gets another task, without a delay', () => {
    const nodes = [aNode('lost', { state: 'down' })];
    const tasks = [runs('t', { nodeId: 'lost' })];
    expect(slot({ tasks, nodes })).toEqual(['t: shutdown, new in 1: running after t']);
  });

  it('whose task waits to be prepared again is not prepared before its time', () => {
    const story = { tasks: [taskIn('t', 'rejected', 'n', {}, NOW)] };
    expect(slot(story)).toEqual([]);
    expect(wakeOf(story)).toBe(NOW + 5_000);
  });

  it('whose task could not be prepared is tried at once when the spec was mended since', () => {
    const story: ServiceStory = {
      tasks: [taskIn('t', 'rejected', 'n', { revisionId: 'old' }, NOW)],
      revisions: [aRevision('old', OLD)],
    };
    expect(slot(story)).toEqual(['t: shutdown, new in 1: running after t']);
  });

  it('is filled again when the next task was lost in a change of leaders', () => {
    const tasks = [taskIn('t', 'failed', 'n', { desiredState: 'shutdown' }, NOW - 60_000)];
    expect(slot({ tasks })).toEqual(['new in 1: running after t']);
  });

  it('is not filled again while its last task is of another spec: the update does that', () => {
    const story: ServiceStory = {
      tasks: [taskIn('t', 'failed', 'n', { revisionId: 'old', desiredState: 'shutdown' }, 0)],
      revisions: [aRevision('old', OLD)],
    };
    expect(slot(story)).toEqual([]);
  });
});

describe('a task that is prepared for later', () => {
  const ready = (more: Partial<Task> = {}): Task =>
    taskIn('new', 'pending', undefined, {
      desiredState: 'ready',
      startAfter: NOW,
      replaces: 'old',
      createdAt: NOW - 1_000,
      createdIndex: 2,
      ...more,
    });
  const old = (state: Task['status']['state'], more: Partial<Task> = {}): Task =>
    taskIn('old', state, 'n', { desiredState: 'shutdown', ...more });

  it('runs when its time has come and its predecessor has stopped', () => {
    expect(slot({ tasks: [old('shutdown'), ready()] })).toEqual(['new: running']);
  });

  it('waits for its time', () => {
    const story = { tasks: [old('shutdown'), ready({ startAfter: NOW + 1 })] };
    expect([slot(story), wakeOf(story)]).toEqual([[], NOW + 1]);
  });

  it('waits for its predecessor, a minute from its own creation on', () => {
    const story = { tasks: [old('running'), ready()] };
    expect([slot(story), wakeOf(story)]).toEqual([[], NOW - 1_000 + 60_000]);
    expect(slot({ ...story, now: NOW + 59_000 })).toEqual(['new: running']);
  });

  it('waits longer for one that may take longer to stop', () => {
    const ContainerSpec = { Image: 'i', StopGracePeriod: 120e9 };
    const spec = aServiceSpec({ TaskTemplate: { ContainerSpec } });
    const story = { spec, tasks: [old('running'), ready()] };
    expect(wakeOf(story)).toBeGreaterThan(NOW + 120_000);
  });

  it('does not wait for one whose node is down, that has no node, or that is forgotten', () => {
    const nodes = [aNode('lost', { state: 'down' })];
    const onLost = old('running', { nodeId: 'lost' });
    expect(slot({ tasks: [onLost, ready()], nodes })).toEqual(['new: running']);
    const { nodeId: _nodeId, ...without } = old('pending');
    expect(slot({ tasks: [without, ready()] })).toEqual(['new: running']);
    expect(slot({ tasks: [ready()] })).toEqual(['new: running']);
  });

  it('is followed by another when it could not be prepared', () => {
    const rejected = ready({
      nodeId: 'n',
      status: { state: 'rejected', timestamp: NOW - 10_000, message: '' },
    });
    expect(slot({ tasks: [old('shutdown'), rejected] })).toEqual([
      'new: shutdown, new in 1: running after new',
    ]);
  });
});

describe('two wanted tasks of a slot', () => {
  const first = runs('first', { revisionId: 'old', createdIndex: 1 });
  const revisions = [aRevision('old', OLD)];

  it('become the newer one once it runs', () => {
    const second = runs('second', { createdIndex: 2 });
    expect(slot({ tasks: [first, second], revisions })).toEqual(['first: shutdown']);
  });

  it('stay while the newer one is on its way', () => {
    const second = taskIn('second', 'starting', 'n', { createdIndex: 2 });
    expect(slot({ tasks: [first, second], revisions })).toEqual([]);
  });

  it('become the older one when the service went back to what it runs', () => {
    const serving = runs('serving', { createdIndex: 1 });
    const second = taskIn('second', 'starting', 'n', { revisionId: 'old', createdIndex: 2 });
    expect(slot({ tasks: [serving, second], revisions })).toEqual(['second: shutdown']);
  });

  it.each([
    ['complete', ['first: shutdown, second: shutdown']],
    ['failed', ['second: shutdown']],
  ] as const)('end with the newer one when that is %s and not to run again', (state, expected) => {
    const RestartPolicy = { Condition: 'none' } as const;
    const spec = aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, RestartPolicy } });
    const second = taskIn('second', state, 'n', { createdIndex: 2 });
    expect(slot({ spec, tasks: [first, second], revisions })).toEqual(expected);
  });

  it('are not given up for an older one on a node that is lost', () => {
    const nodes = [aNode('lost', { state: 'down' })];
    const serving = runs('serving', { createdIndex: 1, nodeId: 'lost' });
    const second = taskIn('second', 'starting', 'n', { revisionId: 'old', createdIndex: 2 });
    expect(slot({ tasks: [serving, second], revisions, nodes })).toEqual([]);
  });
});

describe('a service', () => {
  it('is not planned before it has its ports and addresses', () => {
    const endpoint = { ports: [], virtualIps: [], allocatedFor: 0 };
    const story: ServiceStory = { service: { endpoint }, tasks: [taskIn('t', 'failed', 'n')] };
    expect(slot(story)).toEqual([]);
  });

  it('has each slot looked at by itself', () => {
    const tasks = [
      taskIn('a', 'failed', 'n', { slot: 1 }, 0),
      runs('b', { slot: 2 }),
      taskIn('c', 'failed', 'n', { slot: 3 }, 0),
    ];
    const spec = aServiceSpec({ replicas: 3 });
    expect(inWords(planned({ spec, tasks }))).toEqual([
      'a: shutdown, new in 1: running after a',
      'c: shutdown, new in 3: running after c',
    ]);
  });

  it('wakes for each slot at its own time', () => {
    const tasks = [1, 2].map((number) =>
      taskIn(`t${number}`, 'failed', 'n', { slot: number }, NOW - number * 1_000),
    );
    const { wakes } = planned({ spec: aServiceSpec({ replicas: 2 }), tasks });
    expect([...wakes]).toEqual([
      ['1', NOW + 4_000],
      ['2', NOW + 3_000],
    ]);
  });

  it('with more to do than can be proposed says so, and no more', () => {
    const tasks = Array.from({ length: 50 }, (_, i) =>
      taskIn(`t${i}`, 'failed', 'n', { slot: i + 1 }, 0),
    );
    const spec = aServiceSpec({ replicas: 50 });
    expect(planned({ spec, tasks, room: 10 }).transactions).toHaveLength(11);
    expect(planned({ spec, tasks, room: 50 }).transactions).toHaveLength(50);
  });

  it('is planned the same twice, and asks for nothing once that is applied', () => {
    const story: ServiceStory = {
      spec: aServiceSpec({ replicas: 3 }),
      tasks: [taskIn('a', 'failed', 'n', {}, NOW), runs('b', { slot: 2 })],
    };
    const plan = planned(story);
    expect(inWords(planned(story))).toEqual(inWords(plan));
    expect(inWords(planned({ ...story, tasks: applied(story.tasks, plan.transactions) }))).toEqual(
      [],
    );
  });

  it('has no slot of this key that could be planned alone', () => {
    expect(plannedSlot({ tasks: [runs('t')] }, '2')).toBeUndefined();
  });

  it('counts a slot whose tasks are all to be removed as none', () => {
    const gone = runs('t', { desiredState: 'remove' });
    expect(inWords(planned({ tasks: [gone] }))).toEqual(['new in 1: running']);
  });

  it.each(['updating', 'rollback_started'] as const)('is planned as a whole while %s', (state) => {
    const updateStatus = { state, startedAt: 0, message: '' };
    expect(plannedSlot({ tasks: [runs('t')], service: { updateStatus } }, '1')).toBeUndefined();
  });

  it.each(['paused', 'completed', 'rollback_paused', 'rollback_completed'] as const)(
    'is planned slot by slot when it is %s',
    (state) => {
      const updateStatus = { state, startedAt: 0, message: '' };
      expect(plannedSlot({ tasks: [runs('t')], service: { updateStatus } }, '1')).toBeDefined();
    },
  );
});

function applied(
  tasks: readonly Task[],
  transactions: ReturnType<typeof planned>['transactions'],
): Task[] {
  const all = new Map(tasks.map((task) => [task.id, task]));
  let index = 10;
  for (const action of transactions.flat()) {
    if (action.kind !== 'create' && action.kind !== 'update') continue;
    const task = action.object as Task;
    const meta = { version: ++index, createdAt: NOW, updatedAt: NOW, createdIndex: index };
    all.set(task.id, { ...meta, ...all.get(task.id), ...task });
  }
  return [...all.values()];
}

describe('an update', () => {
  const STARTED = NOW - 100_000;
  const story = (
    tasks: readonly Task[],
    config: Partial<NonNullable<ServiceSpec['UpdateConfig']>> = {},
    more: Partial<Service> = {},
  ): ServiceStory => ({
    spec: {
      ...aServiceSpec({ replicas: tasks.length }),
      UpdateConfig: { Parallelism: 1, ...config },
    },
    service: { updateStatus: { state: 'updating', startedAt: STARTED, message: '' }, ...more },
    tasks,
    revisions: [aRevision('old', OLD)],
  });
  const old = (number: number, state: Task['status']['state'] = 'running'): Task =>
    taskIn(`o${number}`, state, 'n', { slot: number, revisionId: 'old' });
  /** A task of the new revision that has been running for this long (ms). */
  const fresh = (number: number, ranFor: number): Task => {
    const since = NOW - ranFor;
    return taskIn(`f${number}`, 'running', 'n', {
      slot: number,
      createdAt: STARTED + 1,
      createdIndex: 5,
      status: { state: 'running', timestamp: since, message: '', runningSince: since },
    });
  };
  const failed = (number: number): Task =>
    taskIn(`x${number}`, 'failed', 'n', { slot: number, createdAt: STARTED + 1 }, NOW);

  it('takes one slot after another, the old task out first', () => {
    expect(inWords(planned(story([old(1), old(2)])))).toEqual([
      'o1: shutdown, new in 1: ready after o1',
    ]);
  });

  it('takes as many slots at once as it may', () => {
    expect(inWords(planned(story([old(1), old(2), old(3)], { Parallelism: 2 })))).toHaveLength(2);
    expect(inWords(planned(story([old(1), old(2), old(3)], { Parallelism: 0 })))).toHaveLength(3);
  });

  it('takes slots by number', () => {
    const tasks = [10, 9, 2].map((number) => old(number));
    expect(inWords(planned(story(tasks, { Parallelism: 2 })))).toEqual([
      'o2: shutdown, new in 2: ready after o2',
      'o9: shutdown, new in 9: ready after o9',
    ]);
  });

  it('lets the new task in first when it is to', () => {
    expect(inWords(planned(story([old(1)], { Order: 'start-first' })))).toEqual([
      'new in 1: running after o1',
    ]);
  });

  it('waits for a task that is on its way', () => {
    const starting = taskIn('s', 'starting', 'n', { slot: 1, createdAt: STARTED + 1 });
    expect(inWords(planned(story([starting, old(2)])))).toEqual([]);
  });

  it('goes on once the new task has run for the delay', () => {
    const config = { Delay: 10e9, Monitor: 1e9 };
    expect(inWords(planned(story([fresh(1, 9_999), old(2)], config)))).toEqual([]);
    expect(inWords(planned(story([fresh(1, 10_000), old(2)], config)))).toHaveLength(1);
    expect(planned(story([fresh(1, 9_000), old(2)], config)).wakeAt).toBe(NOW + 1_000);
  });

  it('takes a slot that waits for room, whatever it waits for', () => {
    const waits = taskIn('w', 'pending', undefined, { revisionId: 'old' });
    expect(inWords(planned(story([waits])))).toEqual(['w: shutdown, new in 1: ready after w']);
  });

  it('is complete when the last new task has been watched for long enough', () => {
    expect(inWords(planned(story([fresh(1, 4_999)])))).toEqual([]);
    expect(inWords(planned(story([fresh(1, 5_000)])))).toEqual(['service: completed']);
  });

  it.each([
    [{}, 'service: paused'],
    [{ FailureAction: 'pause' }, 'service: paused'],
    [{ MaxFailureRatio: 0.4 }, 'service: paused'],
  ] as const)('with %j ends when a new task fails: %s', (config, expected) => {
    expect(inWords(planned(story([failed(1), old(2)], config))).at(-1)).toBe(expected);
  });

  it.each([{ FailureAction: 'continue' }, { MaxFailureRatio: 0.5 }] as const)(
    'with %j goes on',
    (config) => {
      const words = inWords(planned(story([failed(1), old(2)], config)));
      expect(words).toContain('o2: shutdown, new in 2: ready after o2');
    },
  );

  it('goes back when it is to and can', () => {
    const config = { FailureAction: 'rollback' } as const;
    const previous = { previousSpec: OLD, previousRevisionId: 'old' };
    const words = inWords(planned(story([failed(1), old(2)], config, previous)));
    expect(words.at(-1)).toBe('service: rollback_started');
    expect(inWords(planned(story([failed(1), old(2)], config))).at(-1)).toBe('service: paused');
  });

  it('back goes on by its own rules, and stops when it fails, too', () => {
    const updateStatus = { state: 'rollback_started', startedAt: STARTED, message: '' } as const;
    const back = (tasks: readonly Task[]): ServiceStory => {
      const base = story(tasks, { Parallelism: 1 }, { updateStatus });
      const spec = {
        ...aServiceSpec({ replicas: tasks.length }),
        RollbackConfig: { Parallelism: 2 },
      };
      return { ...base, spec };
    };
    expect(inWords(planned(back([old(1), old(2), old(3)])))).toHaveLength(2);
    expect(inWords(planned(back([failed(1), old(2)]))).at(-1)).toBe('service: rollback_paused');
    expect(inWords(planned(back([fresh(1, 60_000)])))).toEqual(['service: rollback_completed']);
  });

  it('leaves a slot alone that a restart is moving', () => {
    const lost = taskIn('l', 'running', 'lost', { slot: 1, revisionId: 'old' });
    const nodes = [aNode('lost', { state: 'down' })];
    expect(inWords(planned({ ...story([lost]), nodes }))).toEqual([
      'l: shutdown, new in 1: running after l',
    ]);
  });

  it('keeps tasks of the old revision that differ in the placement alone and may stay', () => {
    const Placement = { Constraints: ['node.labels.zone==a'] };
    const spec = aServiceSpec({
      replicas: 2,
      TaskTemplate: { ContainerSpec: { Image: 'hello:1' }, Placement },
    });
    const tasks = [
      taskIn('stays', 'running', 'inside', { slot: 1, revisionId: 'old' }),
      taskIn('goes', 'running', 'outside', { slot: 2, revisionId: 'old' }),
    ];
    const nodes = [aNode('inside', { labels: { zone: 'a' } }), aNode('outside')];
    const revisions = [aRevision('old', aServiceSpec({ replicas: 2 }))];
    const service = { updateStatus: { state: 'updating', startedAt: 0, message: '' } } as const;
    expect(inWords(planned({ spec, service, tasks, nodes, revisions }))).toEqual([
      'goes: shutdown, new in 2: ready after goes',
    ]);
  });

  it('plans no more steps than can be proposed', () => {
    const tasks = Array.from({ length: 50 }, (_, i) => old(i + 1));
    const plan = planned({ ...story(tasks, { Parallelism: 0 }), room: 7 });
    expect(plan.transactions).toHaveLength(8);
  });
});

describe('the words of a plan', () => {
  it('name what is updated', () => {
    const task = taskIn('t', 'running', 'n', { desiredState: 'shutdown' });
    const transactions = [[update('task', task)]];
    expect(inWords({ transactions, wakeAt: undefined, wakes: new Map() })).toEqual(['t: shutdown']);
  });
});
