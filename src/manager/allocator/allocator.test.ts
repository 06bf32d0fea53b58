// What an allocator does with addresses that its plans did not get through.
import { VirtualClock, settle } from 'sim';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../base/index.ts';
import { create, update, type Action, type Task } from '../../model/index.ts';
import { Store } from '../store/index.ts';
import { Allocator } from './allocator.ts';

const BUDGET = { transactions: 100, spent: () => false };

/** A store with one small network and a service of one task, and the allocator that looks at it. */
async function aWorld() {
  const clock = new VirtualClock();
  const store = new Store({ clock, logger: silentLogger, instance: 'test' });
  let index = 0;
  store.connect({
    propose: (payload) => {
      store.apply([{ index: ++index, payload }]);
      return Promise.resolve(index);
    },
  });
  const spec = {
    Name: 'web',
    TaskTemplate: { ContainerSpec: { Image: 'i' }, Networks: [{ Target: 'net' }] },
    Mode: { Replicated: { Replicas: 1 } },
  };
  const endpoint = { ports: [], virtualIps: [], allocatedFor: 1 };
  await store.propose([
    create('network', {
      id: 'net',
      spec: { Name: 'net', Driver: 'overlay' },
      vni: 1,
      // Two addresses beside the gateway's.
      subnets: [{ subnet: '10.9.0.0/30', gateway: '10.9.0.1' }],
    }),
    create('revision', { id: 'r', serviceId: 's', spec, ports: [] }),
    create('service', { id: 's', spec, specVersion: 1, revisionId: 'r', endpoint }),
  ]);
  const allocator = new Allocator();
  allocator.reset(store.view);
  store.watch((changes) => changes.forEach((change) => allocator.observe(change)));
  const newTask = (id: string): Action =>
    create('task', {
      id,
      serviceId: 's',
      revisionId: 'r',
      slot: 1,
      desiredState: 'running',
      status: { state: 'new', timestamp: 0, message: '' },
      networks: [],
    });
  const plan = () => allocator.plan(clock.now(), BUDGET).transactions;
  const task = (id: string): Task => {
    const found = store.view.get('task', id);
    if (found === undefined) throw new Error(`no task ${id}`);
    return found;
  };
  return { clock, store, plan, newTask, task };
}

describe('an address that a plan gave', () => {
  it('is free again when the plan was refused, and kept when it was not', async () => {
    const { clock, store, plan, newTask, task } = await aWorld();
    await store.propose([newTask('t1')]);
    const refused = plan();
    expect(refused).toHaveLength(1);
    // Somebody else changes the task before the plan is in the log.
    await store.propose([update('task', { ...task('t1'), desiredState: 'shutdown' })]);
    for (const actions of refused) expect((await store.tryPropose(actions)).ok).toBe(false);
    await store.propose([newTask('t2')]);
    plan();
    // The only address rests, since nobody is sure that it was never used.
    await clock.advance(61_000);
    await store.propose([newTask('t3')]);
    await settle();
    for (const actions of plan()) await store.tryPropose(actions);
    const owners = [...store.view.all('task')].filter(({ networks }) => networks.length > 0);
    expect(owners.flatMap(({ networks }) => networks[0]?.addresses)).toEqual(['10.9.0.2/30']);
    // It has it for good.
    plan();
    await clock.advance(120_000);
    await store.propose([newTask('t4')]);
    for (const actions of plan()) await store.tryPropose(actions);
    expect(task('t4').networks).toEqual([]);
    expect(task('t4').status.error).toContain('no address is free');
  });
});
