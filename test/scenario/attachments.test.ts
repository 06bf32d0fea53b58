// Stories of users' containers on networks of the cluster: their daemons ask for their places and end
// them; no service stands behind one.
import { beforeEach, describe, expect, it } from 'vitest';
import { buildAssignments } from '../../src/manager/dispatcher/sets/assignments.ts';
import { update, type NetworkSpec, type Task } from '../../src/model/index.ts';
import { aServiceSpec } from '../builders/specs.ts';
import { World } from './world.ts';

let world: World;

beforeEach(async () => {
  world = new World();
  await world.start(['a', 'b']);
});

const place = (id: string): Task | undefined => world.store.view.get('task', id);

async function network(Name: string, more: Partial<NetworkSpec> = {}): Promise<string> {
  const spec = { Name, Driver: 'overlay', Attachable: true, ...more };
  const { id } = await world.control.handle('network.create', { spec });
  await world.clock.advance(100);
  return id;
}

async function attach(id: string, target: string, address?: string): Promise<void> {
  const addresses = address === undefined ? [] : [address];
  await world.control.handle('attachment.create', {
    id,
    nodeId: 'a',
    containerId: `${id}-container`,
    name: `my-${id}`,
    networks: [{ target, aliases: ['db'], addresses }],
  });
  await world.clock.advance(100);
}

/** The word of its agent. */
async function end(id: string): Promise<void> {
  const task = place(id);
  if (task === undefined) throw new Error(`no task ${id}`);
  const status = { state: 'complete', timestamp: world.clock.now(), message: 'finished' } as const;
  await world.store.tryPropose([update('task', { ...task, status })]);
  await world.clock.advance(100);
}

describe('a container on an attachable network', () => {
  it('gets an address there on its own node, and others its name', async () => {
    const id = await network('back');
    await attach('c1', 'back');
    expect(place('c1')).toMatchObject({ nodeId: 'a', status: { state: 'running' } });
    expect(place('c1')?.networks).toEqual([
      { networkId: id, addresses: ['10.0.0.2/24'], aliases: ['db', 'c1-container'] },
    ]);
    const set = buildAssignments(world.store.view, 'a');
    const endpoint = JSON.parse(set.get(`taskEndpoint\n${id}/c1`) ?? '{}') as object;
    expect(endpoint).toMatchObject({ name: 'my-c1', active: true, addresses: ['10.0.0.2'] });
    const own = JSON.parse(set.get('task\nc1') ?? '{}') as object;
    expect(own).toMatchObject({ attachment: { containerId: 'c1-container' } });
  });

  it('may be asked for again, as after a lost answer, but not for another container', async () => {
    await network('back');
    await attach('c1', 'back');
    await attach('c1', 'back');
    const other = {
      id: 'c1',
      nodeId: 'b',
      containerId: 'c1-container',
      name: 'x',
      networks: [{ target: 'back', aliases: [], addresses: [] }],
    };
    await expect(world.control.handle('attachment.create', other)).rejects.toThrow(
      'exists already',
    );
    expect(place('c1')?.nodeId).toBe('a');
  });

  it('is refused on networks that are not attachable, unknown, or for the mesh', async () => {
    await network('closed', { Attachable: false });
    await network('mesh', { Ingress: true });
    await expect(attach('c1', 'closed')).rejects.toThrow('not manually attachable');
    await expect(attach('c1', 'mesh')).rejects.toMatchObject({ code: 'denied' });
    await expect(attach('c1', 'nowhere')).rejects.toThrow('network nowhere not found');
    expect(place('c1')).toBeUndefined();
  });

  it('is refused on an encrypted network by a node that can’t encrypt', async () => {
    await network('secret', { Options: { encrypted: '' } });
    await expect(attach('c1', 'secret')).rejects.toThrow('it is encrypted, and node a can');
  });

  it('holds its network until it ends, and is forgotten then', async () => {
    const id = await network('back');
    await attach('c1', 'back');
    await expect(world.control.handle('network.remove', { id })).rejects.toThrow(
      'is in use by container c1-container on node a',
    );
    await end('c1');
    expect(place('c1')).toBeUndefined();
    expect(world.store.view.get('revision', 'c1')).toBeUndefined();
    await world.control.handle('network.remove', { id });
  });

  it('stays while its node is drained or down, and goes with it', async () => {
    const id = await network('back');
    await attach('c1', 'back');
    await world.drain('a');
    await world.clock.advance(1_000);
    expect(place('c1')?.desiredState).toBe('running');
    await world.setNode('a', 'down');
    await world.clock.advance(1_000);
    expect(place('c1')?.status.state).toBe('running');
    const set = buildAssignments(world.store.view, 'b');
    expect(set.has(`taskEndpoint\n${id}/c1`)).toBe(false);
    await world.control.handle('node.remove', { id: 'a', force: true });
    await world.clock.advance(1_000);
    expect(place('c1')).toBeUndefined();
  });

  // Its node had given up and heard of it only once it had addresses: it held its networks for ever.
  it('goes when it gets no addresses in time', async () => {
    const id = await network('tiny', { IPAM: { Config: [{ Subnet: '10.77.0.0/29' }] } });
    const given = ['c1', 'c2', 'c3', 'c4', 'c5'];
    for (const one of [...given, 'late']) await attach(one, 'tiny');
    expect(place('late')?.status).toMatchObject({ state: 'new' });
    await world.clock.advance(60_000);
    expect(place('late')).toBeUndefined();
    expect(world.store.view.get('revision', 'late')).toBeUndefined();
    expect(given.map((one) => place(one)?.status.state)).toEqual(given.map(() => 'running'));
    for (const one of given) await end(one);
    await world.control.handle('network.remove', { id });
  });

  // Only tasks that had been assigned were looked at: it got its addresses later, for nobody.
  it('goes with its node before it has addresses', async () => {
    await network('tiny', { IPAM: { Config: [{ Subnet: '10.77.0.0/29' }] } });
    for (const one of ['c1', 'c2', 'c3', 'c4', 'c5', 'late']) await attach(one, 'tiny');
    expect(place('late')?.status).toMatchObject({ state: 'new' });
    await world.control.handle('node.remove', { id: 'a', force: true });
    await world.clock.advance(1_000);
    expect([...world.store.view.all('task')]).toEqual([]);
    expect([...world.store.view.all('revision')]).toEqual([]);
  });

  it('survives a new leader’s first look', async () => {
    await network('back');
    await attach('c1', 'back');
    world.runner.stop();
    world.runner.start();
    await world.clock.advance(1_000);
    expect(place('c1')).toMatchObject({ desiredState: 'running', status: { state: 'running' } });
  });
});

describe('a fixed address', () => {
  it('is the container’s, and nobody else’s', async () => {
    await network('back', { IPAM: { Config: [{ Subnet: '10.77.0.0/24' }] } });
    await attach('c1', 'back', '10.77.0.50');
    expect(place('c1')?.networks[0]?.addresses).toEqual(['10.77.0.50/24']);
    await expect(attach('c2', 'back', '10.77.0.50')).rejects.toThrow('is that of task c1');
    await expect(attach('c2', 'back', '10.78.0.50')).rejects.toThrow('is not on network back');
    const service = aServiceSpec({ replicas: 60 });
    const TaskTemplate = { ...service.TaskTemplate, Networks: [{ Target: 'back' }] };
    await world.create({ ...service, TaskTemplate });
    await world.clock.advance(1_000);
    const taken = [...world.store.view.all('task')].filter(({ networks }) =>
      networks.some(({ addresses }) => addresses.includes('10.77.0.50/24')),
    );
    expect(taken.map(({ id }) => id)).toEqual(['c1']);
  });

  // Both were given it by one plan, which saw neither in the store.
  it('goes to one of two that asked for it at the same time', async () => {
    await network('back', { IPAM: { Config: [{ Subnet: '10.77.0.0/24' }] } });
    world.runner.stop();
    for (const id of ['c1', 'c2']) await attach(id, 'back', '10.77.0.50');
    world.runner.start();
    await world.clock.advance(100);
    expect(place('c1')?.networks[0]?.addresses).toEqual(['10.77.0.50/24']);
    expect(place('c2')?.status).toMatchObject({
      state: 'new',
      error: expect.stringContaining('address 10.77.0.50/24 is') as string,
    });
  });

  it('waits for the end of the container’s last run', async () => {
    await network('back', { IPAM: { Config: [{ Subnet: '10.77.0.0/24' }] } });
    await attach('c1', 'back', '10.77.0.50');
    await world.control.handle('attachment.create', {
      id: 'again',
      nodeId: 'a',
      containerId: 'c1-container',
      name: 'my-c1',
      networks: [{ target: 'back', aliases: [], addresses: ['10.77.0.50'] }],
    });
    await world.clock.advance(100);
    expect(place('again')?.status).toMatchObject({
      state: 'new',
      error: 'address 10.77.0.50/24 is that of task c1 until it ends',
    });
    await end('c1');
    expect(place('again')?.networks[0]?.addresses).toEqual(['10.77.0.50/24']);
  });
});
