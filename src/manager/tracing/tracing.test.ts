import { describe, expect, it } from 'vitest';
import { memoryStore, newNode } from '../../../test/builders/memory-store.ts';
import { aServiceSpec } from '../../../test/builders/specs.ts';
import {
  create,
  type Draft,
  type PortConfig,
  type Task,
  type TaskState,
  type TraceAnswer,
} from '../../model/index.ts';
import type { Store } from '../store/index.ts';
import { judgeTrace, reportOf, type Findings } from './judge.ts';
import { planTrace, type TraceWay } from './plan.ts';

const SERVICES = [
  { name: 'client', network: 'front', node: 'a', address: '10.0.1.3' },
  { name: 'web', network: 'front', node: 'b', address: '10.0.1.4' },
  { name: 'alien', network: 'other', node: 'b', address: '10.0.2.4' },
];

/** Two hosts, and a task of each of three services on two networks; `state` is that of web's. */
async function cluster(state: TaskState = 'running'): Promise<Store> {
  const { store } = memoryStore();
  for (const id of ['a', 'b']) await store.propose([newNode(id)]);
  for (const Name of ['front', 'other']) {
    await store.propose([
      create('network', { id: Name, spec: { Name, Driver: 'overlay' }, subnets: [] }),
    ]);
  }
  for (const { name, network, node, address } of SERVICES) {
    const TaskTemplate = { ContainerSpec: { Image: 'i' }, Networks: [{ Target: network }] };
    const spec = { ...aServiceSpec(), Name: name, TaskTemplate };
    const vip = { networkId: network, address: `${address}0/24` };
    const port = { Protocol: 'tcp', PublishMode: 'ingress', TargetPort: 80, PublishedPort: 8080 };
    const ports = name === 'web' ? [port as PortConfig] : [];
    const endpoint = { ports, virtualIps: [vip], allocatedFor: 1 };
    await store.propose([
      create('service', { id: name, spec, specVersion: 1, revisionId: 'r', endpoint }),
    ]);
    const task: Draft<Task> = {
      id: `task-${name}`,
      serviceId: name,
      revisionId: 'r',
      slot: 1,
      nodeId: node,
      desiredState: 'running',
      status: { state: name === 'web' ? state : 'running', timestamp: 0, message: '' },
      networks: [{ networkId: network, addresses: [`${address}/24`], aliases: [] }],
    };
    await store.propose([create('task', task)]);
  }
  return store;
}

const FINE: TraceAnswer = {
  attached: true,
  problems: [],
  differences: [],
  addresses: ['10.0.1.40'],
  endpoints: ['10.0.1.4'],
  listening: [80],
  local: [],
  outcomes: ['open', 'open'],
  drops: [],
};

async function verdict(found: Partial<Findings>): Promise<string> {
  const { view } = await cluster();
  const { way } = planTrace(view, 'client', 'web', undefined);
  const steps = judgeTrace(way as TraceWay, { source: FINE, targets: [FINE], port: 80, ...found });
  return reportOf('client', 'web', steps).verdict;
}

describe('planTrace', () => {
  it('finds tasks by service, id and container name, and the way between them', async () => {
    const { view } = await cluster();
    const { way } = planTrace(view, 'client', 'web', undefined);
    expect(way).toMatchObject({ name: 'web', vip: '10.0.1.40', port: 80 });
    expect(way?.targets[0]).toMatchObject({ name: 'web.1.task-web', address: '10.0.1.4' });
    for (const name of ['task-web', 'web.1', 'web.1.task-web']) {
      const single = planTrace(view, 'task-client', name, 81).way;
      expect(single).toMatchObject({ name: 'web.1.task-web', port: 81 });
      expect(single?.vip).toBeUndefined();
    }
    expect(() => planTrace(view, 'client', 'nothing', undefined)).toThrow(
      'nothing is neither a service nor a task',
    );
  });

  it('says what is missing before any host is asked', async () => {
    const { view } = await cluster('failed');
    const last = (to: string): string | undefined =>
      planTrace(view, 'client', to, undefined).steps.at(-1)?.text;
    expect(last('web')).toBe('web has no active task on front: 1 failed');
    expect(last('alien')).toContain('no network in common (front; other)');
  });
});

describe('judgeTrace', () => {
  it('finds nothing where nothing is broken', async () => {
    expect(await verdict({})).toBe('web can be reached from client');
  });

  it.each<[string, Partial<Findings>]>([
    ["broken at a: a can't be asked: no answer", { source: 'no answer' }],
    ["broken at b: host b can't be asked: it is down", { targets: ['it is down'] }],
    [
      'the kernel is not as wanted: in the network: fdb',
      finding({ differences: ['in the network: fdb x'] }),
    ],
    ['the resolver says nothing of web', { source: withoutNames() }],
    ['web is 10.0.1.9, but should be 10.0.1.40', finding({ addresses: ['10.0.1.9'] })],
    ['a does not know yet that web.1.task-web is active', finding({ endpoints: [] })],
    [
      'nobody listens on port 80 in web.1.task-web, only on 81',
      { targets: [{ ...FINE, listening: [81] }] },
    ],
    [
      'listens on port 80 at loopback addresses only',
      { targets: [{ ...FINE, listening: [], local: [80] }] },
    ],
    ['there is no route to web.1.task-web at 10.0.1.4:80', finding({ outcomes: ['unreachable'] })],
    ['get lost between the hosts', finding({ outcomes: ['silent'] })],
    [
      'the virtual address 10.0.1.40:80 refuses connections',
      finding({ outcomes: ['open', 'refused'] }),
    ],
    ['listens on no TCP port', { port: undefined, targets: [{ ...FINE, listening: [] }] }],
  ])('says: %s', async (text, found) => {
    expect(await verdict(found)).toContain(text);
  });

  it('names the rules of others that drop', async () => {
    const source: TraceAnswer = { ...FINE, outcomes: ['silent', 'silent'] };
    const target: TraceAnswer = { ...FINE, drops: ['table inet x, chain input: policy drop'] };
    expect(await verdict({ source, targets: [target] })).toContain(
      'A firewall drops: b: table inet x, chain input: policy drop',
    );
  });
});

function finding(values: Partial<TraceAnswer>): Partial<Findings> {
  return { source: { ...FINE, ...values } };
}

function withoutNames(): TraceAnswer {
  const { addresses: _none, ...rest } = FINE;
  return rest;
}
