// The orchestrator on a store: which changes make it look at what, and what it costs.
import { Prng } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { remove, update, type Service, type Task } from '../../model/index.ts';
import { taskIn } from '../../../test/builders/cluster-objects.ts';
import { LoopDriver } from '../../../test/builders/loop-driver.ts';
import { aServiceSpec, withImage } from '../../../test/builders/specs.ts';
import type { StoreView } from '../store/index.ts';
import { Orchestrator } from './orchestrator.ts';

let driver: LoopDriver;
let read: { slots: number; objects: number };

beforeEach(async () => {
  driver = new LoopDriver(new Orchestrator(new Prng('orchestrator')));
  read = { slots: 0, objects: 0 };
  driver.loop.reset(counting(driver.view, read));
  await driver.addNodes('a', 'b');
});

/** The view, and how many slots and objects were looked at through it. */
function counting(view: StoreView, counts: { slots: number; objects: number }): StoreView {
  const watched = new Proxy(view, {
    get: (target, name) => {
      if (name === 'get') counts.objects++;
      if (name === 'slotsOfService') {
        return (id: string) => new WatchedSlots(target.slotsOfService(id), counts);
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return watched;
}

/** A copy that counts: a loop asks anew for each look. */
class WatchedSlots extends Map<string, readonly Task[]> {
  readonly #counts: { slots: number };

  constructor(slots: ReadonlyMap<string, readonly Task[]>, counts: { slots: number }) {
    super();
    for (const [key, tasks] of slots) this.set(key, tasks);
    this.#counts = counts;
  }

  override get(key: string): readonly Task[] | undefined {
    this.#counts.slots++;
    return super.get(key);
  }

  override *[Symbol.iterator](): MapIterator<[string, readonly Task[]]> {
    for (const entry of this.entries()) {
      this.#counts.slots++;
      yield entry;
    }
  }
}

function service(): Service {
  const found = driver.view.get('service', 's');
  if (found === undefined) throw new Error('no service');
  return found;
}

/** A service whose tasks all run on node a. */
async function running(replicas: number): Promise<void> {
  await driver.addService(aServiceSpec({ replicas }));
  await driver.addTasks(
    ...Array.from({ length: replicas }, (_, i) =>
      taskIn(`t${i + 1}`, 'running', 'a', { slot: i + 1 }),
    ),
  );
  await driver.run();
  read.slots = 0;
  read.objects = 0;
}

const ofSlot = (slot: number): Task[] => driver.tasks().filter((task) => task.slot === slot);

describe('a task on its way to run', () => {
  it('asks for nothing, state after state', async () => {
    await driver.addService(aServiceSpec({ replicas: 5 }));
    await driver.run();
    const [first] = driver.tasks();
    if (first === undefined) throw new Error('no task');
    read.slots = 0;
    await driver.setState(first.id, 'pending');
    await driver.changeTask(first.id, {
      nodeId: 'a',
      status: { state: 'assigned', timestamp: 0, message: '' },
    });
    for (const state of ['accepted', 'preparing', 'ready', 'starting'] as const) {
      await driver.setState(first.id, state);
    }
    expect([await driver.run(), read.slots]).toEqual([[], 0]);
  });

  it('asks for nothing when it is told why it waits', async () => {
    await driver.addService(aServiceSpec({ replicas: 1 }));
    await driver.run();
    const [task] = driver.tasks();
    if (task === undefined) throw new Error('no task');
    read.slots = 0;
    await driver.changeTask(task.id, { status: { ...task.status, error: 'no suitable node' } });
    expect([await driver.run(), read.slots]).toEqual([[], 0]);
  });

  it('is replaced when it was given to a node that was lost meanwhile', async () => {
    await driver.addService(aServiceSpec({ replicas: 1 }));
    await driver.run();
    const [task] = driver.tasks();
    if (task === undefined) throw new Error('no task');
    await driver.changeNode('a', ({ status }) => ({ status: { ...status, state: 'down' } }));
    await driver.run();
    await driver.changeTask(task.id, {
      nodeId: 'a',
      status: { state: 'assigned', timestamp: 0, message: '' },
    });
    await driver.run();
    expect(ofSlot(1).map(({ desiredState }) => desiredState)).toEqual(['shutdown', 'running']);
  });
});

describe('one change', () => {
  it('of one task of many looks at its slot alone', async () => {
    await running(500);
    await driver.setState('t7', 'failed');
    const transactions = await driver.run();
    expect(transactions).toHaveLength(1);
    expect(ofSlot(7).map(({ desiredState }) => desiredState)).toEqual(['shutdown', 'ready']);
    // The slot of the task that failed, of its end, and of the new one.
    expect(read.slots).toBeLessThan(10);
  });

  it('of each of many tasks looks at each slot a few times', async () => {
    await driver.addService(aServiceSpec({ replicas: 300 }));
    await driver.run();
    read.slots = 0;
    for (const { id } of driver.tasks()) await driver.setState(id, 'running');
    expect(await driver.run()).toEqual([]);
    expect(read.slots).toBeLessThanOrEqual(300);
  });

  it('of a node looks at the slots on it alone', async () => {
    await running(200);
    await driver.changeTask('t9', {
      nodeId: 'b',
      status: { state: 'running', timestamp: 0, message: '' },
    });
    await driver.run();
    read.slots = 0;
    await driver.changeNode('b', ({ status }) => ({ status: { ...status, state: 'down' } }));
    await driver.run();
    expect(ofSlot(9)).toHaveLength(2);
    expect(read.slots).toBeLessThan(10);
  });

  it('of what a node says of itself without meaning looks at nothing', async () => {
    await running(20);
    await driver.changeNode('a', ({ status }) => ({ status: { ...status, message: 'hello' } }));
    expect([await driver.run(), read.slots]).toEqual([[], 0]);
  });

  it('of the service looks at all its slots, once', async () => {
    await running(50);
    await driver.put(update('service', { ...service(), specVersion: 1 }));
    await driver.run();
    expect(read.slots).toBe(50);
  });
});

describe('a large service', () => {
  it('is made in plans of the size that was asked for, without looking at what is not there', async () => {
    driver.budget = 50;
    driver.plans = 0;
    await driver.addService(aServiceSpec({ replicas: 500 }));
    await driver.run();
    expect(driver.tasks()).toHaveLength(500);
    expect(driver.plans).toBe(11);
  });

  it('is made of one task in each slot', async () => {
    driver.budget = 7;
    await driver.addService(aServiceSpec({ replicas: 60 }));
    await driver.run();
    const slots = driver.tasks().map(({ slot }) => slot);
    expect(slots.sort((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  it('shrinks to what it is to have in such plans, too', async () => {
    await running(100);
    driver.budget = 9;
    const spec = aServiceSpec({ replicas: 40 });
    await driver.put(update('service', { ...service(), spec, specVersion: 1 }));
    await driver.run();
    const kept = driver.tasks().filter(({ desiredState }) => desiredState === 'running');
    expect(kept.map(({ slot }) => slot).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
  });

  it('is removed in such plans', async () => {
    await running(100);
    driver.budget = 30;
    driver.plans = 0;
    await driver.put(remove('service', 's'));
    await driver.run();
    expect(driver.tasks().filter(({ desiredState }) => desiredState !== 'remove')).toEqual([]);
    expect(driver.plans).toBeLessThan(10);
  });

  it('loses all its tasks at once, and each is replaced once', async () => {
    await running(120);
    driver.budget = 25;
    await driver.changeNode('a', ({ status }) => ({ status: { ...status, state: 'down' } }));
    await driver.run();
    for (let slot = 1; slot <= 120; slot++) {
      const alive = ofSlot(slot).filter(({ desiredState }) => desiredState === 'running');
      expect(alive).toHaveLength(1);
    }
  });
});

describe('a slot', () => {
  it('is filled again when its tasks were removed from under it', async () => {
    await running(3);
    await driver.put(remove('task', 't2'));
    await driver.run();
    expect(ofSlot(2).map(({ desiredState }) => desiredState)).toEqual(['running']);
  });

  it('is planned once in a plan, also when its service is looked at, too', async () => {
    await running(3);
    for (const id of ['t1', 't2']) await driver.setState(id, 'failed');
    await driver.put(update('service', { ...service(), specVersion: 1 }));
    await driver.run();
    expect([1, 2, 3].map((slot) => ofSlot(slot).length)).toEqual([2, 2, 1]);
  });

  it('is planned with the others when it is gone and others have ended', async () => {
    await running(3);
    await driver.setState('t1', 'failed');
    await driver.put(remove('task', 't2'));
    await driver.run();
    expect([1, 2, 3].map((slot) => ofSlot(slot).length)).toEqual([2, 1, 1]);
  });

  it('runs its next task when its time has come and the last one has stopped', async () => {
    await running(1);
    await driver.setState('t1', 'failed');
    await driver.run();
    expect(driver.wakeAt).toBe(driver.clock.now() + 5_000);
    await driver.clock.advance(4_999);
    expect(await driver.run()).toEqual([]);
    await driver.clock.advance(1);
    await driver.run();
    expect(ofSlot(1).map(({ desiredState }) => desiredState)).toEqual(['shutdown', 'running']);
  });

  it('waits with its next task for one that does not stop, a minute', async () => {
    await running(1);
    const spec = withImage(aServiceSpec(), 'hello:2');
    await driver.put({
      kind: 'create',
      table: 'revision',
      object: { id: 'r2', serviceId: 's', spec, ports: [] },
    });
    const startedAt = driver.clock.now();
    await driver.put(
      update('service', {
        ...service(),
        spec,
        revisionId: 'r2',
        updateStatus: { state: 'updating', startedAt, message: '' },
      }),
    );
    await driver.run();
    expect(ofSlot(1).map(({ desiredState }) => desiredState)).toEqual(['shutdown', 'ready']);
    await driver.clock.advance(59_999);
    expect(await driver.run()).toEqual([]);
    await driver.clock.advance(1);
    await driver.run();
    expect(ofSlot(1).map(({ desiredState }) => desiredState)).toEqual(['shutdown', 'running']);
  });
});

describe('a global service', () => {
  const spec = aServiceSpec({ Mode: { Global: {} } });
  const on = (nodeId: string): Task[] => driver.tasks().filter((task) => task.nodeId === nodeId);

  it('comes to a node that comes, without a look at the others', async () => {
    for (let i = 0; i < 30; i++) await driver.addNode(`n${i}`);
    await driver.addService(spec);
    await driver.run();
    for (const { id } of driver.tasks()) await driver.setState(id, 'running');
    await driver.run();
    read.slots = 0;
    read.objects = 0;
    await driver.addNode('new');
    await driver.run();
    expect(on('new')).toHaveLength(1);
    expect(read.slots).toBeLessThan(5);
    expect(read.objects).toBeLessThan(10);
  });

  it('leaves a node that is drained, and no other', async () => {
    await driver.addService(spec);
    await driver.run();
    await driver.changeNode('a', (node) => ({ spec: { ...node.spec, Availability: 'drain' } }));
    await driver.run();
    expect(on('a').map(({ desiredState }) => desiredState)).toEqual(['remove']);
    expect(on('b').map(({ desiredState }) => desiredState)).toEqual(['running']);
  });

  it('that becomes a replicated one follows nodes no more', async () => {
    await driver.addService(spec);
    await driver.run();
    await driver.put(update('service', { ...service(), spec: aServiceSpec({ replicas: 0 }) }));
    await driver.run();
    await driver.addNode('new');
    expect(await driver.run()).toEqual([]);
  });
});

describe('tasks of a service that is gone', () => {
  it('are to go as well, also those that come after it went', async () => {
    await running(2);
    await driver.put(remove('service', 's'));
    await driver.run();
    await driver.addTasks(taskIn('late', 'new', undefined, { slot: 3 }));
    await driver.run();
    expect(driver.tasks().map(({ desiredState }) => desiredState)).toEqual([
      'remove',
      'remove',
      'remove',
    ]);
  });

  it('are found by a new leader', async () => {
    await running(2);
    await driver.put(remove('service', 's'));
    driver.loop.reset(driver.view);
    await driver.run();
    expect(driver.tasks().map(({ desiredState }) => desiredState)).toEqual(['remove', 'remove']);
  });

  it('stay while they are the places of containers that run', async () => {
    const attachment = { containerId: 'c' };
    await driver.addTasks(
      taskIn('place', 'running', 'a', { slot: 0, serviceId: 'place', attachment }),
    );
    expect(await driver.run()).toEqual([]);
    await driver.setState('place', 'complete');
    await driver.run();
    expect(driver.task('place').desiredState).toBe('remove');
  });
});

describe('what was refused', () => {
  // The simulation of the cluster, seed 9: a status was repeated while its answer was on its way.
  it('is planned again, though what changed asks for nothing', async () => {
    await running(2);
    await driver.setState('t1', 'failed');
    const first = driver.plan().transactions;
    expect(first).toHaveLength(1);
    await driver.put(update('task', { ...driver.task('t1') }));
    for (const actions of first)
      expect(await driver.store.tryPropose(actions)).toMatchObject({ ok: false });
    expect(driver.plan().transactions).toEqual([]);
    driver.loop.refused?.(first);
    await driver.run();
    expect(ofSlot(1)).toHaveLength(2);
  });
});

describe('a service that can not be planned', () => {
  async function broken(): Promise<void> {
    await running(2);
    const spec = aServiceSpec({ Mode: { Replicated: { Replicas: 2_000_000 } } });
    await driver.put(update('service', { ...service(), spec }));
    await driver.run();
  }

  it('says so, and is tried again', async () => {
    await broken();
    expect(service().endpoint.error).toContain('2000000 replicas');
    const spec = aServiceSpec({ replicas: 3 });
    await driver.put(update('service', { ...service(), spec }));
    await driver.run();
    expect(service().endpoint.error).toBeUndefined();
    expect(ofSlot(3)).toHaveLength(1);
  });

  it('goes on saying so when one of its slots changes', async () => {
    await broken();
    await driver.setState('t1', 'failed');
    await driver.run();
    expect(service().endpoint.error).toContain('2000000 replicas');
  });

  it('is not planned before it has its ports and addresses', async () => {
    await driver.addService(aServiceSpec({ replicas: 2 }));
    await driver.put(update('service', { ...service(), specVersion: 2 }));
    expect(await driver.run()).toEqual([]);
    const endpoint = { ports: [], virtualIps: [], allocatedFor: 2 };
    await driver.put(update('service', { ...service(), endpoint }));
    await driver.run();
    expect(driver.tasks()).toHaveLength(2);
  });
});
