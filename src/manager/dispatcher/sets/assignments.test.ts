// Which items and which shared sets a node needs.
import { beforeEach, describe, expect, it } from 'vitest';
import { memoryStore, newNode } from '../../../../test/builders/memory-store.ts';
import {
  create,
  update,
  type Draft,
  type ServiceSpec,
  type Task,
  type TaskState,
} from '../../../model/index.ts';
import type { Store } from '../../store/index.ts';
import {
  ALL_HOSTS,
  COMMON_HOSTS,
  NO_ASSIGNMENTS,
  buildAssignments,
  differsForItsNode,
  meshNetworks,
  ownAssignments,
  setsFor,
  sharedSet,
} from './assignments.ts';

let store: Store;

const SPEC: ServiceSpec = {
  Name: 'web',
  Mode: { Replicated: { Replicas: 1 } },
  TaskTemplate: {
    ContainerSpec: {
      Image: 'x',
      Secrets: [{ SecretID: 'key', SecretName: 'key' }],
      Configs: [{ ConfigID: 'conf', ConfigName: 'conf' }],
    },
  },
};

function aTask(id: string, nodeId: string, state: TaskState, networks: string[] = []): Draft<Task> {
  return {
    id,
    serviceId: 's',
    revisionId: 'r',
    slot: 1,
    nodeId,
    desiredState: 'running',
    status: { state, timestamp: 0, message: '' },
    networks: networks.map((networkId) => ({ networkId, addresses: [], aliases: [] })),
  };
}

const own = (nodeId: string): string[] =>
  [...ownAssignments(store.view, nodeId).items.keys()].map((id) => id.replace('\n', ' ')).sort();
const hosts = (name: string): string[] =>
  [...sharedSet(store.view, name).values()].map(({ key }) => key).sort();

beforeEach(async () => {
  ({ store } = memoryStore());
  for (const id of ['m', 'a', 'b']) {
    await store.propose([newNode(id, { dataPathAddress: `10.1.0.${store.view.count('node')}` })]);
  }
  await store.propose([newNode('unheard')]);
  const manager = store.view.get('node', 'm');
  if (manager === undefined) throw new Error('no manager');
  await store.propose([update('node', { ...manager, spec: { ...manager.spec, Role: 'manager' } })]);
  await store.propose([
    create('revision', { id: 'r', serviceId: 's', spec: SPEC, ports: [] }),
    create('payload', { id: 'key', kind: 'secret', data: '' }),
    create('payload', { id: 'other', kind: 'secret', data: '' }),
  ]);
});

describe('ownAssignments', () => {
  it('are the node itself, where nothing runs', () => {
    expect(own('a')).toEqual(['host a']);
    expect(own('unheard')).toEqual([]);
    expect(own('nobody')).toEqual([]);
  });

  it('are tasks that are assigned, with revision and secrets; others are nobody’s', async () => {
    await store.propose([create('task', aTask('t1', 'a', 'pending'))]);
    expect(own('a')).toEqual(['host a']);
    await store.propose([create('task', aTask('t2', 'a', 'assigned'))]);
    expect(own('a')).toEqual(['host a', 'payload key', 'revision r', 'task t2']);
    expect(own('b')).toEqual(['host b']);
  });

  it('keep a task that has ended until it is forgotten, without its secrets and networks', async () => {
    await store.propose([create('task', aTask('t1', 'a', 'failed', ['n']))]);
    expect(own('a')).toEqual(['host a', 'revision r', 'task t1']);
    expect(ownAssignments(store.view, 'a').networks.size).toBe(0);
  });

  it('name what they depend on, also what is not there', async () => {
    await store.propose([create('task', aTask('t1', 'a', 'running'))]);
    expect(ownAssignments(store.view, 'a').names).toEqual(new Set(['r', 'key', 'conf']));
  });

  it('know the networks of tasks, but not those of the machine', async () => {
    await store.propose([create('task', aTask('t1', 'a', 'running', ['n', 'host']))]);
    expect(ownAssignments(store.view, 'a').networks).toEqual(new Set(['n']));
  });
});

describe('differsForItsNode', () => {
  const task = (more: Partial<Task> = {}): Task =>
    ({ ...aTask('t', 'a', 'running'), ...NETWORKS, ...more }) as Task;
  const NETWORKS = { networks: [] };
  const inState = (state: TaskState): Partial<Task> => ({
    status: { state, timestamp: 1, message: state },
  });

  it.each([
    ['a task that comes', undefined, task()],
    ['one that goes', task(), undefined],
    ['another desired state', task(), task({ desiredState: 'shutdown' })],
    ['another node', task(), task({ nodeId: 'b' })],
    ['its assignment', task(inState('pending')), task(inState('assigned'))],
    ['its end', task(), task(inState('failed'))],
    ['an end before it was assigned', task(inState('pending')), task(inState('orphaned'))],
    ['its addresses', task(), task({ networks: [...NETWORKS.networks] })],
  ])('is so for %s', (_what, before, after) => {
    expect(differsForItsNode(before, after)).toBe(true);
  });

  it.each([
    ['assigned', 'preparing'],
    ['preparing', 'starting'],
    ['starting', 'running'],
    ['new', 'pending'],
    ['complete', 'orphaned'],
  ] as const)('is not for a task on its way from %s to %s', (from, to) => {
    expect(differsForItsNode(task(inState(from)), task(inState(to)))).toBe(false);
  });
});

describe('the shared sets', () => {
  it('of a node are its networks, those for published ports, and hosts', () => {
    expect(setsFor(NO_ASSIGNMENTS, ['mesh'])).toEqual(new Set([COMMON_HOSTS, 'mesh']));
    const on = { ...NO_ASSIGNMENTS, networks: new Set(['n', 'mesh']) };
    expect(setsFor(on, ['mesh'])).toEqual(new Set([ALL_HOSTS, 'n', 'mesh']));
  });

  it('of hosts are all that were heard of, or those that everybody needs', async () => {
    expect(hosts(ALL_HOSTS)).toEqual(['a', 'b', 'm']);
    expect(hosts(COMMON_HOSTS)).toEqual(['m']);
    const mesh = { Name: 'mesh', Driver: 'overlay', Ingress: true };
    await store.propose([create('network', { id: 'mesh', spec: mesh, vni: 9, subnets: [] })]);
    expect(meshNetworks(store.view)).toEqual(['mesh']);
    await store.propose([create('task', aTask('t1', 'b', 'assigned', ['mesh']))]);
    await store.propose([create('task', aTask('t2', 'a', 'failed', ['mesh']))]);
    expect(hosts(COMMON_HOSTS)).toEqual(['b', 'm']);
  });

  it('of networks are nothing before they have a number', async () => {
    const spec = { Name: 'n', Driver: 'overlay' };
    await store.propose([create('network', { id: 'n', spec, subnets: [] })]);
    await store.propose([create('task', aTask('t1', 'a', 'running', ['n']))]);
    expect(sharedSet(store.view, 'n').size).toBe(0);
    expect(sharedSet(store.view, 'unknown').size).toBe(0);
    const network = store.view.get('network', 'n');
    if (network === undefined) throw new Error('no network');
    await store.propose([update('network', { ...network, vni: 4097 })]);
    expect([...sharedSet(store.view, 'n').keys()]).toEqual(['network\nn', 'taskEndpoint\nn/t1']);
  });
});

describe('buildAssignments', () => {
  it('is all of it: what is the node’s own, and what it shares', async () => {
    const spec = { Name: 'n', Driver: 'overlay' };
    await store.propose([create('network', { id: 'n', spec, vni: 4097, subnets: [] })]);
    await store.propose([create('task', aTask('t1', 'a', 'running', ['n']))]);
    const ids = (nodeId: string): string[] =>
      [...buildAssignments(store.view, nodeId).keys()].map((id) => id.replace('\n', ' ')).sort();
    expect(ids('a')).toEqual([
      'host a',
      'host b',
      'host m',
      'network n',
      'payload key',
      'revision r',
      'task t1',
      'taskEndpoint n/t1',
    ]);
    expect(ids('b')).toEqual(['host b', 'host m']);
  });
});
