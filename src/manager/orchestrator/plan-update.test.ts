// How an update, or a rollback, moves the slots of a service: Docker's update supervisor, rule by rule.
import { describe, expect, it } from 'vitest';
import type { Node, ServiceSpec, Task, UpdateStatus } from '../../model/index.ts';
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
