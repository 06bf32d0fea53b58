// A new task: what it is made of, and whom it has to wait for.
import { Prng } from 'sim';
import { describe, expect, it } from 'vitest';
import type { Service, Task } from '../../../model/index.ts';
import { aService, aTask } from '../../../../test/builders/cluster-objects.ts';
import { aServiceSpec } from '../../../../test/builders/specs.ts';
import { createTask, desire } from './new-task.ts';

type Port = Service['endpoint']['ports'][number];

const port = (PublishMode: 'ingress' | 'host'): Port => ({
  Protocol: 'tcp',
  TargetPort: 80,
  PublishedPort: 8080,
  PublishMode,
});

function created(service: Service): Partial<Task> {
  const options = { slot: 3, desiredState: 'running' } as const;
  const action = createTask(service, options, new Prng('new'), 7_000);
  if (action.kind !== 'create') throw new Error('no creation');
  return action.object as Partial<Task>;
}

function published(...ports: readonly Port[]): Service {
  return aService(aServiceSpec(), { endpoint: { ports, virtualIps: [], allocatedFor: 1 } });
}

function onNetworks(...targets: readonly string[]): Service {
  const Networks = targets.map((Target) => ({ Target }));
  return aService(aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, Networks } }));
}

describe('a new task', () => {
  it('is of the present revision of its service', () => {
    const service = aService(aServiceSpec(), { revisionId: 'r9' });
    expect(created(service)).toMatchObject({
      serviceId: 's',
      revisionId: 'r9',
      slot: 3,
      desiredState: 'running',
      networks: [],
    });
  });

  it('has an id of its own', () => {
    const random = new Prng('ids');
    const options = { slot: 1, desiredState: 'running' } as const;
    const ids = Array.from({ length: 50 }, () => createTask(aService(), options, random, 0)).map(
      (action) => (action.kind === 'create' ? action.object.id : ''),
    );
    expect(new Set(ids).size).toBe(50);
    expect(ids.every((id) => /^[0-9a-z]{25}$/.test(id))).toBe(true);
  });

  it.each([
    ['no network and no port', aService(), 'pending'],
    ['no networks in its list', onNetworks(), 'pending'],
    ['a port on its host alone', published(port('host')), 'pending'],
    ['a network', onNetworks('net'), 'new'],
    ["its host's network", onNetworks('host'), 'new'],
    ['a port of the mesh', published(port('ingress')), 'new'],
    ['ports of both kinds', published(port('host'), port('ingress')), 'new'],
  ])('with %s waits for the right one', (_what, service, state) => {
    expect(created(service).status).toMatchObject({ state, timestamp: 7_000 });
  });

  it('has nothing that it was not given', () => {
    expect(Object.keys(created(aService())).sort()).toEqual([
      'desiredState',
      'id',
      'networks',
      'revisionId',
      'serviceId',
      'slot',
      'status',
    ]);
  });

  it('has a node, a time and a predecessor when it was given them', () => {
    const options = {
      slot: 0,
      nodeId: 'n',
      desiredState: 'ready',
      startAfter: 9_000,
      replaces: 'old',
    } as const;
    const action = createTask(aService(), options, new Prng('new'), 0);
    expect(action).toMatchObject({ object: options });
  });
});

describe('a desired state', () => {
  it('is all that changes', () => {
    const task = aTask('t', { nodeId: 'n' });
    const { version, createdAt: _c, updatedAt: _u, ...kept } = task;
    expect(desire(task, 'shutdown')).toEqual({
      kind: 'update',
      table: 'task',
      object: { ...kept, desiredState: 'shutdown' },
      ifVersion: version,
    });
  });
});
