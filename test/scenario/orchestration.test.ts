// Stories of services: what a user does, what fails, and what the managers make of it.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ServiceSpec } from '../../src/model/index.ts';
import { aServiceSpec, withImage } from '../builders/specs.ts';
import { World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = new World();
  await world.start(['a', 'b', 'c']);
});

const scaledTo =
  (replicas: number) =>
  (spec: ServiceSpec): ServiceSpec => ({ ...spec, Mode: { Replicated: { Replicas: replicas } } });

describe('replicated services', () => {
  it('spreads replicas evenly over the nodes', async () => {
    const id = await world.create(aServiceSpec({ replicas: 6 }));
    await world.clock.advance(100);
    expect(world.spread(id)).toBe('a:2 b:2 c:2');
  });

  it('scales up and down, taking from the fullest nodes and the highest slots', async () => {
    const id = await world.create(aServiceSpec({ replicas: 2 }));
    await world.clock.advance(100);
    await world.update(id, scaledTo(7));
    await world.clock.advance(100);
    expect(
      world
        .tasks(id, 'running')
        .map((task) => task.slot)
        .sort((x, y) => (x < y ? -1 : 1)),
    ).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await world.update(id, scaledTo(3));
    await world.clock.advance(100);
    expect(world.spread(id)).toBe('a:1 b:1 c:1');
    expect(world.tasks(id)).toHaveLength(3);
  });

  it('restarts a failed task in its slot after the delay', async () => {
    const id = await world.create(aServiceSpec({ replicas: 1 }));
    let starts = 0;
    world.outcome = () => (++starts === 1 ? 'failed' : 'running');
    await world.clock.advance(4_900);
    expect(world.tasks(id, 'running')).toHaveLength(0);
    await world.clock.advance(300);
    expect(world.tasks(id, 'running').map((task) => task.slot)).toEqual([1]);
    expect(world.tasks(id, 'failed')).toHaveLength(1);
  });

  it('tries a rejected task ever more slowly, and a mended spec at once', async () => {
    const id = await world.create(aServiceSpec({ replicas: 1 }));
    let tries = 0;
    const seen = new Set<string>();
    world.unpreparable = (task) => {
      if (!seen.has(task.id)) tries++;
      seen.add(task.id);
      return true;
    };
    await world.clock.advance(100);
    expect(tries).toBe(1);
    // 5, 10, 20, 40 s after the one before.
    await world.clock.advance(80_000);
    expect(tries).toBe(5);
    world.unpreparable = () => false;
    await world.update(id, (spec) => withImage(spec, 'mended'));
    await world.clock.advance(200);
    expect(world.tasks(id, 'running')).toHaveLength(1);
  });

  it('keeps no more dead tasks per slot than the history limit', async () => {
    const id = await world.create(
      aServiceSpec({
        TaskTemplate: { ContainerSpec: { Image: 'x' }, RestartPolicy: { Delay: 1e8 } },
      }),
    );
    world.outcome = () => 'failed';
    await world.clock.advance(10_000);
    expect(world.tasks(id).length).toBeLessThanOrEqual(7);
  });

  it('stops restarting after MaxAttempts', async () => {
    const id = await world.create(
      aServiceSpec({
        TaskTemplate: {
          ContainerSpec: { Image: 'x' },
          RestartPolicy: { Delay: 1e8, MaxAttempts: 2 },
        },
      }),
    );
    world.outcome = () => 'failed';
    await world.clock.advance(60_000);
    expect(world.tasks(id, 'failed')).toHaveLength(3);
  });

  it('leaves a task that ended well alone when the condition is on-failure', async () => {
    const id = await world.create(
      aServiceSpec({
        TaskTemplate: { ContainerSpec: { Image: 'x' }, RestartPolicy: { Condition: 'on-failure' } },
      }),
    );
    world.outcome = () => 'complete';
    await world.clock.advance(60_000);
    expect(world.tasks(id).map((task) => task.status.state)).toEqual(['complete']);
  });

  it('moves the tasks of a dead node elsewhere without the restart delay', async () => {
    const id = await world.create(aServiceSpec({ replicas: 6 }));
    await world.clock.advance(100);
    world.dead.add('a');
    await world.setNode('a', 'down');
    await world.clock.advance(100);
    expect(world.tasks(id, 'running').filter((task) => task.nodeId !== 'a')).toHaveLength(6);
  });

  it('empties a drained node at once and gives it nothing new', async () => {
    const id = await world.create(aServiceSpec({ replicas: 6 }));
    await world.clock.advance(100);
    await world.drain('b');
    await world.clock.advance(100);
    expect(world.spread(id)).toBe('a:3 c:3');
  });

  it('says why a task finds no node, and places it when one fits', async () => {
    const id = await world.create(
      aServiceSpec({
        TaskTemplate: {
          ContainerSpec: { Image: 'x' },
          Placement: { Constraints: ['node.labels.disk==ssd'] },
        },
      }),
    );
    await world.clock.advance(100);
    expect(world.tasks(id)[0]?.status.error).toBe(
      'no suitable node (scheduling constraints not satisfied on 3 nodes)',
    );
    await world.addNode('d', { disk: 'ssd' });
    await world.clock.advance(100);
    expect(world.spread(id)).toBe('d:1');
  });

  it('removes every task of a removed service', async () => {
    const id = await world.create(aServiceSpec({ replicas: 3 }));
    await world.clock.advance(100);
    await world.control.handle('service.remove', { id });
    await world.clock.advance(100);
    expect(world.tasks(id)).toEqual([]);
    expect([...world.store.view.all('revision')]).toEqual([]);
  });
});

describe('global services', () => {
  it('run once on every node, new ones included', async () => {
    const id = await world.create(aServiceSpec({ Mode: { Global: {} } }));
    await world.clock.advance(100);
    expect(world.spread(id)).toBe('a:1 b:1 c:1');
    await world.addNode('d');
    await world.clock.advance(100);
    expect(world.spread(id)).toBe('a:1 b:1 c:1 d:1');
  });

  it('leave a drained node', async () => {
    const id = await world.create(aServiceSpec({ Mode: { Global: {} } }));
    await world.clock.advance(100);
    await world.drain('c');
    await world.clock.advance(100);
    expect(world.spread(id)).toBe('a:1 b:1');
  });
});

describe('rolling updates', () => {
  const spec = (order: 'stop-first' | 'start-first', parallelism: number): ServiceSpec =>
    aServiceSpec({
      replicas: 4,
      UpdateConfig: { Parallelism: parallelism, Order: order, Monitor: 1e9 },
      RollbackConfig: { Parallelism: 1, Monitor: 1e9 },
    });

  for (const order of ['stop-first', 'start-first'] as const) {
    it(`reach every slot, ${order}, and never stop more than parallelism allows`, async () => {
      const id = await world.create(spec(order, 1));
      await world.clock.advance(100);
      let least = 4;
      let most = 0;
      world.store.watch(() => {
        const running = world
          .tasks(id, 'running')
          .filter((t) => t.desiredState === 'running').length;
        least = Math.min(least, running);
        most = Math.max(most, running);
      });
      await world.update(id, (old) => withImage(old, 'hello:2'));
      await world.clock.advance(5_000);
      const service = world.store.view.get('service', id);
      expect(service?.updateStatus?.state).toBe('completed');
      const running = world.tasks(id, 'running');
      expect(running.map((task) => task.slot).sort((x, y) => (x < y ? -1 : 1))).toEqual([
        1, 2, 3, 4,
      ]);
      expect(running.every((task) => task.revisionId === service?.revisionId)).toBe(true);
      expect([least, most]).toEqual(order === 'stop-first' ? [3, 4] : [4, 5]);
    });
  }

  it('pause when a new task fails, and keep the other slots as they were', async () => {
    const id = await world.create(spec('stop-first', 1));
    await world.clock.advance(100);
    const old = world.store.view.get('service', id)?.revisionId;
    world.outcome = (task) => (task.revisionId === old ? 'running' : 'failed');
    await world.update(id, (before) => withImage(before, 'broken:1'));
    await world.clock.advance(20_000);
    expect(world.store.view.get('service', id)?.updateStatus?.state).toBe('paused');
    expect(world.tasks(id, 'running')).toHaveLength(3);
  });

  it('roll back by themselves when asked to', async () => {
    const base = spec('start-first', 2);
    const id = await world.create({
      ...base,
      UpdateConfig: {
        Parallelism: 2,
        FailureAction: 'rollback',
        Order: 'start-first',
        Monitor: 1e9,
      },
    });
    await world.clock.advance(100);
    const old = world.store.view.get('service', id)?.revisionId;
    world.outcome = (task) => (task.revisionId === old ? 'running' : 'failed');
    await world.update(id, (before) => withImage(before, 'broken:1'));
    await world.clock.advance(30_000);
    const service = world.store.view.get('service', id);
    expect(service?.updateStatus?.state).toBe('rollback_completed');
    expect(service?.spec.TaskTemplate.ContainerSpec.Image).toBe('hello:1');
    expect(world.tasks(id, 'running').map((task) => task.revisionId)).toEqual([old, old, old, old]);
  });

  it('change nothing when only the number of replicas does', async () => {
    const id = await world.create(spec('stop-first', 1));
    await world.clock.advance(100);
    const before = world
      .tasks(id)
      .map((task) => task.id)
      .sort();
    await world.update(id, scaledTo(5));
    await world.clock.advance(100);
    expect(world.tasks(id).map((task) => task.id)).toEqual(expect.arrayContaining(before));
    expect(world.store.view.get('service', id)?.updateStatus).toBeUndefined();
  });
});

describe('a new leader', () => {
  it('finds nothing to do where all is well', async () => {
    const id = await world.create(aServiceSpec({ replicas: 5 }));
    await world.clock.advance(10_000);
    const index = world.store.view.index;
    world.runner.start();
    await world.clock.advance(10_000);
    expect(world.store.view.index).toBe(index);
    expect(world.tasks(id, 'running')).toHaveLength(5);
  });
});
