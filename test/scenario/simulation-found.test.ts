// Stories that the simulation of whole clusters told first: each was a fault there, its cause in words.
import { beforeEach, describe, expect, it } from 'vitest';
import { ADDRESS_REST_MS } from '../../src/manager/allocator/address-pool.ts';
import { NetworkPools } from '../../src/manager/allocator/network-pools.ts';
import type { NetworkSpec, ServiceSpec } from '../../src/model/index.ts';
import { aServiceSpec, withImage } from '../builders/specs.ts';
import { World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = new World();
  await world.start(['a', 'b', 'c']);
});

describe('an update that goes on after failures', () => {
  // A slot whose new task failed counted as under way for as long as its restarts failed: with
  // failure action `continue` the other slots waited for ever.
  it('reaches every slot and completes although the new tasks fail', async () => {
    const spec = aServiceSpec({
      replicas: 3,
      UpdateConfig: { Parallelism: 1, FailureAction: 'continue', Monitor: 1e9 },
    });
    const id = await world.create(spec);
    await world.clock.advance(1_000);
    const bad = (revisionId: string): boolean =>
      revisionId === world.store.view.get('service', id)?.revisionId;
    await world.update(id, (old) => withImage(old, 'bad:2'));
    world.outcome = (task) => (bad(task.revisionId) ? 'failed' : 'running');
    await world.clock.advance(60_000);
    expect(world.store.view.get('service', id)?.updateStatus?.state).toBe('completed');
    const slots = new Set(
      world
        .tasks(id)
        .filter((task) => bad(task.revisionId))
        .map((t) => t.slot),
    );
    expect(slots).toEqual(new Set([1, 2, 3]));
  });
});

describe('a task that found no place', () => {
  // Wished to stop, it stayed pending for as long as the history kept it, and held its addresses.
  it('has ended once nobody wants it', async () => {
    const huge = { Reservations: { NanoCPUs: 100e9 } };
    const { TaskTemplate } = aServiceSpec();
    const id = await world.create(
      aServiceSpec({ TaskTemplate: { ...TaskTemplate, Resources: huge } }),
    );
    await world.clock.advance(1_000);
    expect(world.tasks(id, 'pending')).toHaveLength(1);
    await world.update(id, (spec) => ({ ...spec, TaskTemplate }));
    await world.clock.advance(1_000);
    // The new task was promoted while the scheduler's first try was on its way: it is tried again.
    expect(world.tasks(id, 'running')).toHaveLength(1);
    expect(world.tasks(id, 'pending')).toHaveLength(0);
    expect(world.tasks(id, 'shutdown')).toHaveLength(1);
  });
});

describe('a start-first update to tasks that find no place', () => {
  // The new task waited for room, its slot counted as in motion, and no later update could reach it.
  it('is superseded by the next update, and the old tasks serve until then', async () => {
    const id = await world.create(
      aServiceSpec({
        replicas: 2,
        UpdateConfig: { Parallelism: 0, Order: 'start-first', Monitor: 1e9 },
      }),
    );
    await world.clock.advance(1_000);
    const old = world.tasks(id, 'running').map((task) => task.id);
    const nowhere = { Constraints: ['node.labels.zone==nowhere'] };
    await world.update(id, (spec) => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, Placement: nowhere },
    }));
    await world.clock.advance(1_000);
    expect(world.tasks(id, 'running').map((task) => task.id)).toEqual(old);
    await world.update(id, (spec) => ({
      ...withImage(spec, 'good:2'),
      TaskTemplate: { ContainerSpec: { Image: 'good:2' } },
    }));
    const revision = world.store.view.get('service', id)?.revisionId;
    await world.clock.advance(5_000);
    expect(world.tasks(id, 'running').map((task) => task.revisionId)).toEqual([revision, revision]);
    expect(world.store.view.get('service', id)?.updateStatus?.state).toBe('completed');
  });
});

describe('two requests at the same time', () => {
  // Each was checked while the other was on its way: the service named a network that was gone.
  it('never remove what the other one uses', async () => {
    const network = await world.control.handle('network.create', {
      spec: { Name: 'front', Driver: 'overlay' },
    });
    const { TaskTemplate } = aServiceSpec();
    const spec = aServiceSpec({
      TaskTemplate: { ...TaskTemplate, Networks: [{ Target: 'front' }] },
    });
    const outcomes = await Promise.allSettled([
      world.control.handle('service.create', { spec }),
      world.control.handle('network.remove', network),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    expect(world.store.view.get('network', network.id)).toBeDefined();
  });

  it('never get the same port', async () => {
    const published = (Name: string) =>
      aServiceSpec({
        Name,
        EndpointSpec: {
          Ports: [{ Protocol: 'tcp', TargetPort: 80, PublishedPort: 80, PublishMode: 'ingress' }],
        },
      });
    const outcomes = await Promise.allSettled([
      world.control.handle('service.create', { spec: published('a') }),
      world.control.handle('service.create', { spec: published('b') }),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  });
});

describe('a leader whose clock is behind the last one’s', () => {
  // Its new tasks counted as older than those they were to follow: they were retired at once and made
  // again, hundreds of times a second, until its clock had caught up.
  it.each(['start-first', 'stop-first'] as const)(
    'updates %s with one new task a slot',
    async (Order) => {
      const id = await world.create(
        aServiceSpec({ replicas: 2, UpdateConfig: { Parallelism: 1, Order, Monitor: 1e9 } }),
      );
      await world.clock.advance(1_000);
      world.behindMs = 600_000;
      await world.update(id, (spec) => withImage(spec, 'good:2'));
      await world.clock.advance(10_000);
      expect(world.tasks(id)).toHaveLength(4);
      expect(world.tasks(id, 'running')).toHaveLength(2);
      expect(world.store.view.get('service', id)?.updateStatus?.state).toBe('completed');
    },
  );

  // Tasks made by the slow clock seemed to be of an earlier update: neither waited for nor judged.
  it('holds to the parallelism of an update that began before it led', async () => {
    const id = await world.create(
      aServiceSpec({ replicas: 4, UpdateConfig: { Parallelism: 1, Monitor: 1e9 } }),
    );
    await world.clock.advance(1_000);
    world.startMs = 5_000;
    await world.update(id, (spec) => withImage(spec, 'good:2'));
    world.behindMs = 600_000;
    await world.clock.advance(12_000);
    const { revisionId } = world.store.view.get('service', id) ?? {};
    const started = world.tasks(id).filter((task) => task.revisionId === revisionId);
    expect(started).toHaveLength(3);
  });
});

describe('a node whose clock is an hour fast', () => {
  // The address of an ended task rested until an hour after its node's word: networks ran full.
  it('does not keep the addresses of its tasks for an hour', () => {
    const pools = new NetworkPools();
    const status = { state: 'failed', timestamp: 3_600_000, endedSince: 0, message: '' } as const;
    const meta = { version: 1, createdAt: 0, updatedAt: 0 };
    const subnets = [{ subnet: '10.9.0.0/30', gateway: '10.9.0.1' }];
    pools.adopt({ id: 'n1', spec: { Name: 'n1' } as NetworkSpec, subnets, vni: 1, ...meta });
    pools.adoptTask({
      id: 't1',
      serviceId: 's1',
      revisionId: 'r1',
      slot: 1,
      desiredState: 'shutdown',
      status,
      networks: [{ networkId: 'n1', addresses: ['10.9.0.2/30'], aliases: [] }],
      ...meta,
    });
    expect(pools.take('n1', ADDRESS_REST_MS - 1)).toBeUndefined();
    expect(pools.take('n1', ADDRESS_REST_MS)).toEqual(['10.9.0.2/30']);
  });
});

describe('a port that a service gave up in an update', () => {
  const port = (number: number) => ({
    EndpointSpec: {
      Ports: [
        { Protocol: 'tcp', TargetPort: 80, PublishedPort: number, PublishMode: 'ingress' } as const,
      ],
    },
  });

  // A manager that led before remembered the ports of services that were removed under another leader.
  it('is free when its service was removed while another manager led', async () => {
    const id = await world.create(aServiceSpec({ Name: 'a', ...port(8080) }));
    await world.clock.advance(1_000);
    world.runner.stop();
    await world.control.handle('service.remove', { id });
    world.runner.start();
    const next = await world.create(aServiceSpec({ Name: 'b', ...port(8080) }));
    await world.clock.advance(1_000);
    expect(world.store.view.get('service', next)?.endpoint.error).toBeUndefined();
    expect(world.tasks(next, 'running')).toHaveLength(1);
  });

  // Another service took it, and the rollback, once accepted, could never be carried out.
  it('is refused to a rollback once another service has it, and kept while one may come', async () => {
    const id = await world.create(aServiceSpec({ Name: 'a', ...port(8080) }));
    await world.clock.advance(1_000);
    await world.update(id, (spec) => ({
      ...withImage(spec, 'good:2'),
      ...port(8081),
      UpdateConfig: { Parallelism: 1, FailureAction: 'rollback' as const },
    }));
    const other = aServiceSpec({ Name: 'b', ...port(8080) });
    await expect(world.create(other)).rejects.toThrow('8080');
    await world.clock.advance(60_000);
    expect(world.store.view.get('service', id)?.updateStatus?.state).toBe('completed');
    await world.create(other);
    const version = world.store.view.get('service', id)?.version ?? 0;
    const spec = aServiceSpec({ Name: 'a' });
    const rollback = world.control.handle('service.update', { id, version, spec, rollback: true });
    await expect(rollback).rejects.toThrow("port '8080' is already in use by service 'b'");
  });
});

describe('a network that a service gave up in an update', () => {
  // The rollback went back to a network that was gone; no later update of the service was possible.
  it('stays while the update may go back to it, and is missed by a rollback afterwards', async () => {
    const { id: network } = await world.control.handle('network.create', {
      spec: { Name: 'front', Driver: 'overlay' },
    });
    const on = (spec: ServiceSpec, networks: readonly string[]): ServiceSpec => ({
      ...spec,
      TaskTemplate: { ...spec.TaskTemplate, Networks: networks.map((Target) => ({ Target })) },
      UpdateConfig: { Parallelism: 1, Monitor: 1e9, FailureAction: 'rollback' },
    });
    const id = await world.create(on(aServiceSpec({ Name: 'a' }), [network]));
    await world.clock.advance(1_000);
    await world.update(id, (spec) => on(spec, []));
    const removal = (): Promise<unknown> => world.control.handle('network.remove', { id: network });
    await expect(removal()).rejects.toThrow('is in use by service');
    await world.clock.advance(60_000);
    await removal();
    const version = world.store.view.get('service', id)?.version ?? 0;
    const spec = aServiceSpec({ Name: 'a' });
    const rollback = world.control.handle('service.update', { id, version, spec, rollback: true });
    await expect(rollback).rejects.toThrow(`network ${network} not found`);
  });
});
