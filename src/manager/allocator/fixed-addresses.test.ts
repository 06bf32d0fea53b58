// Addresses that services and containers ask for: whose they are while nobody runs, and after.
import { beforeEach, describe, expect, it } from 'vitest';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { newCluster } from '../../../test/builders/memory-store.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import { aTask, taskIn } from '../../../test/builders/cluster-objects.ts';
import {
  FIXED_IPV4_OPTION,
  create,
  remove,
  update,
  type ServiceSpec,
  type Task,
} from '../../model/index.ts';
import { ADDRESS_REST_MS } from './address-pool.ts';
import { Allocator } from './allocator.ts';

let driver: LoopDriver;

/** Five addresses beside the gateway's: .2 to .6. */
beforeEach(async () => {
  driver = new LoopDriver(new Allocator());
  await driver.put(
    newCluster(),
    create('network', {
      id: 'net',
      spec: { Name: 'net', Driver: 'overlay' },
      vni: 1,
      subnets: [{ subnet: '10.9.0.0/29', gateway: '10.9.0.1' }],
    }),
  );
});

/** With this address, or any. */
function specOf(Name: string, address?: string): ServiceSpec {
  const DriverOpts = address === undefined ? {} : { [FIXED_IPV4_OPTION]: address };
  return aServiceSpec({
    Name,
    TaskTemplate: { ContainerSpec: { Image: 'i' }, Networks: [{ Target: 'net', DriverOpts }] },
    EndpointSpec: { Mode: 'dnsrr' },
  });
}

async function addService(id: string, address?: string): Promise<void> {
  const spec = specOf(id, address);
  const endpoint = { ports: [], virtualIps: [], allocatedFor: 1 };
  await driver.put(
    create('revision', { id: `${id}-r`, serviceId: id, spec, ports: [] }),
    create('service', { id, spec, specVersion: 1, revisionId: `${id}-r`, endpoint }),
  );
}

/** To another address, or any, from its next task on. */
async function change(id: string, address?: string): Promise<void> {
  const service = driver.view.get('service', id);
  if (service === undefined) throw new Error(`no service ${id}`);
  const spec = specOf(id, address);
  const revisionId = `${id}-r${service.specVersion}`;
  await driver.put(
    create('revision', { id: revisionId, serviceId: id, spec, ports: [] }),
    update('service', { ...service, spec, revisionId, specVersion: service.specVersion + 1 }),
  );
}

async function addTask(id: string, serviceId: string, more: Partial<Task> = {}): Promise<void> {
  const revisionId = driver.view.get('service', serviceId)?.revisionId ?? 'r';
  await driver.addTasks(aTask(id, { serviceId, revisionId, ...more }));
  await driver.run();
}

/** A container of node `n` that asks for this address. */
async function attach(id: string, address: string, containerId = id): Promise<void> {
  const spec = { ...specOf(id, address), Mode: {} };
  await driver.put(create('revision', { id, serviceId: id, spec, ports: [] }));
  const attachment = { containerId };
  await driver.addTasks(
    taskIn(id, 'new', 'n', { serviceId: id, revisionId: id, slot: 0, attachment }),
  );
  await driver.run();
}

async function end(id: string): Promise<void> {
  await driver.setState(id, 'complete');
  await driver.run();
}

const addresses = (id: string): string[] =>
  driver.task(id).networks.flatMap((one) => [...one.addresses]);

/** Addresses that tasks without wishes get, until there are none. */
async function others(): Promise<string[]> {
  await addService('any');
  const given: string[] = [];
  for (let i = 0; i < 6; i++) {
    await addTask(`any${i}`, 'any');
    given.push(...addresses(`any${i}`));
  }
  return given.toSorted();
}

const ALL = [2, 3, 4, 5, 6].map((host) => `10.9.0.${host}/29`);
const without = (host: number): string[] => ALL.filter((one) => one !== `10.9.0.${host}/29`);

describe('the address of a service', () => {
  it('is its task’s', async () => {
    await addService('web', '10.9.0.4');
    await addTask('t1', 'web');
    expect(addresses('t1')).toEqual(['10.9.0.4/29']);
  });

  it('is given to nobody else, be there a task or not', async () => {
    await addService('web', '10.9.0.4');
    expect(await others()).toEqual(without(4));
  });

  it('is given to nobody else while a task has ended and the next is not there yet', async () => {
    await addService('web', '10.9.0.4');
    await addTask('t1', 'web');
    await end('t1');
    await driver.clock.advance(2 * ADDRESS_REST_MS);
    expect(await others()).toEqual(without(4));
  });

  it('is the next task’s as soon as the last one has ended, and not before', async () => {
    await addService('web', '10.9.0.4');
    await addTask('t1', 'web');
    await addTask('t2', 'web');
    expect(driver.task('t2').status).toMatchObject({
      state: 'new',
      error: 'address 10.9.0.4/29 is that of task t1 until it ends',
    });
    await end('t1');
    expect(driver.task('t2').status.state).toBe('pending');
    expect(addresses('t2')).toEqual(['10.9.0.4/29']);
  });

  it('is known to the next leader, also without a task', async () => {
    await addService('web', '10.9.0.4');
    driver.loop.reset(driver.view);
    expect(await others()).toEqual(without(4));
  });

  it('goes to others once the service and its task are gone, after a rest', async () => {
    await addService('web', '10.9.0.4');
    await addTask('t1', 'web');
    await driver.put(remove('service', 'web'));
    await end('t1');
    await driver.clock.advance(ADDRESS_REST_MS);
    expect(await others()).toEqual(ALL);
  });

  // Only the end of a task gave it back: without one it was nobody's until another leader came.
  it('goes to others once the service is gone that had no task', async () => {
    await addService('web', '10.9.0.4');
    await driver.put(remove('service', 'web'));
    await driver.clock.advance(ADDRESS_REST_MS);
    expect(await others()).toEqual(ALL);
  });

  it('goes to others once the service asks for another one, and has no task', async () => {
    await addService('web', '10.9.0.4');
    await change('web', '10.9.0.5');
    await driver.clock.advance(ADDRESS_REST_MS);
    expect(await others()).toEqual(without(5));
  });

  it('stays that of another service which asks for it, too', async () => {
    await addService('web', '10.9.0.4');
    await addService('other', '10.9.0.4');
    await driver.put(remove('service', 'web'));
    await driver.clock.advance(ADDRESS_REST_MS);
    expect(await others()).toEqual(without(4));
  });

  it('stays its task’s when the service is gone, until that ends', async () => {
    await addService('web', '10.9.0.4');
    await addTask('t1', 'web');
    await driver.put(remove('service', 'web'));
    await driver.clock.advance(2 * ADDRESS_REST_MS);
    expect(await others()).toEqual(without(4));
  });

  it('stays its old task’s when the service asks for another one', async () => {
    await addService('web', '10.9.0.4');
    await addTask('t1', 'web');
    await change('web', '10.9.0.5');
    await addTask('t2', 'web');
    expect(addresses('t2')).toEqual(['10.9.0.5/29']);
    await driver.clock.advance(2 * ADDRESS_REST_MS);
    const given = await others();
    expect(given).toEqual(ALL.filter((one) => !/[45]\/29$/u.test(one)));
  });
});

describe('the address of a container', () => {
  it('is its own, and the task is its node’s at once', async () => {
    await attach('c1', '10.9.0.4');
    expect(addresses('c1')).toEqual(['10.9.0.4/29']);
    expect(driver.task('c1').status.state).toBe('assigned');
    expect(await others()).toEqual(without(4));
  });

  it('is not one that a service asks for, be there a task or not', async () => {
    await addService('web', '10.9.0.4');
    await attach('c1', '10.9.0.4');
    expect(driver.task('c1').status).toMatchObject({
      state: 'new',
      error: 'address 10.9.0.4/29 is in use',
    });
  });

  it('may be that of a service that is gone', async () => {
    await addService('web', '10.9.0.4');
    await driver.put(remove('service', 'web'));
    await attach('c1', '10.9.0.4');
    expect(addresses('c1')).toEqual(['10.9.0.4/29']);
  });

  it('is the next run’s once the last one has ended', async () => {
    await attach('c1', '10.9.0.4');
    await attach('c2', '10.9.0.4', 'c1');
    expect(driver.task('c2').status.error).toBe(
      'address 10.9.0.4/29 is that of task c1 until it ends',
    );
    await end('c1');
    expect(addresses('c2')).toEqual(['10.9.0.4/29']);
  });

  it('goes to others after its end and a rest', async () => {
    await attach('c1', '10.9.0.4');
    await end('c1');
    await driver.clock.advance(ADDRESS_REST_MS);
    expect(await others()).toEqual(ALL);
  });
});
