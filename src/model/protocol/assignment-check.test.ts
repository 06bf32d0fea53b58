import { describe, expect, it } from 'vitest';
import { checkedAssignment } from './assignment-check.ts';
import type { AssignmentKinds } from './assignment.ts';

const INJECTION = 'fd00::9 }\nadd table ip x\nadd chain ip x y { ';

const host = { nodeId: 'n1', hostname: 'h', number: 1, address: '10.0.0.1' };
const network = {
  id: 'net1',
  name: 'back',
  vni: 4097,
  subnets: [{ subnet: '10.1.0.0/24', gateway: '10.1.0.1' }],
  internal: false,
  ingress: false,
  encrypted: false,
};
const service = {
  networkId: 'net1',
  serviceId: 's1',
  name: 'web',
  aliases: [],
  mode: 'vip',
  vip: '10.1.0.2',
  ports: [],
  sticky: false,
} as const;
const task = {
  networkId: 'net1',
  serviceId: 's1',
  taskId: 't1',
  name: 'web.1',
  nodeId: 'n1',
  addresses: ['10.1.0.3', 'fd00::3'],
  aliases: [],
  active: true,
};
const own: AssignmentKinds['task'] = {
  id: 't1',
  serviceId: 's1',
  serviceName: 'web',
  slot: 1,
  nodeId: 'n1',
  revisionId: 'r1',
  desiredState: 'running',
  networks: [{ networkId: 'net1', addresses: ['10.1.0.3/24'], aliases: [] }],
  hostPorts: [],
  publishesIngress: false,
};

describe('assignments', () => {
  it('are taken as they are when all in them is what it says', () => {
    expect(checkedAssignment('host', host)).toEqual(host);
    expect(checkedAssignment('network', network)).toBe(network);
    expect(checkedAssignment('serviceEndpoint', service)).toBe(service);
    expect(checkedAssignment('taskEndpoint', task)).toBe(task);
    expect(checkedAssignment('task', own)).toBe(own);
  });

  it('have addresses as the kernel writes them', () => {
    expect(checkedAssignment('host', { ...host, address: 'FD00:0::9' }).address).toBe('fd00::9');
  });

  it('lose nameservers that are none', () => {
    const asked = { ...own, nameservers: ['1.1.1.1', '1.1.1.1 x', 'dns'] };
    expect(checkedAssignment('task', asked).nameservers).toEqual(['1.1.1.1']);
  });

  const port = { Protocol: 'tcp', TargetPort: 80, PublishMode: 'host' } as const;
  it.each<[string, () => unknown]>([
    ['a host', () => checkedAssignment('host', { ...host, address: INJECTION })],
    ['a host’s number', () => checkedAssignment('host', { ...host, number: 70_000 })],
    [
      'a host’s key',
      () => checkedAssignment('host', { ...host, encryption: { keys: ['a\nb', 'c'], current: 0 } }),
    ],
    ['a prefix', () => checkedAssignment('host', { ...host, address: '10.0.0.1/8' })],
    ['no address', () => checkedAssignment('host', { ...host, address: '' })],
    [
      'a subnet',
      () =>
        checkedAssignment('network', {
          ...network,
          subnets: [{ subnet: INJECTION, gateway: '10.1.0.1' }],
        }),
    ],
    [
      'a gateway',
      () =>
        checkedAssignment('network', {
          ...network,
          subnets: [{ subnet: '10.1.0.0/24', gateway: '::::' }],
        }),
    ],
    ['a vni', () => checkedAssignment('network', { ...network, vni: 2 ** 24 })],
    ['a network’s id', () => checkedAssignment('network', { ...network, id: '../x' })],
    ['a vip', () => checkedAssignment('serviceEndpoint', { ...service, vip: '10.1.0.999' })],
    [
      'a vip of the other family',
      () => checkedAssignment('serviceEndpoint', { ...service, vip: 'fd00::1' }),
    ],
    [
      'an endpoint',
      () => checkedAssignment('taskEndpoint', { ...task, addresses: ['10.1.0.3', INJECTION] }),
    ],
    ['a task’s id', () => checkedAssignment('task', { ...own, id: 'a/../b' })],
    [
      'a task’s address',
      () =>
        checkedAssignment('task', {
          ...own,
          networks: [{ networkId: 'n', addresses: ['x/24'], aliases: [] }],
        }),
    ],
    [
      'a port',
      () => checkedAssignment('task', { ...own, hostPorts: [{ ...port, PublishedPort: 70_000 }] }),
    ],
    [
      'a port’s address',
      () => checkedAssignment('task', { ...own, hostPorts: [{ ...port, HostIP: '1.2.3.4 drop' }] }),
    ],
  ])('are refused for %s', (_, check) => {
    expect(check).toThrow(/is no|must lie|is not a subnet/);
  });
});
