// Kept change by change, the hosts that a stop waits for are those that a look at everything finds; and an
// acknowledgement costs a look at one host.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import { memoryStore, newNode } from '../../../../test/builders/memory-store.ts';
import {
  TASK_STATE,
  create,
  isTerminal,
  remove,
  update,
  type Draft,
  type Task,
  type TaskState,
} from '../../../model/index.ts';
import type { Store } from '../../store/index.ts';
import { NetworkDrain, type Draining } from './endpoint-drain.ts';

function aTask(id: string, nodeId: string, networks: readonly string[]): Draft<Task> {
  return {
    id,
    serviceId: 's',
    revisionId: 'r',
    slot: 1,
    nodeId,
    desiredState: 'running',
    status: { state: 'running', timestamp: 0, message: '' },
    networks: networks.map((networkId) => ({ networkId, addresses: [], aliases: [] })),
  };
}

/** All hosts of a network that are up, by a look at everything. */
function hostsOf({ view }: Store, networkId: string): Set<string> {
  const isMesh = view.get('network', networkId)?.spec.Ingress === true;
  const hosts = new Set<string>();
  for (const { id, status } of view.all('node')) {
    const tasks = [...view.tasksOfNode(id)].filter(
      (task) =>
        task.networks.some((network) => network.networkId === networkId) &&
        TASK_STATE[task.status.state] >= TASK_STATE.assigned &&
        !isTerminal(task.status.state),
    );
    if (status.state !== 'down' && (isMesh || tasks.length > 0)) hosts.add(id);
  }
  return hosts;
}

async function cluster(nodes: readonly string[]) {
  const { store } = memoryStore();
  const applied = new Map<string, number>();
  for (const id of nodes) await store.propose([newNode(id)]);
  const net = { id: 'net', spec: { Name: 'net', Driver: 'overlay' }, subnets: [] };
  const mesh = { id: 'mesh', spec: { Name: 'm', Driver: 'overlay', Ingress: true }, subnets: [] };
  await store.propose([create('network', net), create('network', mesh)]);
  /** Looks at what a host has applied. */
  const looks = { count: 0 };
  const drainOf = (networkId: string): NetworkDrain => {
    const drain = new NetworkDrain(store.view, networkId, (id) => {
      looks.count++;
      return applied.get(id);
    });
    store.watch((changes) => {
      for (const change of changes) {
        if (change.table === 'task') drain.taskChanged(change.before, change.after);
        else if (change.table === 'node') {
          drain.nodeChanged((change.after ?? change.before)?.id ?? '');
        }
      }
    });
    return drain;
  };
  return { store, applied, drainOf, looks };
}

describe('NetworkDrain', () => {
  it.each(['net', 'mesh'])('waits for those that a look at everything finds (%s)', async (name) => {
    const random = new Prng(name);
    const nodes = ['a', 'b', 'c', 'd'];
    const { store, applied, drainOf } = await cluster(nodes);
    const drain = drainOf(name);
    const waiting = new Map<Draining, { done: boolean }>();
    let answered = 0;
    let made = 0;
    const states: TaskState[] = ['pending', 'assigned', 'running', 'failed'];
    for (let step = 0; step < 2_000; step++) {
      const node = nodes[random.below(4)] ?? '';
      const tasks = [...store.view.all('task')];
      const task = tasks[random.below(Math.max(1, tasks.length))];
      const kind = random.below(8);
      if (kind === 0 || task === undefined) {
        const networks = random.below(3) === 0 ? ['other'] : [name];
        await store.propose([create('task', aTask(`t${made++}`, node, networks))]);
      } else if (kind === 1) {
        const state = states[random.below(4)] ?? 'running';
        const status = { state, timestamp: 0, message: '' };
        await store.propose([update('task', { ...task, status })]);
      } else if (kind === 2) await store.propose([remove('task', task.id, task.version)]);
      else if (kind === 3) {
        const known = store.view.get('node', node);
        if (known === undefined) throw new Error('no node');
        const state = random.below(2) === 0 ? 'down' : 'ready';
        await store.propose([update('node', { ...known, status: { ...known.status, state } })]);
      } else if (kind < 6) {
        const index = store.view.index - random.below(5);
        if (index > (applied.get(node) ?? -1)) {
          applied.set(node, index);
          drain.acknowledged(node, index);
        }
      } else {
        const state = { done: false };
        const draining = {
          since: Math.max(0, store.view.index - random.below(8)),
          done: () => {
            state.done = true;
            answered++;
          },
        };
        waiting.set(draining, state);
        drain.add(draining);
      }
      expect(drain.hosts).toEqual(hostsOf(store, name));
      for (const [draining, state] of waiting) {
        const missing = [...drain.hosts].filter((id) => (applied.get(id) ?? -1) < draining.since);
        expect(drain.missing(draining.since)).toEqual(missing);
        // Not before all have said so, and as soon as they have.
        expect(state.done).toBe(missing.length === 0);
        if (state.done) waiting.delete(draining);
        else if (random.below(50) === 0) {
          drain.remove(draining);
          waiting.delete(draining);
        }
      }
      expect(drain.isBusy).toBe(waiting.size > 0);
    }
    expect(answered).toBeGreaterThan(100);
  });

  it.each([
    [100, 100],
    [100, 1_000],
    [400, 1_000],
  ])('looks at each of %d hosts a few times for %d tasks that stop', async (hosts, stops) => {
    const nodes = Array.from({ length: hosts }, (_, i) => `w${i}`);
    const { store, applied, drainOf, looks } = await cluster(nodes);
    for (const id of nodes) await store.propose([create('task', aTask(`t-${id}`, id, ['net']))]);
    const drain = drainOf('net');
    const { index } = store.view;
    for (const id of nodes) applied.set(id, index);
    let done = 0;
    for (let i = 1; i <= stops; i++) drain.add({ since: index + i, done: () => done++ });
    for (const id of nodes) {
      applied.set(id, index + stops);
      drain.acknowledged(id, index + stops);
    }
    expect(done).toBe(stops);
    expect(looks.count).toBeLessThanOrEqual(4 * hosts);
  });
});
