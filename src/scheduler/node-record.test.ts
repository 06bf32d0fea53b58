// What a record of a node says after tasks came, changed and went.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import type { Task } from '../model/index.ts';
import { aNode, aTask, taskIn } from '../../test/builders/cluster-objects.ts';
import { aServiceSpec } from '../../test/builders/specs.ts';
import {
  FAILURES_TO_AVOID,
  FAILURE_WINDOW_MS,
  NodeRecord,
  demandOf,
  occupies,
  type Demand,
} from './node-record.ts';

const NOTHING: Demand = { nanoCpus: 0, memoryBytes: 0, hostPorts: [] };
const SOME: Demand = { nanoCpus: 1e9, memoryBytes: 1e9, hostPorts: ['tcp/80'] };
const STATES: readonly Task['status']['state'][] = [
  'new',
  'pending',
  'assigned',
  'accepted',
  'preparing',
  'ready',
  'starting',
  'running',
  'complete',
  'shutdown',
  'failed',
  'rejected',
  'orphaned',
];

describe('a task', () => {
  it.each(STATES)('in state %s takes room when it was placed and may still run', (state) => {
    const expected = ['assigned', 'accepted', 'preparing', 'ready', 'starting', 'running'];
    expect(occupies(taskIn('t', state, 'n'))).toBe(expected.includes(state));
  });
});

describe('the demand of a spec', () => {
  it('is nothing where nothing is reserved', () => {
    expect(demandOf(aServiceSpec(), [])).toEqual(NOTHING);
  });

  it('is what is reserved, not what is the limit', () => {
    const spec = aServiceSpec({
      TaskTemplate: {
        ContainerSpec: { Image: 'i' },
        Resources: {
          Limits: { NanoCPUs: 9e9, MemoryBytes: 9e9 },
          Reservations: { NanoCPUs: 5e8, MemoryBytes: 1e6 },
        },
      },
    });
    expect(demandOf(spec, [])).toMatchObject({ nanoCpus: 5e8, memoryBytes: 1e6 });
  });

  it('has the ports that are published on the host alone', () => {
    const ports = [
      { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'host' },
      { Protocol: 'udp', TargetPort: 53, PublishedPort: 53, PublishMode: 'host' },
      { Protocol: 'tcp', TargetPort: 81, PublishedPort: 8081, PublishMode: 'ingress' },
      { Protocol: 'tcp', TargetPort: 82, PublishMode: 'host' },
    ] as const;
    expect(demandOf(aServiceSpec(), ports).hostPorts).toEqual(['tcp/8080', 'udp/53']);
  });
});

describe('a record', () => {
  it('of an empty node has all of it free', () => {
    const record = new NodeRecord(aNode('n'));
    expect([record.freeNanoCpus, record.freeMemoryBytes, record.taskCount]).toEqual([4e9, 8e9, 0]);
  });

  it('of a node that never said what it has has nothing', () => {
    const record = new NodeRecord(aNode('n', { undescribed: true }));
    expect([record.freeNanoCpus, record.freeMemoryBytes]).toEqual([0, 0]);
  });

  it('counts what a task takes once, however often it is said', () => {
    const record = new NodeRecord(aNode('n'));
    record.put(taskIn('t', 'assigned', 'n'), SOME);
    record.put(taskIn('t', 'running', 'n'), SOME);
    record.take('t', 's', SOME);
    expect([record.freeNanoCpus, record.freeMemoryBytes, record.taskCount]).toEqual([3e9, 7e9, 1]);
    expect([record.tasksOf('s'), record.hasPort('tcp/80')]).toEqual([1, true]);
  });

  it('gives back what the task took, also when the demand of its revision changed since', () => {
    const record = new NodeRecord(aNode('n'));
    record.put(taskIn('t', 'running', 'n'), SOME);
    record.put(taskIn('t', 'shutdown', 'n'), NOTHING);
    expect([record.freeNanoCpus, record.freeMemoryBytes, record.taskCount]).toEqual([4e9, 8e9, 0]);
    expect([record.tasksOf('s'), record.hasPort('tcp/80')]).toEqual([0, false]);
  });

  it('has a port for as long as one of two tasks has it', () => {
    const record = new NodeRecord(aNode('n'));
    record.take('old', 's', SOME);
    record.take('new', 's', SOME);
    record.remove('old');
    expect(record.hasPort('tcp/80')).toBe(true);
    record.remove('new');
    expect(record.hasPort('tcp/80')).toBe(false);
  });

  it('goes by what the node says now, and keeps its tasks', () => {
    const record = new NodeRecord(aNode('n'));
    record.take('t', 's', SOME);
    record.node = aNode('n', { nanoCpus: 2e9 });
    expect([record.freeNanoCpus, record.taskCount]).toEqual([1e9, 1]);
  });

  it('does not mind a task that it never had', () => {
    const record = new NodeRecord(aNode('n'));
    record.remove('nobody');
    expect(record.taskCount).toBe(0);
  });

  it('has no room left rather than too much when tasks take more than there is', () => {
    const record = new NodeRecord(aNode('n', { nanoCpus: 5e8 }));
    record.take('t', 's', SOME);
    expect(record.freeNanoCpus).toBe(-5e8);
  });
});

describe('a node where a revision fails', () => {
  const failing = (count: number, state: 'failed' | 'rejected' = 'failed'): NodeRecord => {
    const record = new NodeRecord(aNode('n'));
    for (let i = 0; i < count; i++) {
      record.put(taskIn(`t${i}`, state, 'n', {}, 1_000 * i), NOTHING);
    }
    return record;
  };

  it('is avoided after five failures', () => {
    expect(failing(FAILURES_TO_AVOID - 1).avoids('r', 5_000)).toBe(false);
    expect(failing(FAILURES_TO_AVOID).avoids('r', 5_000)).toBe(true);
  });

  it('is avoided for tasks that could not be prepared as well', () => {
    expect(failing(FAILURES_TO_AVOID, 'rejected').avoids('r', 5_000)).toBe(true);
  });

  it('is avoided for that revision alone', () => {
    expect(failing(FAILURES_TO_AVOID).avoids('other', 5_000)).toBe(false);
  });

  it('is as good as others five minutes later', () => {
    const record = failing(FAILURES_TO_AVOID);
    expect(record.avoids('r', FAILURE_WINDOW_MS - 1)).toBe(true);
    expect(record.avoids('r', FAILURE_WINDOW_MS)).toBe(false);
  });

  it('is as good as others once the tasks are forgotten', () => {
    const record = failing(FAILURES_TO_AVOID);
    record.remove('t3');
    expect(record.avoids('r', 5_000)).toBe(false);
  });

  it('counts a task once that is told of twice', () => {
    const record = failing(FAILURES_TO_AVOID - 1);
    record.put(taskIn('t0', 'failed', 'n', {}, 10), NOTHING);
    expect(record.avoids('r', 5_000)).toBe(false);
  });
});

describe('a record that is kept up', () => {
  it('says what one that is made anew says', () => {
    const random = new Prng('records');
    for (let round = 0; round < 30; round++) {
      const kept = new NodeRecord(aNode('n'));
      const tasks = new Map<string, { task: Task; demand: Demand }>();
      for (let step = 0; step < 200; step++) {
        const id = `t${random.below(12)}`;
        if (random.below(4) === 0) {
          tasks.delete(id);
          kept.remove(id);
          continue;
        }
        const task = aTask(id, {
          nodeId: 'n',
          serviceId: `s${random.below(3)}`,
          revisionId: `r${random.below(2)}`,
          status: {
            state: STATES[random.below(STATES.length)] ?? 'new',
            timestamp: random.below(FAILURE_WINDOW_MS * 2),
            message: '',
          },
        });
        const demand = random.below(2) === 0 ? SOME : NOTHING;
        tasks.set(id, { task, demand });
        kept.put(task, demand);
      }
      const anew = new NodeRecord(aNode('n'));
      for (const { task, demand } of tasks.values()) anew.put(task, demand);
      expect(summary(kept)).toEqual(summary(anew));
    }
  });

  function summary(record: NodeRecord): unknown {
    return [
      record.freeNanoCpus,
      record.freeMemoryBytes,
      record.taskCount,
      record.hasPort('tcp/80'),
      ...['s0', 's1', 's2'].map((id) => record.tasksOf(id)),
      ...['r0', 'r1'].map((id) => record.avoids(id, FAILURE_WINDOW_MS * 2)),
    ];
  }
});
