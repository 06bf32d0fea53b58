import { describe, expect, it } from 'vitest';
import type { TaskContext } from '../executor.ts';
import { expandTemplate, taskName } from './templates.ts';

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
      Labels: { tier: 'front', 'com.example.x': 'dotted' },
      Mode: {},
      TaskTemplate: { ContainerSpec: { Image: 'x' } },
    },
  },
  payload: () => undefined,
  node: { id: 'n1', hostname: 'h1', platform: { os: 'linux', architecture: 'x86_64' } },
});

describe('templates', () => {
  it.each([
    ['{{.Service.Name}}-{{.Task.Slot}}', 'web-3'],
    ['{{ .Node.Hostname }}/{{.Node.ID}}', 'h1/n1'],
    ['{{.Service.ID}}{{.Task.ID}}', 's1t1'],
    ['{{.Task.Name}}', 'web.3.t1'],
    ['{{.Node.Platform.OS}}-{{.Node.Platform.Architecture}}', 'linux-x86_64'],
    ['{{.Service.Labels.tier}}', 'front'],
    ['{{index .Service.Labels "com.example.x"}}', 'dotted'],
    ['{{.Service.Labels.none}}', ''],
    ['plain $HOME {x}', 'plain $HOME {x}'],
  ])('%s becomes %s', (text, result) => {
    expect(expandTemplate(text, context(3))).toBe(result);
  });

  it('name a global task after its node', () => {
    expect(taskName(context(0))).toBe('web.n1.t1');
    expect(expandTemplate('{{.Task.Slot}}', context(0))).toBe('n1');
  });

  it('refuse what they do not know', () => {
    expect(() => expandTemplate('{{.Task.Colour}}', context(1))).toThrow(
      'template {{.Task.Colour}} is unknown',
    );
  });
});
