// What networks, services and tasks are given, what they are told when there is nothing, and when that is
// tried again.
import { beforeEach, describe, expect, it } from 'vitest';
import {
  create,
  remove,
  update,
  type Network,
  type NetworkSpec,
  type PortConfig,
  type Service,
  type ServiceSpec,
  type Task,
} from '../../model/index.ts';
import { taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { newCluster } from '../../../test/builders/memory-store.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { ADDRESS_REST_MS } from './address-pool.ts';
import { Allocator } from './allocator.ts';
import { FIRST_VNI } from './network-pools.ts';

let driver: LoopDriver;

beforeEach(async () => {
  driver = new LoopDriver(new Allocator());
  await driver.put(newCluster({ addressPools: ['10.0.0.0/8'], subnetSize: 24 }));
});

async function addNetwork(id: string, spec: Partial<NetworkSpec> = {}): Promise<void> {
  const full = { Name: id, Driver: 'overlay', ...spec };
  await driver.put(create('network', { id, spec: full, subnets: [] }));
}

function network(id: string): Network {
  const found = driver.view.get('network', id);
  if (found === undefined) throw new Error(`no network ${id}`);
  return found;
}

function service(id: string): Service {
  const found = driver.view.get('service', id);
  if (found === undefined) throw new Error(`no service ${id}`);
  return found;
}

interface Wishes {
  readonly networks?: NonNullable<ServiceSpec['TaskTemplate']['Networks']>;
  readonly ports?: readonly PortConfig[];
  readonly mode?: 'vip' | 'dnsrr';
}

function specOf(Name: string, { networks = [], ports = [], mode = 'vip' }: Wishes): ServiceSpec {
  return aServiceSpec({
    Name,
    TaskTemplate: { ContainerSpec: { Image: 'i' }, Networks: networks },
    EndpointSpec: { Mode: mode, Ports: [...ports] },
  });
}

/** A service that has been given nothing yet; its revision has its name and an r. */
async function addService(id: string, wishes: Wishes = {}): Promise<void> {
  const spec = specOf(id, wishes);
  const ports = [...(wishes.ports ?? [])];
  const endpoint = { ports: [], virtualIps: [], allocatedFor: 0 };
  await driver.put(
    create('revision', { id: `${id}-r`, serviceId: id, spec, ports }),
    create('service', { id, spec, specVersion: 1, revisionId: `${id}-r`, endpoint }),
  );
}

async function change(id: string, wishes: Wishes): Promise<void> {
  const before = service(id);
  const spec = specOf(id, wishes);
  await driver.put(update('service', { ...before, spec, specVersion: before.specVersion + 1 }));
}

const newTask = (id: string, serviceId: string, more: Partial<Task> = {}): Task =>
  taskIn(id, 'new', undefined, { serviceId, revisionId: `${serviceId}-r`, ...more });

const mesh = (PublishedPort?: number, TargetPort = 80): PortConfig => ({
  Protocol: 'tcp',
  TargetPort,
  PublishMode: 'ingress',
  ...(PublishedPort === undefined ? {} : { PublishedPort }),
});

const published = (id: string): (number | undefined)[] =>
  service(id).endpoint.ports.map(({ PublishedPort }) => PublishedPort);
const vips = (id: string): string[] =>
  service(id).endpoint.virtualIps.map(({ address }) => address);
const addresses = (id: string): string[] =>
  driver.task(id).networks.flatMap((one) => [...one.addresses]);

describe('a network', () => {
  it('gets the first free subnet and VNI, and its gateway', async () => {
    await addNetwork('one');
    await addNetwork('two');
    await driver.run();
    expect(network('one')).toMatchObject({
      vni: FIRST_VNI,
      subnets: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1' }],
    });
    expect(network('two')).toMatchObject({
      vni: FIRST_VNI + 1,
      subnets: [{ subnet: '10.0.1.0/24', gateway: '10.0.1.1' }],
    });
  });

  it('gets what it asks for', async () => {
    const IPAM = { Config: [{ Subnet: '192.0.2.0/24', Gateway: '192.0.2.254' }] };
    await addNetwork('one', { IPAM });
    await driver.run();
    expect(network('one').subnets).toEqual([{ subnet: '192.0.2.0/24', gateway: '192.0.2.254' }]);
  });

  it('is told whose subnet it asks for', async () => {
    await addNetwork('one', { IPAM: { Config: [{ Subnet: '192.0.2.0/24' }] } });
    await driver.run();
    await addNetwork('two', { IPAM: { Config: [{ Subnet: '192.0.2.128/25' }] } });
    await driver.run();
    expect(network('two').error).toContain('192.0.2.128/25 overlaps with the one of network one');
    expect(network('two').vni).toBeUndefined();
  });

  it('gets it once it is free, at its next look', async () => {
    await addNetwork('one', { IPAM: { Config: [{ Subnet: '192.0.2.0/24' }] } });
    await driver.run();
    await addNetwork('two', { IPAM: { Config: [{ Subnet: '192.0.2.0/24' }] } });
    await driver.run();
    expect(driver.wakeAt).toBe(driver.clock.now() + 60_000);
    await driver.put(remove('network', 'one'));
    await driver.clock.advance(60_000);
    await driver.run();
    expect(network('two')).toMatchObject({ subnets: [{ subnet: '192.0.2.0/24' }] });
    expect(network('two').error).toBeUndefined();
  });

  it('gets no subnet that has an address of a host', async () => {
    await driver.addNode('host', { address: '10.0.0.7:2377' });
    await addNetwork('one');
    await driver.run();
    expect(network('one').subnets[0]?.subnet).toBe('10.0.1.0/24');
  });

  it('keeps what it has when another leader begins', async () => {
    await addNetwork('one');
    await driver.run();
    driver.loop.reset(driver.view);
    expect(await driver.run()).toEqual([]);
    await addNetwork('two');
    await driver.run();
    expect(network('two').subnets[0]?.subnet).toBe('10.0.1.0/24');
  });

  it('is told when the pools have nothing left', async () => {
    driver = new LoopDriver(new Allocator());
    await driver.put(newCluster({ addressPools: ['10.0.0.0/24'], subnetSize: 25 }));
    for (const id of ['one', 'two', 'three']) await addNetwork(id);
    await driver.run();
    const errors = ['one', 'two', 'three'].flatMap((id) => network(id).error ?? []);
    expect(errors).toEqual(['no subnet of size /25 is left in 10.0.0.0/24']);
  });

  it('of no sense says so, and the others get theirs', async () => {
    await addNetwork('odd', { IPAM: { Config: [{ Subnet: 'nonsense' }] } });
    await addNetwork('one');
    await driver.run();
    expect(network('odd').error).toContain("can't plan this");
    expect(network('one').vni).toBeDefined();
  });
});

describe('a service', () => {
  it('gets a virtual address on each of its networks', async () => {
    await addNetwork('one');
    await addNetwork('two');
    await addService('web', { networks: [{ Target: 'one' }, { Target: 'two' }] });
    await driver.run();
    expect(vips('web')).toEqual(['10.0.0.2/24', '10.0.1.2/24']);
    expect(service('web').endpoint.allocatedFor).toBe(1);
  });

  it('gets none where its names lead to its tasks', async () => {
    await addNetwork('one');
    await addService('web', { networks: [{ Target: 'one' }], mode: 'dnsrr' });
    await driver.run();
    expect([vips('web'), service('web').endpoint.allocatedFor]).toEqual([[], 1]);
  });

  it('waits for its networks', async () => {
    await addService('web', { networks: [{ Target: 'late' }] });
    expect(await driver.run()).toEqual([]);
    await addNetwork('late');
    await driver.run();
    expect(vips('web')).toEqual(['10.0.0.2/24']);
  });

  it('gets the ports that it asks for, and free ones where it leaves that open', async () => {
    await addService('web', { ports: [mesh(8080), mesh(undefined, 81)] });
    await driver.run();
    expect(published('web')).toEqual([8080, 30_000]);
    expect(driver.view.get('revision', 'web-r')?.ports).toEqual(service('web').endpoint.ports);
  });

  it('is told who has the port, and gets it when that one goes', async () => {
    await addService('first', { ports: [mesh(8080)] });
    await addService('second', { ports: [mesh(8080)] });
    await driver.run();
    expect(service('second').endpoint).toMatchObject({
      ports: [],
      allocatedFor: 0,
      error: 'port 8080/tcp is already in use by service first',
    });
    await driver.put(remove('service', 'first'));
    await driver.run();
    expect([published('second'), service('second').endpoint.error]).toEqual([[8080], undefined]);
  });

  it('keeps its numbers and addresses when it changes otherwise', async () => {
    await addNetwork('one');
    await addService('web', { networks: [{ Target: 'one' }], ports: [mesh()] });
    await driver.run();
    const before = service('web').endpoint;
    await change('web', { networks: [{ Target: 'one' }], ports: [mesh(), mesh(8080, 81)] });
    await driver.run();
    expect(service('web').endpoint.virtualIps).toEqual(before.virtualIps);
    expect([published('web'), service('web').endpoint.allocatedFor]).toEqual([[30_000, 8080], 2]);
  });

  it('gives back the address of a network that it leaves', async () => {
    await addNetwork('one', { IPAM: { Config: [{ Subnet: '192.0.2.0/30' }] } });
    await addService('web', { networks: [{ Target: 'one' }] });
    await driver.run();
    expect(vips('web')).toEqual(['192.0.2.2/30']);
    await change('web', {});
    await driver.run();
    await addService('next', { networks: [{ Target: 'one' }] });
    await driver.run();
    expect(service('next').endpoint.error).toContain('no address is free on network one');
    await driver.clock.advance(ADDRESS_REST_MS);
    await driver.run();
    expect([vips('web'), vips('next')]).toEqual([[], ['192.0.2.2/30']]);
  });

  it('keeps what it has when another leader begins', async () => {
    await addNetwork('one');
    await addService('web', { networks: [{ Target: 'one' }], ports: [mesh(8080)] });
    await driver.run();
    driver.loop.reset(driver.view);
    expect(await driver.run()).toEqual([]);
    await addService('other', { networks: [{ Target: 'one' }], ports: [mesh(8080)] });
    await driver.run();
    expect(service('other').endpoint.error).toContain('port 8080/tcp');
  });
});

describe('a task', () => {
  it('gets an address on each of its networks, and waits for a node then', async () => {
    await addNetwork('one');
    await addNetwork('two');
    await addService('web', {
      networks: [{ Target: 'one', Aliases: ['www'] }, { Target: 'two' }],
    });
    await driver.run();
    await driver.addTasks(newTask('t', 'web'));
    await driver.run();
    expect(driver.task('t')).toMatchObject({
      status: { state: 'pending' },
      networks: [
        { networkId: 'one', aliases: ['www'], addresses: ['10.0.0.3/24'] },
        { networkId: 'two', aliases: [], addresses: ['10.0.1.3/24'] },
      ],
    });
  });

  it('is on the network of the mesh when it publishes there', async () => {
    await addNetwork('ingress', { Ingress: true });
    await addService('web', { ports: [mesh(8080)] });
    await driver.run();
    await driver.addTasks(newTask('t', 'web'));
    await driver.run();
    expect(driver.task('t').networks.map(({ networkId }) => networkId)).toEqual(['ingress']);
  });

  it("is on its host's network without an address", async () => {
    await addService('web', { networks: [{ Target: 'host' }] });
    await driver.run();
    await driver.addTasks(newTask('t', 'web'));
    await driver.run();
    expect(driver.task('t')).toMatchObject({
      status: { state: 'pending' },
      networks: [{ networkId: 'host', addresses: [] }],
    });
  });

  it('that is to stop gets nothing', async () => {
    await addNetwork('one');
    await addService('web', { networks: [{ Target: 'one' }] });
    await driver.run();
    await driver.addTasks(newTask('t', 'web', { desiredState: 'shutdown' }));
    expect(await driver.run()).toEqual([]);
  });

  it('waits for a network that is not there yet, and is not looked at meanwhile', async () => {
    await addService('web', { networks: [{ Target: 'late' }] });
    await driver.addTasks(newTask('t', 'web'));
    expect(await driver.run()).toEqual([]);
    await addNetwork('late');
    await driver.run();
    expect(addresses('t')).toEqual(['10.0.0.3/24']);
  });

  it('is told that its network is full, and gets the next address that has rested', async () => {
    await addNetwork('one', { IPAM: { Config: [{ Subnet: '192.0.2.0/30' }] } });
    await addService('web', { networks: [{ Target: 'one' }], mode: 'dnsrr' });
    await driver.run();
    await driver.addTasks(newTask('first', 'web'), newTask('second', 'web', { slot: 2 }));
    await driver.run();
    expect(addresses('first')).toEqual(['192.0.2.2/30']);
    expect(driver.task('second').status).toMatchObject({
      state: 'new',
      error: 'no address is free on network one: make it larger or remove services',
    });
    await driver.setState('first', 'shutdown');
    const endedAt = driver.clock.now();
    await driver.clock.advance(ADDRESS_REST_MS - 1);
    await driver.run();
    expect(addresses('second')).toEqual([]);
    await driver.clock.advance(Math.max(1, endedAt + ADDRESS_REST_MS - driver.clock.now()));
    await driver.clock.advance(60_000);
    await driver.run();
    expect(addresses('second')).toEqual(['192.0.2.2/30']);
  });

  it('has its address for as long as it may run', async () => {
    await addNetwork('one', { IPAM: { Config: [{ Subnet: '192.0.2.0/30' }] } });
    await addService('web', { networks: [{ Target: 'one' }], mode: 'dnsrr' });
    await driver.run();
    await driver.addTasks(newTask('first', 'web'));
    await driver.run();
    for (const state of ['assigned', 'running'] as const) await driver.setState('first', state);
    await driver.changeTask('first', { desiredState: 'shutdown' });
    await driver.clock.advance(10 * ADDRESS_REST_MS);
    await driver.addTasks(newTask('second', 'web', { slot: 2 }));
    await driver.run();
    expect(addresses('second')).toEqual([]);
  });
});

describe('the work of the allocator', () => {
  it('for a new network is nothing for tasks that have what they need', async () => {
    await addNetwork('one');
    await addService('web', { networks: [{ Target: 'one' }] });
    await driver.run();
    await driver.addTasks(
      ...Array.from({ length: 100 }, (_, i) => newTask(`t${i}`, 'web', { slot: i + 1 })),
    );
    await driver.run();
    const { view } = driver;
    const all = view.all.bind(view);
    view.all = (table) => {
      if (table === 'task') throw new Error('nobody asked for all tasks');
      return all(table);
    };
    const { spec, ...rest } = network('one');
    await driver.put(update('network', { ...rest, spec: { ...spec, Labels: { some: 'label' } } }));
    expect(await driver.run()).toEqual([]);
  });

  it('is done in plans of the size that was asked for', async () => {
    driver.budget = 10;
    await addNetwork('one');
    await addService('web', { networks: [{ Target: 'one' }] });
    await driver.run();
    await driver.addTasks(
      ...Array.from({ length: 45 }, (_, i) => newTask(`t${i}`, 'web', { slot: i + 1 })),
    );
    driver.plans = 0;
    expect(await driver.run()).toHaveLength(45);
    expect(driver.plans).toBe(6);
    const given = driver.tasks().flatMap(({ id }) => addresses(id));
    expect(new Set(given).size).toBe(45);
  });
});
