// Stories of updates that something else comes into: other changes, failures, rollbacks, long stops.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  specIndexOf,
  update,
  type Service,
  type ServiceSpec,
  type Task,
} from '../../src/model/index.ts';
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

const labelled = (spec: ServiceSpec): ServiceSpec => ({ ...spec, Labels: { owner: 'me' } });

const slower = (spec: ServiceSpec): ServiceSpec => ({
  ...spec,
  UpdateConfig: { Parallelism: 1, ...spec.UpdateConfig, Delay: 1e9 },
});

function rolling(
  failureAction: 'pause' | 'rollback',
  order: 'stop-first' | 'start-first' = 'stop-first',
): ServiceSpec {
  const rules = { Parallelism: 1, Monitor: 5e9, Order: order };
  return aServiceSpec({
    replicas: 2,
    UpdateConfig: { ...rules, FailureAction: failureAction },
    RollbackConfig: { ...rules, Monitor: 1e9 },
  });
}

function service(id: string): Service {
  const found = world.store.view.get('service', id);
  if (found === undefined) throw new Error(`no service ${id}`);
  return found;
}

const imageOf = (task: Task): string | undefined =>
  world.store.view.get('revision', task.revisionId)?.spec.TaskTemplate.ContainerSpec.Image;

const runningImages = (id: string): (string | undefined)[] =>
  world.tasks(id, 'running').map(imageOf);

const ids = (id: string): string[] =>
  world
    .tasks(id, 'running')
    .map((task) => task.id)
    .sort((x, y) => (x < y ? -1 : 1));

async function rollBack(id: string): Promise<void> {
  const { spec } = service(id);
  const version = specIndexOf(service(id));
  await world.control.handle('service.update', { id, version, spec, rollback: true });
}

describe('a change of something else between an update and its rollback', () => {
  it.each([
    ['of the replicas', scaledTo(3), 3],
    ['of a label', labelled, 2],
    ['of the update policy', slower, 2],
  ])(
    '%s is kept, and spec and tasks are of the version before the update',
    async (_, change, n) => {
      const id = await world.create(rolling('rollback'));
      await world.clock.advance(100);
      const first = service(id).revisionId;
      await world.update(id, (spec) => withImage(spec, 'broken:1'));
      world.outcome = (task) => (imageOf(task) === 'broken:1' ? 'failed' : 'running');
      await world.update(id, change);
      await world.clock.advance(60_000);
      const { spec, updateStatus, revisionId } = service(id);
      expect(updateStatus?.state).toBe('rollback_completed');
      expect(revisionId).toBe(first);
      expect(spec).toEqual(change({ ...spec, TaskTemplate: service(id).spec.TaskTemplate }));
      expect(spec.TaskTemplate.ContainerSpec.Image).toBe('hello:1');
      expect(runningImages(id)).toEqual(Array.from({ length: n }, () => 'hello:1'));
    },
  );

  it('does not lead a rollback by hand to what the update failed with', async () => {
    const id = await world.create(rolling('pause'));
    await world.clock.advance(100);
    world.outcome = (task) => (imageOf(task) === 'broken:1' ? 'failed' : 'running');
    await world.update(id, (spec) => withImage(spec, 'broken:1'));
    await world.clock.advance(20_000);
    expect(service(id).updateStatus?.state).toBe('paused');
    await world.update(id, scaledTo(3));
    await rollBack(id);
    await world.clock.advance(60_000);
    expect(service(id).updateStatus?.state).toBe('rollback_completed');
    expect(runningImages(id)).toEqual(['hello:1', 'hello:1', 'hello:1']);
  });

  it('is itself undone by a rollback when no update was under way', async () => {
    const id = await world.create(rolling('pause'));
    await world.clock.advance(100);
    await world.update(id, (spec) => withImage(spec, 'hello:2'));
    await world.clock.advance(30_000);
    await world.update(id, scaledTo(4));
    await world.clock.advance(100);
    const before = ids(id);
    await rollBack(id);
    await world.clock.advance(5_000);
    expect(runningImages(id)).toEqual(['hello:2', 'hello:2']);
    expect(before).toEqual(expect.arrayContaining(ids(id)));
  });

  it('is told apart where an older program has stored a pair that does not belong together', async () => {
    const id = await world.create(rolling('pause'));
    await world.clock.advance(100);
    await world.update(id, (spec) => withImage(spec, 'hello:2'));
    await world.clock.advance(30_000);
    const stored = service(id);
    const third = withImage(stored.spec, 'hello:3');
    await world.store.propose([update('service', { ...stored, previousSpec: third })]);
    await rollBack(id);
    await world.clock.advance(30_000);
    expect(service(id).spec.TaskTemplate.ContainerSpec.Image).toBe('hello:3');
    expect(runningImages(id)).toEqual(['hello:3', 'hello:3']);
  });
});

describe('a paused update', () => {
  it('goes on with any update, be it without a change', async () => {
    const id = await world.create(rolling('pause'));
    await world.clock.advance(100);
    let broken = true;
    world.outcome = (task) => (broken && imageOf(task) === 'hello:2' ? 'failed' : 'running');
    await world.update(id, (spec) => withImage(spec, 'hello:2'));
    await world.clock.advance(20_000);
    expect(service(id).updateStatus?.state).toBe('paused');
    broken = false;
    await world.update(id, (spec) => spec);
    expect(service(id).updateStatus?.state).toBe('updating');
    await world.clock.advance(60_000);
    expect(service(id).updateStatus?.state).toBe('completed');
    expect(runningImages(id)).toEqual(['hello:2', 'hello:2']);
  });

  it('leaves the tasks alone that still run what it is set back to by hand', async () => {
    const id = await world.create(rolling('pause', 'start-first'));
    await world.clock.advance(100);
    const before = ids(id);
    world.outcome = (task) => (imageOf(task) === 'broken:1' ? 'failed' : 'running');
    await world.update(id, (spec) => withImage(spec, 'broken:1'));
    await world.clock.advance(20_000);
    await world.update(id, (spec) => withImage(spec, 'hello:1'));
    await world.clock.advance(60_000);
    expect(service(id).updateStatus?.state).toBe('completed');
    expect(ids(id)).toEqual(before);
  });
});

describe('a start-first rollback', () => {
  it.each(['failed', 'rejected'] as const)('keeps what served all the time (%s)', async (how) => {
    const id = await world.create(rolling('rollback', 'start-first'));
    await world.clock.advance(100);
    const before = ids(id);
    world.outcome = (task) => (imageOf(task) === 'broken:1' ? how : 'running');
    await world.update(id, (spec) => withImage(spec, 'broken:1'));
    await world.clock.advance(60_000);
    expect(service(id).updateStatus?.state).toBe('rollback_completed');
    expect(ids(id)).toEqual(before);
  });

  it('by hand, while the new task starts or has just begun to run', async () => {
    for (const afterMs of [5, 12]) {
      const id = await world.create({ ...rolling('pause', 'start-first'), Name: `web${afterMs}` });
      await world.clock.advance(100);
      const before = ids(id);
      await world.update(id, (spec) => withImage(spec, 'hello:2'));
      await world.clock.advance(afterMs);
      await rollBack(id);
      await world.clock.advance(30_000);
      expect(service(id).updateStatus?.state).toBe('rollback_completed');
      expect(runningImages(id)).toEqual(['hello:1', 'hello:1']);
      expect(ids(id).filter((one) => before.includes(one)).length).toBeGreaterThan(0);
    }
  });
});

describe('stop-first', () => {
  it('waits for as long as the old task may take to stop', async () => {
    const base = rolling('pause');
    const id = await world.create({
      ...base,
      Labels: { 'tsswarm.drain': '1m' },
      TaskTemplate: { ContainerSpec: { Image: 'hello:1', StopGracePeriod: 120e9 } },
    });
    await world.clock.advance(100);
    world.stopMs = 170_000;
    await world.update(id, (spec) => withImage(spec, 'hello:2'));
    let most = 0;
    world.store.watch(() => {
      most = Math.max(most, world.tasks(id, 'running').length);
    });
    await world.clock.advance(165_000);
    expect(runningImages(id)).toEqual(['hello:1', 'hello:1']);
    await world.clock.advance(400_000);
    expect(runningImages(id)).toEqual(['hello:2', 'hello:2']);
    expect(most).toBe(2);
  });
});

describe('history limit 0', () => {
  beforeEach(async () => {
    const { cluster } = world.store.view;
    if (cluster === undefined) throw new Error('no cluster');
    const Orchestration = { TaskHistoryRetentionLimit: 0 };
    const spec = { ...cluster.spec, Orchestration };
    await world.store.propose([update('cluster', { ...cluster, spec })]);
  });

  it.each(['none', 'on-failure'] as const)('runs a one-shot task once (%s)', async (Condition) => {
    const id = await world.create(
      aServiceSpec({
        TaskTemplate: { ContainerSpec: { Image: 'x' }, RestartPolicy: { Condition } },
      }),
    );
    world.outcome = () => 'complete';
    await world.clock.advance(60_000);
    expect(world.tasks(id).map((task) => task.status.state)).toEqual(['complete']);
  });

  it('keeps no dead task beside a living one', async () => {
    const id = await world.create(aServiceSpec());
    let starts = 0;
    world.outcome = () => (++starts < 3 ? 'failed' : 'running');
    await world.clock.advance(60_000);
    expect(world.tasks(id).map((task) => task.status.state)).toEqual(['running']);
  });

  it('still lets an update see that it fails', async () => {
    const id = await world.create(rolling('rollback'));
    await world.clock.advance(100);
    world.outcome = (task) => (imageOf(task) === 'broken:1' ? 'failed' : 'running');
    await world.update(id, (spec) => withImage(spec, 'broken:1'));
    await world.clock.advance(60_000);
    expect(service(id).updateStatus?.state).toBe('rollback_completed');
  });
});

describe('an update of the placement alone', () => {
  const placed =
    (...Constraints: string[]) =>
    (spec: ServiceSpec): ServiceSpec => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, Placement: { Constraints } },
    });

  it('keeps the tasks that may stay, and moves the others', async () => {
    const id = await world.create({ ...rolling('pause'), ...scaledTo(3)(rolling('pause')) });
    await world.clock.advance(100);
    const before = ids(id);
    await world.update(id, placed('node.id!=c'));
    await world.clock.advance(30_000);
    expect(service(id).updateStatus?.state).toBe('completed');
    expect(ids(id).filter((one) => before.includes(one))).toHaveLength(2);
    expect(world.tasks(id, 'running').some((task) => task.nodeId === 'c')).toBe(false);
    await world.update(id, placed());
    await world.clock.advance(30_000);
    await rollBack(id);
    await world.clock.advance(30_000);
    expect(ids(id).filter((one) => before.includes(one))).toHaveLength(2);
  });

  it('places what waited, and holds for the tasks it kept', async () => {
    await world.addNode('d', { disk: 'ssd' });
    const id = await world.create(placed('node.labels.disk==nvme')(aServiceSpec()));
    await world.clock.advance(100);
    expect(world.tasks(id, 'running')).toEqual([]);
    await world.update(id, placed('node.id==d'));
    await world.clock.advance(30_000);
    expect(world.spread(id)).toBe('d:1');
    const kept = ids(id);
    await world.update(id, placed('node.labels.disk==ssd'));
    await world.clock.advance(30_000);
    expect(ids(id)).toEqual(kept);
    const node = world.store.view.get('node', 'd');
    if (node === undefined) throw new Error('no node');
    await world.store.propose([update('node', { ...node, spec: { ...node.spec, Labels: {} } })]);
    await world.clock.advance(30_000);
    expect(world.spread(id)).toBe('');
  });

  it('is no such update when something else changes, too', async () => {
    const id = await world.create(rolling('pause'));
    await world.clock.advance(100);
    await world.update(id, (spec) => placed('node.id!=z')(withImage(spec, 'hello:2')));
    await world.clock.advance(30_000);
    expect(runningImages(id)).toEqual(['hello:2', 'hello:2']);
  });
});
