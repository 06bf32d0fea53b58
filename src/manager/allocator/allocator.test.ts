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

describe('the addresses of a new leader', () => {
  const NETWORK = [{ networkId: 'net', aliases: [], addresses: ['10.9.0.2/30'] }];

  it('are not given away because a task that has ended once had them', async () => {
    const { clock, store, plan, newTask, task } = await aWorld();
    const ended = { state: 'failed', timestamp: clock.now(), message: '' } as const;
    const running = { state: 'running', timestamp: clock.now(), message: '' } as const;
    await store.propose([newTask('alive'), newTask('dead')]);
    await store.propose([
      update('task', { ...task('alive'), networks: NETWORK, status: running }),
      update('task', { ...task('dead'), networks: NETWORK, status: ended }),
    ]);
    const next = new Allocator();
    next.reset(store.view);
    store.watch((changes) => changes.forEach((change) => next.observe(change)));
    await clock.advance(3_600_000);
    await store.propose([newTask('new')]);
    plan();
    for (const actions of next.plan(clock.now(), BUDGET).transactions) {
      await store.tryPropose(actions);
    }
    expect(task('new').networks).toEqual([]);
  });

  it('are known before anything is granted, also when that takes several plans', async () => {
    const { clock, store, newTask, task } = await aWorld();
    await store.propose(Array.from({ length: 200 }, (_, i) => newTask(`t${i}`)));
    const running = { state: 'running', timestamp: clock.now(), message: '' } as const;
    await store.propose([update('task', { ...task('t199'), networks: NETWORK, status: running })]);
    const next = new Allocator();
    next.reset(store.view);
    const spent = { transactions: 1_000, spent: () => true };
    const plans = Array.from({ length: 4 }, () => next.plan(clock.now(), spent));
    expect(plans.map(({ transactions, more }) => [transactions.length, more])).toEqual([
      [0, true],
      [0, true],
      [0, true],
      expect.anything(),
    ]);
    const [given] = [...store.view.all('task')].filter(({ networks }) => networks.length > 0);
    expect(given?.id).toBe('t199');
  });

  it('are those of tasks that got them although nobody could say so', async () => {
    const { clock, store, plan, newTask, task } = await aWorld();
    await store.propose([newTask('t1')]);
    // A plan of an earlier try comes through after the loop began anew.
    await store.propose([update('task', { ...task('t1'), networks: NETWORK })]);
    await store.propose([newTask('t2')]);
    for (const actions of plan()) await store.tryPropose(actions);
    await clock.advance(1);
    expect(task('t2').networks).toEqual([]);
  });
});
