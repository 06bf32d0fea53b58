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

  it('knows fields by any case, and keeps the case of what is the user’s', () => {
    const spec = parseServiceSpec({
      name: 'a',
      labels: { Name: 'x', nAme: 'y' },
      tasktemplate: { containerSpec: { image: 'x', HealthCheck: { test: ['NONE'] } } },
      Mode: { replicated: { Replicas: 3 } },
      endpointspec: { PORTS: [{ targetPort: 80 }] },
    });
    expect(spec.Name).toBe('a');
    expect(spec.Labels).toEqual({ Name: 'x', nAme: 'y' });
    expect(spec.TaskTemplate.ContainerSpec.Healthcheck).toEqual({ Test: ['NONE'] });
    expect(spec.Mode).toEqual({ Replicated: { Replicas: 3 } });
    expect(spec.EndpointSpec?.Ports?.[0]?.TargetPort).toBe(80);
  });

  it('prefers the exact spelling, whichever comes first', () => {
    for (const names of [
      { name: 'b', Name: 'a' },
      { Name: 'a', NAME: 'b' },
    ]) {
      expect(parseServiceSpec({ ...names, TaskTemplate: template }).Name).toBe('a');
    }
  });

  it('takes a null in a map as the zero of its values', () => {
    const spec = parseServiceSpec({ Name: 'a', Labels: { a: null }, TaskTemplate: template });
    expect(spec.Labels).toEqual({ a: '' });
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
      'Mode.GlobalJob {} is not available in this release: use replicated or global',
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
