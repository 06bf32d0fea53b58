// When a service counts as converged, and what is shown until then.
import { describe, expect, it } from 'vitest';
import { fitted } from './converge.ts';
import { bar, progressOf } from './progress.ts';
import type { WireService, WireTask } from '../client/index.ts';

const META = { Version: { Index: 1 }, CreatedAt: '2026-01-01T00:00:00Z', UpdatedAt: '' };

function service(
  replicas: number | 'global',
  more: Partial<WireService> = {},
  condition?: string,
): WireService {
  return {
    ...META,
    ID: 's',
    Spec: {
      Name: 'web',
      Mode: replicas === 'global' ? { Global: {} } : { Replicated: { Replicas: replicas } },
      TaskTemplate: {
        ContainerSpec: { Image: 'a' },
        ...(condition === undefined ? {} : { RestartPolicy: { Condition: condition } }),
      },
    },
    ...more,
  };
}

function task(
  slot: number,
  state: string,
  more: { at?: number; error?: string; node?: string } = {},
): WireTask {
  const { at = 0, error, node = 'n1' } = more;
  return {
    ...META,
    CreatedAt: new Date(Date.parse(META.CreatedAt) + at).toISOString(),
    ID: `${slot}-${state}`,
    ServiceID: 's',
    Slot: slot,
    NodeID: node,
    DesiredState: 'running',
    Spec: { ContainerSpec: {} },
    Status: { Timestamp: '', State: state, ...(error === undefined ? {} : { Err: error }) },
  };
}

describe('converged', () => {
  it.each<[string, WireService, WireTask[], boolean]>([
    ['all run', service(2), [task(1, 'running'), task(2, 'running')], true],
    ['one starts', service(2), [task(1, 'running'), task(2, 'starting')], false],
    ['one is missing', service(2), [task(1, 'running')], false],
    ['one is too many', service(1), [task(1, 'running'), task(2, 'running')], false],
    ['none is wanted', service(0), [], true],
    [
      'a newer task of the slot starts',
      service(1),
      [task(1, 'running'), task(1, 'starting', { at: 5 })],
      false,
    ],
    [
      'an older task of the slot failed',
      service(1),
      [task(1, 'running', { at: 5 }), task(1, 'failed')],
      true,
    ],
    [
      'an update is going on',
      service(1, { UpdateStatus: { State: 'updating' } }),
      [task(1, 'running')],
      false,
    ],
    [
      'an update is done',
      service(1, { UpdateStatus: { State: 'completed' } }),
      [task(1, 'running')],
      true,
    ],
    [
      'global on two nodes',
      service('global'),
      [task(0, 'running'), task(0, 'running', { node: 'n2' })],
      true,
    ],
    [
      'global, one starts',
      service('global'),
      [task(0, 'running'), task(0, 'ready', { node: 'n2' })],
      false,
    ],
    ['global without tasks yet', service('global'), [], false],
    ['completed, to be restarted', service(1), [task(1, 'complete')], false],
    ['completed for good', service(1, {}, 'none'), [task(1, 'complete')], true],
    [
      'completed, restarted on failure only',
      service(1, {}, 'on-failure'),
      [task(1, 'complete')],
      true,
    ],
  ])('%s', (_name, wanted, tasks, converged) => {
    expect(progressOf(wanted, tasks).converged).toBe(converged);
  });
});

describe('failures', () => {
  it.each<[string, WireService, WireTask[], string | undefined]>([
    [
      'a paused update',
      service(1, { UpdateStatus: { State: 'paused', Message: 'update paused due to failure' } }),
      [task(1, 'running')],
      'service update paused: update paused due to failure',
    ],
    [
      'a task that is not started again',
      service(1, {}, 'none'),
      [task(1, 'failed', { error: 'task: non-zero exit (1)' })],
      'a task failed and is not restarted: task: non-zero exit (1)',
    ],
    ['a task that is', service(1), [task(1, 'failed')], undefined],
  ])('%s', (_name, wanted, tasks, failure) => {
    expect(progressOf(wanted, tasks).failure).toBe(failure);
  });
});

describe('lines', () => {
  it('one per slot, with the error', () => {
    const { lines, reason, running, wanted } = progressOf(service(2), [
      task(2, 'pending', { error: 'no suitable node' }),
      task(1, 'running'),
    ]);
    expect(lines).toEqual([
      `1/2: Running    [${'='.repeat(49)}>]`,
      `2/2: Pending    [${'='.repeat(12)}>${' '.repeat(37)}] no suitable node`,
    ]);
    expect([reason, running, wanted]).toEqual(['no suitable node', 1, 2]);
  });

  it('none for many tasks', () => {
    const tasks = Array.from({ length: 30 }, (_, i) => task(i + 1, 'running'));
    expect(progressOf(service(30), tasks).lines).toEqual([]);
  });

  it.each([
    [0, '[    ]'],
    [0.5, '[=>  ]'],
    [1, '[===>]'],
    [7, '[===>]'],
  ])('a bar of %d', (part, text) => {
    expect(bar(part, 4)).toBe(text);
  });
});

describe('on a terminal', () => {
  const lines = ['one', 'two', 'three', 'four'];

  it.each([
    [undefined, undefined, lines],
    [4, 24, ['one', 'two', 'thr', 'fou']],
    [80, 4, ['one', 'two', '… and 2 more']],
    [0, 24, lines],
  ])('of %s columns and %s rows', (columns, rows, expected) => {
    expect(fitted(lines, columns, rows)).toEqual(expected);
  });
});
