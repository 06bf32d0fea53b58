import { describe, expect, it } from 'vitest';
import { FRONT } from '../../../test/builders/overlay-network.ts';
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../../model/index.ts';
import { hostState, meshPorts, type HostInput } from './host-state.ts';
import { textOf } from '../kernel/index.ts';
import { createTable } from '../nft/index.ts';

const SERVICE: ServiceEndpointAssignment = {
  networkId: 'ingress',
  serviceId: 'web',
  name: 'web',
  aliases: [],
  mode: 'vip',
  sticky: false,
  ports: [
    { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' },
    { Protocol: 'tcp', TargetPort: 81, PublishedPort: 8081, PublishMode: 'host' },
    { Protocol: 'sctp', TargetPort: 82, PublishedPort: 8082, PublishMode: 'ingress' },
  ],
};

const ENDPOINT: TaskEndpointAssignment = {
  networkId: 'ingress',
  serviceId: 'web',
  taskId: 'a',
  name: 'web.1.a',
  nodeId: 'h1',
  addresses: ['10.0.0.11'],
  aliases: [],
  active: true,
};

function input(values: Partial<HostInput>): HostInput {
  return {
    instance: 'ts',
    networks: [FRONT],
    hosts: new Map([['h2', { nodeId: 'h2', hostname: 'h2', number: 2, address: '10.99.0.2' }]]),
    self: '10.99.0.1',
    meshed: [],
    dataPathPort: 4789,
    ownPorts: [2377],
    published: [],
    ...values,
  };
}

function commands(values: Partial<HostInput>): string {
  return hostState(input(values)).tables.map(createTable).join('');
}

describe('hostState', () => {
  it('has an unnumbered uplink for each network that is not internal', () => {
    const networks = [FRONT, { ...FRONT, id: 'back', internal: true }];
    const texts = Array.from(hostState(input({ networks })).objects.values(), textOf);
    expect(texts).toEqual([
      expect.stringMatching(/^link ts-\w{8} mtu 1450 address 02:42:0a:00:00:02 type veth$/u),
      expect.stringMatching(/^addr 198\.18\.255\.254\/32 dev ts-\w{8}$/u),
      expect.stringMatching(/^neigh 198\.18\.255\.253 dev ts-\w{8} lladdr 02:42:0a:00:00:03$/u),
      expect.stringMatching(
        /^route 10\.0\.1\.0\/24 table 254 via 198\.18\.255\.253 dev ts-\w{8}$/u,
      ),
    ]);
  });

  it('touches only its own interfaces', () => {
    const rules = commands({}).match(/add rule ip tsswarm_ts forward .*/gu) ?? [];
    expect(rules).toHaveLength(8);
    for (const rule of rules) expect(rule).toContain('"ts-*"');
  });

  it('lets no answer of a task into the tunnels or to its own ports', () => {
    const made = commands({});
    const answers = made.indexOf('ct direction reply accept');
    expect(answers).toBeGreaterThan(made.indexOf('forward iifname "ts-*" udp dport 4789 drop'));
    expect(answers).toBeGreaterThan(made.indexOf('th dport @own_ports reject'));
  });

  it('takes packets of its VXLAN port from cluster hosts alone', () => {
    expect(commands({})).toContain('add element ip tsswarm_ts cluster_hosts { 10.99.0.2 }');
    expect(commands({})).toContain('input udp dport 4789 @th,96,24 >= 1048576 drop');
    const low = { ...FRONT, vxlan: { vni: 5000, port: 4789, local: '10.99.0.1', host: 1 } };
    expect(commands({ networks: [low] })).toContain('input udp dport 4789 drop');
  });

  it('does not track the tunnels between hosts, and nothing else on their port', () => {
    const made = commands({});
    expect(made).toContain(
      'raw udp dport 4789 ip saddr @cluster_hosts ip daddr 10.99.0.1 notrack accept',
    );
    expect(made).toContain('raw_out udp dport 4789 ip daddr @cluster_hosts notrack accept');
    expect(commands({ self: undefined })).not.toContain('raw udp');
  });

  it('lets out replies of the mesh, and what tasks here begin', () => {
    const ingress = { ...FRONT, id: 'ingress', ingress: true };
    const task = { taskId: 'a', index: 0, network: ingress, gateway: '10.0.1.1' };
    const meshed = [{ ...task, address: '10.0.1.11/24' }];
    const made = commands({ networks: [FRONT, ingress], meshed });
    expect(made).toMatch(
      /(input|forward) iifname "ts-\w{8}" ct state new,invalid ip saddr != @meshed drop/u,
    );
    expect(made).toContain('add element ip tsswarm_ts meshed { 10.0.1.11 }');
    expect(commands({ networks: [FRONT] })).not.toContain('@meshed');
  });

  it('leads published ports to their tasks', () => {
    const published = meshPorts([SERVICE], [ENDPOINT, { ...ENDPOINT, addresses: ['10.0.0.12'] }]);
    const made = commands({ published });
    expect(made).toContain('published { tcp . 8080 : goto p_tcp_8080 }');
    expect(made).toContain(
      'p_tcp_8080 meta l4proto tcp numgen random mod 2 == 0 dnat to 10.0.0.11:80',
    );
    expect(made).toContain('p_tcp_8080 meta l4proto tcp dnat to 10.0.0.12:80');
  });

  it('keeps a claimed port without tasks, to reset who comes', () => {
    const made = commands({ published: meshPorts([SERVICE], [{ ...ENDPOINT, active: false }]) });
    expect(made).toContain('claimed { tcp . 8080 }');
    expect(made).not.toContain('goto');
  });
});
