import { describe, expect, it } from 'vitest';
import { parseClusterSpec, parseNodeSpec, parseServiceSpec } from './parse.ts';

const template = { ContainerSpec: { Image: 'x' } };

describe('parseServiceSpec', () => {
  it('fills what clients dereference', () => {
    const spec = parseServiceSpec({ Name: 'a', TaskTemplate: template, Mode: { Replicated: {} } });
    expect(spec.Mode).toEqual({ Replicated: { Replicas: 1 } });
    expect(spec.EndpointSpec).toEqual({ Mode: 'vip', Ports: [] });
  });

  it('keeps maps of any keys, drops unknown fields and nulls', () => {
    const spec = parseServiceSpec({
      Name: 'a',
      Labels: { 'com.docker.stack.namespace': 's', empty: '' },
      TaskTemplate: { ContainerSpec: { Image: 'x', Sysctls: { 'net.a': '1' }, Env: null, New: 1 } },
      Mode: { Replicated: { Replicas: 3 } },
    });
    expect(spec.Labels).toEqual({ 'com.docker.stack.namespace': 's', empty: '' });
    expect(spec.TaskTemplate.ContainerSpec).toEqual({ Image: 'x', Sysctls: { 'net.a': '1' } });
  });

  it('takes ports without protocol and mode as Docker does', () => {
    const spec = parseServiceSpec({
      Name: 'a',
      TaskTemplate: template,
      EndpointSpec: { Ports: [{ TargetPort: 80, PublishedPort: 8080 }] },
    });
    expect(spec.EndpointSpec?.Ports).toEqual([
      { TargetPort: 80, PublishedPort: 8080, Protocol: 'tcp', PublishMode: 'ingress' },
    ]);
  });

  it('keeps the replicas that there were when an update names none', () => {
    expect(
      parseServiceSpec({ Name: 'a', TaskTemplate: template }, 7).Mode.Replicated?.Replicas,
    ).toBe(7);
  });

  it.each([
    [{ Name: 1, TaskTemplate: template }, 'invalid service spec: Name must be string'],
    [
      { Name: 'a', TaskTemplate: {} },
      "invalid service spec: TaskTemplate must have required property 'ContainerSpec'",
    ],
    [
      { Name: 'a', TaskTemplate: template, UpdateConfig: { Order: 'sideways' } },
      'invalid service spec: UpdateConfig.Order must be one of stop-first, start-first',
    ],
    [
      { Name: 'a', TaskTemplate: template, Mode: { GlobalJob: {} } },
      'job modes are not available in this release: use replicated or global',
    ],
  ])('refuses %j', (body, message) => {
    expect(() => parseServiceSpec(body)).toThrow(message);
  });
});

describe('parseNodeSpec and parseClusterSpec', () => {
  it('fill defaults, or only what was given', () => {
    expect(parseNodeSpec({ Labels: { a: 'b' } })).toEqual({
      Labels: { a: 'b' },
      Role: 'worker',
      Availability: 'active',
    });
    expect(parseClusterSpec({ Dispatcher: { HeartbeatPeriod: 1e9 }, TaskDefaults: {} })).toEqual({
      Dispatcher: { HeartbeatPeriod: 1e9 },
    });
  });
});
