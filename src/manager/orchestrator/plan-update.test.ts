// How an update, or a rollback, moves the slots of a service: Docker's update supervisor, rule by rule.
import { describe, expect, it } from 'vitest';
import type { Node, Service, ServiceSpec, Task, UpdateStatus } from '../../model/index.ts';
import { aNode, aRevision, taskIn } from '../../../test/builders/cluster-objects.ts';
import {
  inWords,
  planned,
  plannedSlot,
  type ServiceStory,
} from '../../../test/builders/service-plan.ts';
import { aServiceSpec, withImage } from '../../../test/builders/specs.ts';

const NOW = 1_000_000;
const STARTED = NOW - 100_000;
const GLOBAL = aServiceSpec({ Mode: { Global: {} } });

/** An update of a global service, from hello:0 on. */
function globalUpdate(
  tasks: readonly Task[],
  nodes: readonly Node[],
  state: UpdateStatus['state'] = 'updating',
  config: Partial<NonNullable<ServiceSpec['UpdateConfig']>> = {},
): ServiceStory {
  return {
    spec: { ...GLOBAL, UpdateConfig: { Parallelism: 0, ...config } },
    service: { updateStatus: { state, startedAt: STARTED, message: '' } },
    tasks,
    nodes,
    revisions: [aRevision('old', withImage(GLOBAL, 'hello:0'))],
  };
}

const oldOn = (nodeId: string, more: Partial<Task> = {}): Task =>
  taskIn(`old-${nodeId}`, 'running', nodeId, { slot: 0, revisionId: 'old', ...more });

describe('an update of a global service', () => {
  it('leaves the task of a paused node alone, which would get no new one', () => {
    const nodes = [aNode('n', { availability: 'pause' }), aNode('m')];
    expect(inWords(planned(globalUpdate([oldOn('n'), oldOn('m')], nodes)))).toEqual([
      'old-m: shutdown, new in m: ready after old-m',
    ]);
  });

  it('is over although the task of a paused node is of the old revision', () => {
    const paused = [aNode('n', { availability: 'pause' })];
    expect(inWords(planned(globalUpdate([oldOn('n')], paused)))).toEqual(['service: completed']);
    expect(inWords(planned(globalUpdate([oldOn('n')], paused, 'completed')))).toEqual([]);
  });

  it('waits for a new task on a node that was paused meanwhile', () => {
    const fresh = taskIn('fresh', 'starting', 'n', { slot: 0, createdAt: STARTED + 1 });
    const paused = [aNode('n', { availability: 'pause' })];
    expect(inWords(planned(globalUpdate([fresh], paused)))).toEqual([]);
  });

  it.each(['completed', 'rollback_completed'] as const)(
    'that is %s reaches the task of a node that was down until then',
    (state) => {
      const story = globalUpdate([oldOn('n')], [aNode('n')], state);
      expect(inWords(planned(story))).toEqual(['old-n: shutdown, new in n: ready after old-n']);
      expect(plannedSlot(story, 'n')?.transactions).toHaveLength(1);
    },
  );

  it.each(['paused', 'rollback_paused'] as const)(
    'that is %s reaches no node that comes back',
    (state) => {
      expect(inWords(planned(globalUpdate([oldOn('n')], [aNode('n')], state)))).toEqual([]);
    },
  );

  it.each([
    ['completed', ['new in n: running after old-n']],
    ['rollback_completed', ['old-n: shutdown, new in n: ready after old-n']],
  ] as const)('that is %s reaches it in the order of its own config', (state, expected) => {
    const story = globalUpdate([oldOn('n')], [aNode('n')], state, { Order: 'start-first' });
    expect(inWords(planned(story))).toEqual(expected);
  });

  it.each(['unknown', 'disconnected', 'down'] as const)(
    'does not reach one that is %s: it would get no new task yet',
    (state) => {
      const story = globalUpdate([oldOn('n')], [aNode('n', { state })], 'completed');
      expect(inWords(planned(story))).toEqual([]);
    },
  );

  it.each(['updating', 'completed', 'rollback_completed', 'paused'] as const)(
    'that is %s leaves tasks alone that are of the new revision already',
    (state) => {
      const fresh = taskIn('fresh', 'running', 'n', { slot: 0 });
      const words = inWords(planned(globalUpdate([fresh], [aNode('n')], state)));
      expect(words).toEqual(state === 'updating' ? ['service: completed'] : []);
    },
  );

  it('reaches a node that comes back though its task has ended for good', () => {
    const over = oldOn('n', {
      desiredState: 'shutdown',
      status: { state: 'complete', timestamp: 0, message: '' },
    });
    expect(inWords(planned(globalUpdate([over], [aNode('n')], 'completed')))).toEqual([
      'new in n: running after old-n',
    ]);
  });
});

type Config = Partial<NonNullable<ServiceSpec['UpdateConfig']>>;

const OLD = withImage(aServiceSpec(), 'hello:0');

/** An update of as many replicas as there are slots, from hello:0 (revision `old`) on. */
function updating(
  tasks: readonly Task[],
  config: Config = {},
  service: Partial<Service> = {},
): ServiceStory {
  const replicas = new Set(tasks.map(({ slot }) => slot)).size;
  return {
    spec: { ...aServiceSpec({ replicas }), UpdateConfig: { Parallelism: 1, ...config } },
    service: { updateStatus: { state: 'updating', startedAt: STARTED, message: '' }, ...service },
    tasks,
    revisions: [aRevision('old', OLD), aRevision('between', withImage(OLD, 'hello:0.5'))],
  };
}

/** A rollback to `r`, by this RollbackConfig. */
function goingBack(tasks: readonly Task[], config: Config): ServiceStory {
  const updateStatus = { state: 'rollback_started', startedAt: STARTED, message: '' } as const;
  const story = updating(tasks, {}, { updateStatus, previousSpec: OLD, previousRevisionId: 'old' });
  const RollbackConfig = { Parallelism: 1, ...config };
  return { ...story, spec: { ...aServiceSpec({ replicas: tasks.length }), RollbackConfig } };
}

const old = (slot: number, more: Partial<Task> = {}): Task =>
  taskIn(`o${slot}`, 'running', 'n', { slot, revisionId: 'old', ...more });

/** A task that this update made. */
const made = (id: string, state: Task['status']['state'], slot: number, more: Partial<Task> = {}) =>
  taskIn(id, state, 'n', { slot, createdAt: STARTED + 1, createdIndex: 5, ...more }, NOW);

const running = (since: number): Task['status'] => ({
  state: 'running',
  timestamp: since,
  message: '',
  runningSince: since,
});

/** The service as the plan writes it. */
function written(story: ServiceStory): Service {
  const actions = planned(story).transactions.flat();
  const action = actions.find((one) => one.kind === 'update' && one.table === 'service');
  if (action?.kind !== 'update' || action.table !== 'service') throw new Error('not written');
  return action.object as Service;
}

describe('an update', () => {
  it('that begins in mid-update supersedes what the other one had under way', () => {
    const between = made('b1', 'starting', 1, { revisionId: 'between', createdAt: STARTED - 9 });
    expect(inWords(planned(updating([between, old(2)])))).toEqual([
      'b1: shutdown, new in 1: ready after b1',
    ]);
  });

  it('supersedes a start-first step that came to nothing, and keeps what serves', () => {
    const between = made('b1', 'pending', 1, { revisionId: 'between', createdAt: STARTED - 9 });
    const words = inWords(planned(updating([old(1), between], { Order: 'start-first' })));
    expect(words).toEqual(['b1: shutdown, new in 1: running after b1']);
  });

  it.each(['pending', 'preparing', 'starting'] as const)(
    'waits without end for a new task that is %s',
    (state) => {
      const plan = planned({ ...updating([made('f1', state, 1), old(2)]), now: NOW + 86_400_000 });
      expect([inWords(plan), plan.wakeAt]).toEqual([[], undefined]);
    },
  );

  it('fills a slot whose task has ended without waiting for it', () => {
    const ended = old(1, {
      desiredState: 'shutdown',
      status: { state: 'failed', timestamp: 0, message: '' },
    });
    expect(inWords(planned(updating([ended])))).toEqual(['new in 1: running after o1']);
  });

  it('of start-first runs the next task at once only beside one that serves', () => {
    const config = { Order: 'start-first' } as const;
    const starts = old(1, { status: { state: 'starting', timestamp: 0, message: '' } });
    expect(inWords(planned(updating([old(1)], config)))).toEqual(['new in 1: running after o1']);
    expect(inWords(planned(updating([starts], config)))).toEqual([
      'o1: shutdown, new in 1: ready after o1',
    ]);
  });

  it('of start-first takes the old task away once the new one runs', () => {
    const runs = made('f1', 'running', 1, { status: running(NOW) });
    expect(inWords(planned(updating([old(1), runs], { Order: 'start-first' })))).toEqual([
      'o1: shutdown',
    ]);
  });

  it('of start-first leaves what serves when its new task fails', () => {
    const config = { Order: 'start-first' } as const;
    const words = inWords(planned(updating([old(1), made('x1', 'failed', 1)], config)));
    expect(words).toEqual(['x1: shutdown, new in 1: ready after x1', 'service: paused']);
  });

  it('gives slots that it is scaled up by the new spec, beside its steps', () => {
    const story = updating([old(1)]);
    const spec = { ...aServiceSpec({ replicas: 3 }), UpdateConfig: { Parallelism: 1 } };
    const words = inWords(planned({ ...story, spec }));
    expect(words.slice(0, 2)).toEqual(['new in 2: running', 'new in 3: running']);
    expect(words.at(-1)).toBe('o1: shutdown, new in 1: ready after o1');
  });

  it('of a service without tasks is complete at once', () => {
    expect(inWords(planned(updating([])))).toEqual(['service: completed']);
  });

  it('says when it was complete, and keeps when it began', () => {
    const runs = made('f1', 'running', 1, { status: running(NOW - 60_000) });
    expect(written(updating([runs])).updateStatus).toEqual({
      state: 'completed',
      startedAt: STARTED,
      completedAt: NOW,
      message: 'update completed',
    });
  });

  it('that is paused takes no further step, but its tasks are restarted', () => {
    const updateStatus = { state: 'paused', startedAt: STARTED, message: '' } as const;
    const failed = made('x1', 'failed', 1);
    expect(inWords(planned(updating([failed, old(2)], {}, { updateStatus })))).toEqual([
      'x1: shutdown, new in 1: ready after x1',
    ]);
  });

  it('says how many tasks of how many failed when it pauses', () => {
    const tasks = [made('x1', 'failed', 1), old(2), old(3)];
    expect(written(updating(tasks)).updateStatus).toMatchObject({
      state: 'paused',
      startedAt: STARTED,
      message: 'update paused due to failure: 1 of 3 tasks failed',
    });
  });
});

describe('a rollback', () => {
  const previous = { previousSpec: OLD, previousRevisionId: 'old' };
  const failing = [made('x1', 'failed', 1), old(2)];

  it('swaps the spec and the previous one, each with its revision', () => {
    const story = updating(failing, { FailureAction: 'rollback' }, previous);
    expect(written(story)).toMatchObject({
      spec: OLD,
      revisionId: 'old',
      specVersion: 2,
      previousSpec: story.spec,
      previousRevisionId: 'r',
      updateStatus: {
        state: 'rollback_started',
        startedAt: NOW,
        message: 'update rolled back due to failure: 1 of 2 tasks failed',
      },
    });
  });

  it('that fails never begins another one, whatever its config says', () => {
    const story = goingBack(failing, { FailureAction: 'rollback' });
    expect(inWords(planned(story)).at(-1)).toBe('service: rollback_paused');
    expect(written(story).updateStatus?.message).toBe('rollback paused: 1 of 2 tasks failed');
  });

  it.each<Config>([{ FailureAction: 'continue' }, { MaxFailureRatio: 0.5 }])(
    'with %j goes on although a task failed',
    (config) => {
      expect(inWords(planned(goingBack(failing, config))).at(-1)).toBe(
        'o2: shutdown, new in 2: ready after o2',
      );
    },
  );

  it('goes by its own order and monitor period', () => {
    const startFirst = goingBack([old(1)], { Order: 'start-first' });
    expect(inWords(planned(startFirst))).toEqual(['new in 1: running after o1']);
    const runs = made('f1', 'running', 1, { status: running(NOW - 19_999) });
    const watched = goingBack([runs], { Monitor: 20e9 });
    expect(inWords(planned(watched))).toEqual([]);
    expect(inWords(planned({ ...watched, now: NOW + 1 }))).toEqual(['service: rollback_completed']);
  });
});
