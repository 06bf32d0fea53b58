import { VirtualClock } from 'sim';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../../base/index.ts';
import { memoryStore, newNode } from '../../../../test/builders/memory-store.ts';
import { create, update, type Draft, type Task } from '../../../model/index.ts';
import { ENDPOINT_DRAIN_LIMIT_MS } from './limits.ts';
import { NetworkDrain, drainedNetworks } from './endpoint-drain.ts';
import { EndpointDrains } from './endpoint-drains.ts';

const NET = { networkId: 'net', addresses: ['10.0.0.5/24'], aliases: [] };
const INGRESS = { networkId: 'ingress', addresses: ['10.255.0.5/16'], aliases: [] };

function aTask(id: string, nodeId: string, more: Partial<Draft<Task>> = {}): Draft<Task> {
  return {
    id,
    serviceId: 's',
    revisionId: 'r',
    slot: 1,
    nodeId,
    desiredState: 'running',
    status: { state: 'running', timestamp: 0, message: '' },
    networks: [NET],
    ...more,
  };
}

/** Nodes a, b and c; tasks of one network on a and b. */
async function cluster() {
  const clock = new VirtualClock();
  const { store, log } = memoryStore(clock);
  for (const id of ['a', 'b', 'c']) await store.propose([newNode(id)]);
  const ingress = { Name: 'ingress', Driver: 'overlay', Ingress: true };
  await store.propose([create('network', { id: 'ingress', spec: ingress, subnets: [] })]);
  const spec = { Name: 'net', Driver: 'overlay' };
  await store.propose([create('network', { id: 'net', spec, subnets: [] })]);
  await store.propose([create('task', aTask('t1', 'a')), create('task', aTask('t2', 'b'))]);
  const stop = async (id: string): Promise<number> => {
    const task = store.view.get('task', id);
    if (task === undefined) throw new Error(`no task ${id}`);
    await store.propose([update('task', { ...task, desiredState: 'shutdown' })]);
    return log.length;
  };
  const setDown = async (id: string): Promise<void> => {
    const node = store.view.get('node', id);
    if (node === undefined) throw new Error(`no node ${id}`);
    await store.propose([update('node', { ...node, status: { ...node.status, state: 'down' } })]);
  };
  /** Hosts whose daemons are being restarted. */
  const away = new Set<string>();
  const endpointDrains = new EndpointDrains(store, clock, silentLogger, (id) => away.has(id));
  /** Asks for t1, and shows the answer as soon as there is one. */
  const ask = (): { missing: readonly string[] | undefined } => {
    const answer: { missing: readonly string[] | undefined } = { missing: undefined };
    void endpointDrains
      .whenDrained({ nodeId: 'a', taskId: 't1', index: 1 })
      .then((missing) => (answer.missing = missing));
    return answer;
  };
  return { clock, store, stop, setDown, endpointDrains, ask, away };
}

describe('the hosts that may send to a task', () => {
  it('are those with a task on one of the networks, all for ingress, none that is down', async () => {
    const { store, setDown } = await cluster();
    const hosts = (networks: Task['networks']): string[] => {
      const task = { ...aTask('t9', 'a'), networks } as Task;
      const ids = drainedNetworks(store.view, task);
      const drains = ids.map((id) => new NetworkDrain(store.view, id, () => undefined));
      return [...new Set(drains.flatMap((drain) => [...drain.hosts]))].sort();
    };
    expect(hosts([NET])).toEqual(['a', 'b']);
    expect(hosts([INGRESS])).toEqual(['a', 'b', 'c']);
    expect(hosts([{ networkId: 'host', addresses: [], aliases: [] }])).toEqual([]);
    await setDown('b');
    expect(hosts([NET])).toEqual(['a']);
    expect(hosts([NET, INGRESS])).toEqual(['a', 'c']);
  });
});

describe('EndpointDrains', () => {
  it('answers once every host has applied the desired state', async () => {
    const { stop, ask, clock, endpointDrains } = await cluster();
    const since = await stop('t1');
    endpointDrains.applied([{ nodeId: 'a', index: since - 1 }]);
    const answer = ask();
    endpointDrains.applied([{ nodeId: 'a', index: since }]);
    endpointDrains.applied([{ nodeId: 'b', index: since - 1 }]);
    await clock.advance(100);
    expect(answer.missing).toBeUndefined();
    endpointDrains.applied([{ nodeId: 'b', index: since + 7 }]);
    await clock.advance(0);
    expect(answer.missing).toEqual([]);
  });

  it('counts from the first desired state that ends it, whatever the task says meanwhile', async () => {
    const { store, stop, ask, clock, endpointDrains } = await cluster();
    const since = await stop('t1');
    const task = store.view.get('task', 't1');
    if (task === undefined) throw new Error('no task');
    await store.propose([update('task', { ...task, desiredState: 'remove' })]);
    expect(store.view.get('task', 't1')?.stoppingSince).toBe(since);
    const hosts = ['a', 'b'].map((nodeId) => ({ nodeId, index: since }));
    endpointDrains.applied(hosts);
    const answer = ask();
    await clock.advance(0);
    expect(answer.missing).toEqual([]);
  });

  it('names those that did not say so in time', async () => {
    const { stop, ask, clock, endpointDrains } = await cluster();
    const since = await stop('t1');
    const answer = ask();
    endpointDrains.applied([{ nodeId: 'a', index: since }]);
    await clock.advance(ENDPOINT_DRAIN_LIMIT_MS - 1);
    expect(answer.missing).toBeUndefined();
    await clock.advance(1);
    expect(answer.missing).toEqual(['b']);
  });

  it('waits for a host whose daemon is being restarted until it has said so', async () => {
    const { stop, ask, clock, endpointDrains, away } = await cluster();
    const since = await stop('t1');
    const answer = ask();
    endpointDrains.applied([{ nodeId: 'a', index: since }]);
    away.add('b');
    await clock.advance(3 * ENDPOINT_DRAIN_LIMIT_MS);
    expect(answer.missing).toBeUndefined();
    away.delete('b');
    endpointDrains.applied([{ nodeId: 'b', index: since }]);
    await clock.advance(0);
    expect(answer.missing).toEqual([]);
  });

  it('does not wait for a host that goes down', async () => {
    const { stop, ask, clock, setDown, endpointDrains } = await cluster();
    const since = await stop('t1');
    const answer = ask();
    endpointDrains.applied([{ nodeId: 'a', index: since }]);
    await setDown('b');
    await clock.advance(0);
    expect(answer.missing).toEqual([]);
  });

  it('catches up with the manager that serves the agent before it judges', async () => {
    const { store, stop, clock, endpointDrains } = await cluster();
    let missing: readonly string[] | undefined;
    const index = store.view.index + 1;
    void endpointDrains
      .whenDrained({ nodeId: 'a', taskId: 't1', index })
      .then((hosts) => (missing = hosts));
    await clock.advance(100);
    expect(missing).toBeUndefined();
    const since = await stop('t1');
    endpointDrains.applied(['a', 'b'].map((nodeId) => ({ nodeId, index: since })));
    await clock.advance(0);
    expect(missing).toEqual([]);
  });

  it('sends those that wait to the next leader', async () => {
    const { stop, clock, endpointDrains } = await cluster();
    await stop('t1');
    const asked = endpointDrains.whenDrained({ nodeId: 'a', taskId: 't1', index: 1 });
    await clock.advance(0);
    const refused = expect(asked).rejects.toMatchObject({ code: 'unavailable' });
    endpointDrains.stop();
    await refused;
    await clock.advance(ENDPOINT_DRAIN_LIMIT_MS);
  });

  it('has nothing to wait for: no such task, one of another node, one that is to go on', async () => {
    const { endpointDrains } = await cluster();
    const ask = (nodeId: string, taskId: string) =>
      endpointDrains.whenDrained({ nodeId, taskId, index: 1 });
    expect(await ask('a', 't1')).toEqual([]);
    expect(await ask('b', 't1')).toEqual([]);
    expect(await ask('a', 'gone')).toEqual([]);
  });
});
