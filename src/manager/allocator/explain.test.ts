// What the allocator says in objects that it can't plan, and what it takes back.
import { beforeEach, describe, expect, it } from 'vitest';
import { create, update, type Action, type Task } from '../../model/index.ts';
import { taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { Allocator } from './allocator.ts';
import { explainFault, heldBy } from './explain.ts';

let driver: LoopDriver;

beforeEach(async () => {
  driver = new LoopDriver(new Allocator());
  await driver.addService();
  const spec = { Name: 'net', Driver: 'overlay' };
  await driver.put(create('network', { id: 'net', spec, subnets: [] }));
  await driver.addTasks(taskIn('t', 'new', undefined));
});

const said = (key: string, error: string | undefined): readonly (readonly Action[])[] =>
  explainFault(driver.view, key, error);

async function apply(transactions: readonly (readonly Action[])[]): Promise<void> {
  for (const actions of transactions) await driver.store.propose(actions);
}

describe('an error', () => {
  it('is written into a network, once, and taken back', async () => {
    await apply(said('network/net', 'odd'));
    expect(driver.view.get('network', 'net')?.error).toBe("the allocator can't plan this: odd");
    expect(said('network/net', 'odd')).toEqual([]);
    await apply(said('network/net', undefined));
    expect(driver.view.get('network', 'net')?.error).toBeUndefined();
    expect(said('network/net', undefined)).toEqual([]);
  });

  it('is written into a service, once, and taken back', async () => {
    await apply(said('service/s', 'odd'));
    const endpoint = driver.view.get('service', 's')?.endpoint;
    expect(endpoint).toMatchObject({
      error: "the allocator can't plan this: odd",
      allocatedFor: 1,
    });
    expect(said('service/s', 'odd')).toEqual([]);
    await apply(said('service/s', undefined));
    expect(driver.view.get('service', 's')?.endpoint.error).toBeUndefined();
  });

  it('is written into a task, which loses it with its next status', async () => {
    await apply(said('task/t', 'odd'));
    expect(driver.task('t').status.error).toBe("the allocator can't plan this: odd");
    expect(said('task/t', 'odd')).toEqual([]);
    expect(said('task/t', undefined)).toEqual([]);
  });

  it('that somebody else wrote is left alone', async () => {
    const network = driver.view.get('network', 'net');
    if (network === undefined) throw new Error('no network');
    await driver.put(update('network', { ...network, error: 'no VNI is left' }));
    expect(said('network/net', undefined)).toEqual([]);
  });

  it.each(['network/gone', 'service/gone', 'task/gone'])('of %s is nobody’s', (key) => {
    expect([said(key, 'odd'), said(key, undefined)]).toEqual([[], []]);
  });
});

describe('an address', () => {
  const holding = (id: string, state: Task['status']['state'], address: string): Task =>
    taskIn(id, state, 'n', {
      networks: [{ networkId: 'net', aliases: [], addresses: [address] }],
    });
  const holder = (...fixed: readonly string[]): string | undefined =>
    heldBy(driver.view, driver.task('t'), 'net', fixed);

  it('is that of the task that has it, until that has ended', async () => {
    await driver.addTasks(holding('other', 'running', '10.0.0.9/24'));
    expect(holder('10.0.0.9/24')).toBe('address 10.0.0.9/24 is that of task other until it ends');
    expect(holder('10.0.0.8/24')).toBeUndefined();
    await driver.setState('other', 'shutdown');
    expect(holder('10.0.0.9/24')).toBeUndefined();
  });

  it('is not one’s own', async () => {
    await driver.changeTask('t', {
      networks: [{ networkId: 'net', aliases: [], addresses: ['10.0.0.9/24'] }],
    });
    expect(holder('10.0.0.9/24')).toBeUndefined();
  });

  it('of another network is nobody’s here', async () => {
    const networks = [{ networkId: 'elsewhere', aliases: [], addresses: ['10.0.0.9/24'] }];
    await driver.addTasks(taskIn('other', 'running', 'n', { networks }));
    expect(holder('10.0.0.9/24')).toBeUndefined();
  });
});
