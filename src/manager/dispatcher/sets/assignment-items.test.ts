// What an item says, made from the objects of the store, and that the same objects give the same item.
import { beforeEach, describe, expect, it } from 'vitest';
import { memoryStore, newNode } from '../../../../test/builders/memory-store.ts';
import {
  create,
  update,
  type AssignmentItem,
  type Draft,
  type Network,
  type Service,
  type ServiceSpec,
  type Task,
} from '../../../model/index.ts';
import type { Store } from '../../store/index.ts';
import {
  hostItem,
  isActive,
  isPlaced,
  networkItem,
  payloadItem,
  revisionItem,
  serviceEndpointItem,
  taskEndpointItem,
  taskItem,
} from './assignment-items.ts';

let store: Store;

const body = (item: AssignmentItem | undefined): unknown =>
  item === undefined ? undefined : JSON.parse(item.body);

const SPEC: ServiceSpec = {
  Name: 'web',
  Mode: { Replicated: { Replicas: 1 } },
  TaskTemplate: {
    ContainerSpec: { Image: 'x', DNSConfig: { Nameservers: ['9.9.9.9'] } },
    Networks: [{ Target: 'net', Aliases: ['www'] }],
  },
};

const TASK: Draft<Task> = {
  id: 't1',
  serviceId: 's',
  revisionId: 'r',
  slot: 3,
  nodeId: 'n1',
  desiredState: 'running',
  status: { state: 'running', timestamp: 0, message: '' },
  networks: [{ networkId: 'net', addresses: ['10.0.0.5/24', 'fd00::5/64'], aliases: ['www'] }],
};

function the<T>(object: T | undefined): T {
  if (object === undefined) throw new Error('it is not there');
  return object;
}

const task = (): Task => the(store.view.get('task', 't1'));

async function changeTask(more: Partial<Task>): Promise<Task> {
  await store.propose([update('task', { ...task(), ...more })]);
  return task();
}

beforeEach(async () => {
  ({ store } = memoryStore());
  await store.propose([newNode('n1', { dataPathAddress: '10.1.0.1' })]);
  const ports = [
    { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' },
    { Protocol: 'udp', TargetPort: 53, PublishedPort: 5353, PublishMode: 'host' },
  ] as const;
  await store.propose([
    create('revision', { id: 'r', serviceId: 's', spec: SPEC, ports: [...ports] }),
    create('task', TASK),
    create('network', { id: 'net', spec: { Name: 'back', Driver: 'overlay' }, subnets: [] }),
  ]);
});

describe('a task', () => {
  it('is told with what its node needs of the service', () => {
    const item = taskItem(task(), the(store.view.get('revision', 'r')));
    expect(item).toMatchObject({ kind: 'task', key: 't1' });
    expect(body(item)).toEqual({
      id: 't1',
      serviceId: 's',
      serviceName: 'web',
      slot: 3,
      nodeId: 'n1',
      revisionId: 'r',
      desiredState: 'running',
      networks: TASK.networks,
      hostPorts: [{ Protocol: 'udp', TargetPort: 53, PublishedPort: 5353, PublishMode: 'host' }],
      publishesIngress: true,
      nameservers: ['9.9.9.9'],
    });
  });

  it('is one item for as long as it does not change', async () => {
    const revision = the(store.view.get('revision', 'r'));
    const before = taskItem(task(), revision);
    expect(taskItem(task(), revision)).toBe(before);
    const stopping = await changeTask({ desiredState: 'shutdown' });
    expect(body(taskItem(stopping, revision))).toMatchObject({ desiredState: 'shutdown' });
  });

  it.each(['new', 'pending'] as const)('is not placed while it is %s', async (state) => {
    expect(isPlaced(await changeTask({ status: { ...task().status, state } }))).toBe(false);
  });

  it.each(['complete', 'failed', 'shutdown', 'rejected'] as const)(
    'is not placed when it has ended: %s',
    async (state) => {
      expect(isPlaced(await changeTask({ status: { ...task().status, state } }))).toBe(false);
    },
  );

  it.each(['assigned', 'preparing', 'ready', 'running'] as const)(
    'is placed: %s',
    async (state) => {
      expect(isPlaced(await changeTask({ status: { ...task().status, state } }))).toBe(true);
      expect(isPlaced(undefined)).toBe(false);
    },
  );
});

describe('what belongs to a task', () => {
  it('is its revision, with the credentials for its images', async () => {
    const revision = the(store.view.get('revision', 'r'));
    const without = revisionItem(store.view, revision);
    expect(body(without)).toEqual({ id: 'r', serviceId: 's', spec: SPEC });
    expect(revisionItem(store.view, revision)).toBe(without);
    await store.propose([create('credential', { id: 'r', registryAuth: 'secret' })]);
    expect(body(revisionItem(store.view, revision))).toMatchObject({ registryAuth: 'secret' });
  });

  it('is the content of secrets and configs, where it is there', async () => {
    expect(payloadItem(store.view, 'p')).toBeUndefined();
    await store.propose([create('payload', { id: 'p', kind: 'secret', data: 'eA==' })]);
    const item = payloadItem(store.view, 'p');
    expect(item).toMatchObject({ kind: 'payload', key: 'p' });
    expect(body(item)).toEqual({ id: 'p', kind: 'secret', data: 'eA==' });
  });
});

describe('a host', () => {
  it('is told once it has said where its tunnels end', async () => {
    const node = the(store.view.get('node', 'n1'));
    expect(body(hostItem(node))).toEqual({
      nodeId: 'n1',
      hostname: '',
      number: node.number,
      address: '10.1.0.1',
    });
    expect(hostItem(node)).toBe(hostItem(node));
    expect(hostItem({ ...node, status: { ...node.status, dataPathAddress: '' } })).toBeUndefined();
  });

  it('is told the same while only its state changes', async () => {
    const node = the(store.view.get('node', 'n1'));
    const down = { ...node, status: { ...node.status, state: 'down' as const } };
    expect(hostItem(down)?.body).toBe(hostItem(node)?.body);
  });
});

describe('a network', () => {
  it('is told once it has a number', () => {
    const network = the(store.view.get('network', 'net'));
    expect(networkItem(network)).toBeUndefined();
    const Options = { 'com.docker.network.driver.mtu': '1300', encrypted: '' };
    const spec = { ...network.spec, Internal: true, Options };
    expect(body(networkItem({ ...network, vni: 4097, spec }))).toEqual({
      id: 'net',
      name: 'back',
      vni: 4097,
      subnets: [],
      internal: true,
      ingress: false,
      encrypted: true,
      mtu: 1300,
    });
  });
});

describe('an endpoint of a task', () => {
  const endpoint = (): unknown => body(taskEndpointItem(store.view, 'net', task()));

  it('has addresses without prefix, and serves while the task runs', () => {
    expect(endpoint()).toEqual({
      networkId: 'net',
      serviceId: 's',
      taskId: 't1',
      name: 'web.3.t1',
      nodeId: 'n1',
      addresses: ['10.0.0.5', 'fd00::5'],
      aliases: ['www'],
      active: true,
    });
  });

  it('does not serve before it runs, when it is to stop, and while its node is down', async () => {
    const running = task();
    await changeTask({ status: { ...running.status, state: 'starting' } });
    expect(endpoint()).toMatchObject({ active: false });
    await changeTask({ status: running.status, desiredState: 'shutdown' });
    expect(endpoint()).toMatchObject({ active: false });
    await changeTask({ desiredState: 'running' });
    const node = the(store.view.get('node', 'n1'));
    expect(isActive(task(), node)).toBe(true);
    await store.propose([update('node', { ...node, status: { ...node.status, state: 'down' } })]);
    expect(endpoint()).toMatchObject({ active: false, lost: true });
    expect(isActive(task(), the(store.view.get('node', 'n1')))).toBe(false);
  });

  it('is none where the task is not, when it has ended, and without its node', async () => {
    expect(taskEndpointItem(store.view, 'other', task())).toBeUndefined();
    const ended = await changeTask({ status: { ...task().status, state: 'failed' } });
    expect(taskEndpointItem(store.view, 'net', ended)).toBeUndefined();
    const elsewhere = { ...ended, status: TASK.status, nodeId: 'gone' };
    expect(taskEndpointItem(store.view, 'net', elsewhere)).toBeUndefined();
  });

  it('has the name of a user’s container', async () => {
    const attached = await changeTask({ attachment: { containerId: 'c' } });
    expect(body(taskEndpointItem(store.view, 'net', attached))).toMatchObject({ name: 'web' });
  });
});

describe('an endpoint of a service', () => {
  const service = (more: Partial<Service> = {}): Service => ({
    id: 's',
    version: 1,
    createdAt: 0,
    updatedAt: 0,
    revisionId: 'r',
    spec: SPEC,
    specVersion: 1,
    endpoint: {
      ports: [
        { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' },
        { Protocol: 'udp', TargetPort: 53, PublishedPort: 5353, PublishMode: 'host' },
      ],
      virtualIps: [
        { networkId: 'net', address: '10.0.0.2/24' },
        { networkId: 'net', address: 'fd00::2/64' },
        { networkId: 'other', address: '10.9.0.2/24' },
      ],
      allocatedFor: 1,
    },
    ...more,
  });
  const network = (more: Partial<Network['spec']> = {}): Network => {
    const known = the(store.view.get('network', 'net'));
    return { ...known, spec: { ...known.spec, ...more } };
  };

  it('has the virtual addresses of that network, and all ports for names', () => {
    const item = serviceEndpointItem(network(), service());
    expect(item?.key).toBe('net/s');
    expect(body(item)).toMatchObject({
      name: 'web',
      aliases: ['www'],
      mode: 'vip',
      vip: '10.0.0.2',
      vip6: 'fd00::2',
      ports: [],
      exposed: [{ TargetPort: 80 }, { TargetPort: 53 }],
      sticky: false,
    });
  });

  it('has the published ports on the network for them, whether it is on it or not', () => {
    const mesh = { ...network({ Ingress: true }), id: 'mesh' };
    expect(body(serviceEndpointItem(mesh, service()))).toMatchObject({
      aliases: [],
      ports: [{ PublishedPort: 8080 }],
    });
    const quiet = { ...service().endpoint, ports: [] };
    expect(serviceEndpointItem(mesh, service({ endpoint: quiet }))).toBeUndefined();
  });

  it('is none on other networks', () => {
    expect(serviceEndpointItem({ ...network(), id: 'third' }, service())).toBeUndefined();
  });

  it('says what the spec says of mode and stickiness', () => {
    const spec = {
      ...SPEC,
      Labels: { 'tsswarm.sticky': 'client-ip' },
      EndpointSpec: { Mode: 'dnsrr' as const },
    };
    expect(body(serviceEndpointItem(network(), service({ spec })))).toMatchObject({
      mode: 'dnsrr',
      sticky: true,
    });
  });
});
