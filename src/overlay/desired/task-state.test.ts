import { describe, expect, it } from 'vitest';
import { textOf, type LocalAttachment, type OverlayNetwork } from '../kernel/index.ts';
import { resolverPort, taskState } from './task-state.ts';

function on(
  index: number,
  prefix: string,
  flags: Partial<Pick<OverlayNetwork, 'internal' | 'ingress'>> = {},
): LocalAttachment {
  const subnets = [{ subnet: `${prefix}.0/24`, gateway: `${prefix}.1` }];
  return {
    taskId: 'a',
    index,
    network: {
      id: prefix,
      name: prefix,
      subnets,
      internal: false,
      ingress: false,
      mtu: 1450,
      ...flags,
    },
    address: `${prefix}.11/24`,
    gateway: `${prefix}.1`,
  };
}

function texts(attachments: readonly LocalAttachment[], publishesIngress = false): string[] {
  const { objects } = taskState({ taskId: 'a', attachments, publishesIngress });
  return Array.from(objects.values(), textOf);
}

function defaultRoute(attachments: readonly LocalAttachment[], publishes = false): string[] {
  return texts(attachments, publishes).filter((text) =>
    text.startsWith('route 0.0.0.0/0 table 254'),
  );
}

describe('taskState', () => {
  it('has one neighbour, the gateway, and no rules on a single network', () => {
    expect(texts([on(0, '10.0.1')])).toEqual([
      'link eth0 mtu 1450 address 02:42:0a:00:01:0b type veth',
      'addr 10.0.1.11/24 dev eth0',
      'neigh 10.0.1.1 dev eth0 lladdr 02:42:0a:00:00:01',
      'route 10.0.1.0/24 table 254 via 10.0.1.1 dev eth0',
      'route 0.0.0.0/0 table 254 via 10.0.1.1 dev eth0',
    ]);
  });

  it('routes by source address on several networks', () => {
    const rules = texts([on(0, '10.0.1'), on(1, '10.0.2', { internal: true })]).filter(
      (text) => /table 10\d/u.test(text) || text.startsWith('rule'),
    );
    expect(rules).toEqual([
      'route 10.0.1.0/24 table 100 via 10.0.1.1 dev eth0',
      'route 0.0.0.0/0 table 100 via 10.0.1.1 dev eth0',
      'rule pref 100 from 10.0.1.11 lookup 100',
      'route 10.0.2.0/24 table 101 via 10.0.2.1 dev eth1',
      'route 0.0.0.0/0 table 101 unreachable',
      'rule pref 101 from 10.0.2.11 lookup 101',
    ]);
  });

  it('leads its default route into ingress only when it publishes', () => {
    const both = [on(0, '10.0.0', { ingress: true }), on(1, '10.0.1')];
    expect(defaultRoute(both, true)).toEqual(['route 0.0.0.0/0 table 254 via 10.0.0.1 dev eth0']);
    expect(defaultRoute(both, false)).toEqual(['route 0.0.0.0/0 table 254 via 10.0.1.1 dev eth1']);
  });

  it('has no default route on internal networks', () => {
    expect(defaultRoute([on(0, '10.0.1', { internal: true })])).toEqual([]);
  });

  it('has only lo without networks', () => {
    const state = taskState({ taskId: 'a', attachments: [], publishesIngress: false });
    expect(state.objects.size).toBe(0);
    expect(state.tables).toEqual([]);
  });
});

describe('resolverPort', () => {
  it('is the same every time and none that the kernel hands out', () => {
    expect(resolverPort('task-1')).toBe(resolverPort('task-1'));
    for (let i = 0; i < 200; i++) {
      const port = resolverPort(`task-${i}`);
      expect(port >= 61_000 && port < 65_536).toBe(true);
    }
  });
});
