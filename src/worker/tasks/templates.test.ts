import { describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../model/index.ts';
import type { TaskContext } from '../runtime/index.ts';
import { expandedSpec, taskName } from './templates.ts';

const SPEC: ContainerSpec = { Image: 'x', Env: ['NAME={{.Task.Name}}', 'AT={{.Node.ID}}'] };

const context = (slot: number): TaskContext => ({
  task: {
    id: 't1',
    serviceId: 's1',
    serviceName: 'web',
    slot,
    nodeId: 'n1',
    revisionId: 'r1',
    desiredState: 'running',
    networks: [],
    hostPorts: [],
    publishesIngress: false,
  },
  revision: {
    id: 'r1',
    serviceId: 's1',
    spec: {
      Name: 'web',
      Labels: { tier: 'front' },
      Mode: {},
      TaskTemplate: { ContainerSpec: SPEC },
    },
  },
  payload: () => undefined,
  node: { id: 'n1', hostname: 'h1', platform: { os: 'linux', architecture: 'x86_64' } },
});

describe('the spec of a task', () => {
  it('has its templates filled in', () => {
    expect(expandedSpec(context(3)).Env).toEqual(['NAME=web.3.t1', 'AT=n1']);
  });

  it('names a global task after its node', () => {
    expect(taskName(context(0))).toBe('web.n1.t1');
    expect(expandedSpec(context(0)).Env?.[0]).toBe('NAME=web.n1.t1');
  });

  it('of a user’s container is taken as it is', () => {
    expect(expandedSpec({ ...context(0), container: { name: 'mine' } })).toBe(SPEC);
  });
});
