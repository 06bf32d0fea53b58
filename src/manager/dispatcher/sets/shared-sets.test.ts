// Kept up to date change by change, a shared set is what it would be if it were made anew; and a change
// touches the sets that it concerns alone.
import { Prng } from 'sim';
import { beforeEach, describe, expect, it } from 'vitest';
import { memoryStore, newNode } from '../../../../test/builders/memory-store.ts';
import {
  create,
  remove,
  update,
  type Draft,
  type Node,
  type Service,
  type ServiceSpec,
  type Task,
  type TaskState,
} from '../../../model/index.ts';
import type { Store } from '../../store/index.ts';
import { ALL_HOSTS, COMMON_HOSTS, sharedSet } from './assignments.ts';
import type { SharedSet } from './shared-set.ts';
import { SharedSets } from './shared-sets.ts';

let store: Store;
let sets: SharedSets<string>;
/** Names of the sets that were touched. */
let touched: string[];

function aTask(id: string, nodeId: string, networks: readonly string[]): Draft<Task> {
  return {
    id,
    serviceId: 's',
    revisionId: 'r',
    slot: 1,
    nodeId,
    desiredState: 'running',
    status: { state: 'assigned', timestamp: 0, message: '' },
    networks: networks.map((networkId) => ({ networkId, addresses: [], aliases: [] })),
  };
}

const spec = (networks: readonly string[]): ServiceSpec => ({
  Name: 'web',
  Mode: { Replicated: { Replicas: 1 } },
  TaskTemplate: {
    ContainerSpec: { Image: 'x' },
    Networks: networks.map((Target) => ({ Target })),
  },
});

async function addNetwork(id: string, Ingress = false, vni: number | undefined = 4_097) {
  const network = { id, spec: { Name: id, Driver: 'overlay', Ingress }, subnets: [] };
  await store.propose([create('network', vni === undefined ? network : { ...network, vni })]);
}

async function addService(id: string, networks: readonly string[]): Promise<void> {
  const endpoint = { ports: [], virtualIps: [], allocatedFor: 1 };
  const service = { id, revisionId: 'r', spec: spec(networks), specVersion: 1, endpoint };
  await store.propose([create('service', service)]);
}

async function changeTask(id: string, more: Partial<Task>): Promise<void> {
  const task = store.view.get('task', id);
  if (task === undefined) throw new Error('no task');
  await store.propose([update('task', { ...task, ...more })]);
}

async function changeNode(id: string, change: (node: Node) => Node): Promise<void> {
  const node = store.view.get('node', id);
  if (node === undefined) throw new Error('no node');
  await store.propose([update('node', change(node))]);
}

const inState = (state: TaskState): Partial<Task> => ({
  status: { state, timestamp: 0, message: '' },
});

const content = (set: SharedSet<string>): Map<string, string> =>
  new Map(
    set
      .whole()
      .flat()
      .map(({ kind, key, body }) => [`${kind}\n${key}`, body]),
  );
const anew = (name: string): Map<string, string> =>
  new Map([...sharedSet(store.view, name)].map(([id, { body }]) => [id, body]));

/** The sets that a change touches. */
async function touchedBy(change: () => Promise<unknown>): Promise<string[]> {
  touched = [];
  await change();
  return [...new Set(touched)].sort();
}

beforeEach(async () => {
  ({ store } = memoryStore());
  touched = [];
  sets = new SharedSets<string>(store, ({ name }) => touched.push(name));
  for (const id of ['a', 'b', 'c']) {
    await store.propose([newNode(id, { dataPathAddress: `10.1.0.${store.view.count('node')}` })]);
  }
  await store.propose([create('revision', { id: 'r', serviceId: 's', spec: spec([]), ports: [] })]);
});

describe('SharedSets', () => {
  it('are what they would be if they were made anew', async () => {
    const random = new Prng('shared sets');
    await addNetwork('n1');
    await addNetwork('n2', false, undefined);
    await addNetwork('mesh', true);
    await addService('s', ['n1', 'mesh']);
    const names = [ALL_HOSTS, COMMON_HOSTS, 'n1', 'n2', 'mesh'];
    const followed = new Map<string, SharedSet<string>>();
    const states: TaskState[] = ['pending', 'assigned', 'running', 'failed'];
    let made = 0;
    for (let step = 0; step < 1_500; step++) {
      const tasks = [...store.view.all('task')];
      const task = tasks[random.below(Math.max(1, tasks.length))];
      const node = ['a', 'b', 'c'][random.below(3)] ?? '';
      const kind = random.below(10);
      if (kind < 3 || task === undefined) {
        const networks = ['n1', 'n2', 'mesh'].filter(() => random.below(2) === 0);
        await store.propose([create('task', aTask(`t${made++}`, node, networks))]);
      } else if (kind < 5) await changeTask(task.id, inState(states[random.below(4)] ?? 'running'));
      else if (kind === 5) await store.propose([remove('task', task.id, task.version)]);
      else if (kind === 6) {
        const Role = random.below(2) === 0 ? 'manager' : 'worker';
        await changeNode(node, (old) => ({ ...old, spec: { ...old.spec, Role } }));
      } else if (kind === 7) {
        const state = random.below(2) === 0 ? 'down' : 'ready';
        await changeNode(node, (old) => ({ ...old, status: { ...old.status, state } }));
      } else if (kind === 8) {
        const id = ['n1', 'n2'][random.below(2)] ?? '';
        const network = store.view.get('network', id);
        if (network === undefined) throw new Error('no network');
        const { vni, ...rest } = network;
        await store.propose([
          update('network', vni === undefined ? { ...rest, vni: 5_000 } : rest),
        ]);
      } else {
        const name = names[random.below(names.length)] ?? '';
        const set = followed.get(name);
        if (set === undefined) followed.set(name, sets.follow(name, 'session'));
        else {
          sets.unfollow(set, 'session');
          followed.delete(name);
        }
        expect(sets.size).toBe(followed.size);
      }
      for (const [name, set] of followed) expect(content(set)).toEqual(anew(name));
    }
  });

  it('are shared by all that follow, and gone with the last of them', async () => {
    const set = sets.follow(ALL_HOSTS, 'a');
    expect(sets.follow(ALL_HOSTS, 'b')).toBe(set);
    expect(set.followers).toEqual(new Set(['a', 'b']));
    sets.unfollow(set, 'a');
    expect(
      await touchedBy(async () => store.propose([newNode('d', { dataPathAddress: '10.1.0.7' })])),
    ).toEqual([ALL_HOSTS]);
    sets.unfollow(set, 'b');
    expect(sets.size).toBe(0);
    expect(
      await touchedBy(async () => store.propose([newNode('e', { dataPathAddress: '10.1.0.8' })])),
    ).toEqual([]);
    expect(sets.follow(ALL_HOSTS, 'a')).not.toBe(set);
  });

  it('begin anew after the state was replaced', async () => {
    const set = sets.follow(ALL_HOSTS, 'a');
    const snapshot = store.snapshot();
    await store.restore(100, snapshot);
    const next = sets.follow(ALL_HOSTS, 'a');
    expect(next).not.toBe(set);
    expect(content(next)).toEqual(anew(ALL_HOSTS));
    // The old one is nobody's, whoever lets go of it.
    sets.unfollow(set, 'a');
    expect(sets.follow(ALL_HOSTS, 'b')).toBe(next);
  });
});

describe('a change touches', () => {
  beforeEach(async () => {
    await addNetwork('n1');
    await addNetwork('n2');
    await addNetwork('mesh', true);
    await addService('s', ['n1']);
    await store.propose([create('task', aTask('t1', 'a', ['n1']))]);
    await store.propose([create('task', aTask('t2', 'b', ['n2', 'mesh']))]);
    for (const name of [ALL_HOSTS, COMMON_HOSTS, 'n1', 'n2', 'mesh']) sets.follow(name, 'x');
  });

  it('nothing for a status on the way up, its network when it runs', async () => {
    expect(await touchedBy(() => changeTask('t1', inState('preparing')))).toEqual([]);
    expect(await touchedBy(() => changeTask('t1', inState('starting')))).toEqual([]);
    expect(await touchedBy(() => changeTask('t1', inState('running')))).toEqual(['n1']);
  });

  it('the networks of a task that is to stop, also if it never ran: its hosts have to say so', async () => {
    expect(await touchedBy(() => changeTask('t1', { desiredState: 'shutdown' }))).toEqual(['n1']);
    const stop = (): Promise<void> => changeTask('t2', { desiredState: 'shutdown' });
    expect(await touchedBy(stop)).toEqual(['mesh', 'n2']);
  });

  it('the common hosts when the first task for published ports comes and the last one goes', async () => {
    const more = create('task', aTask('t3', 'c', ['mesh']));
    expect(await touchedBy(() => store.propose([more]))).toEqual([COMMON_HOSTS, 'mesh']);
    const again = create('task', aTask('t4', 'c', ['mesh']));
    expect(await touchedBy(() => store.propose([again]))).toEqual(['mesh']);
    expect(await touchedBy(() => changeTask('t3', inState('failed')))).toEqual(['mesh']);
    expect(await touchedBy(() => changeTask('t4', inState('failed')))).toEqual([
      COMMON_HOSTS,
      'mesh',
    ]);
  });

  it('no hosts when a node is down, but the networks of its tasks', async () => {
    const down = (node: Node): Node => ({ ...node, status: { ...node.status, state: 'down' } });
    expect(await touchedBy(() => changeNode('b', down))).toEqual(['mesh', 'n2']);
    expect(await touchedBy(() => changeNode('c', down))).toEqual([]);
  });

  it('hosts when their address changes, and nothing when they register as before', async () => {
    const moved = (node: Node): Node => ({
      ...node,
      status: { ...node.status, dataPathAddress: '10.2.0.1' },
    });
    expect(await touchedBy(() => changeNode('c', moved))).toEqual([ALL_HOSTS]);
    expect(await touchedBy(() => changeNode('c', moved))).toEqual([]);
    expect(await touchedBy(() => changeNode('b', moved))).toEqual([COMMON_HOSTS, ALL_HOSTS]);
  });

  it('the networks of a service, those before and those after', async () => {
    const change = async (networks: readonly string[]): Promise<void> => {
      const service = store.view.get('service', 's');
      if (service === undefined) throw new Error('no service');
      const next: Service = { ...service, spec: spec(networks) };
      await store.propose([update('service', next)]);
    };
    expect(await touchedBy(() => change(['n2']))).toEqual(['n1', 'n2']);
    expect(await touchedBy(() => change(['n2']))).toEqual([]);
    const service = store.view.get('service', 's');
    const gone = remove('service', 's', service?.version ?? 0);
    expect(await touchedBy(() => store.propose([gone]))).toEqual(['n2']);
  });

  it('all of a network when it goes', async () => {
    const network = store.view.get('network', 'n1');
    const gone = remove('network', 'n1', network?.version ?? 0);
    expect(await touchedBy(() => store.propose([gone]))).toEqual(['n1']);
    expect(sets.follow('n1', 'x').size).toBe(0);
  });
});
