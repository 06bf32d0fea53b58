import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRONT as NETWORK } from '../../../test/builders/overlay-network.ts';
import type {
  HostAssignment,
  ServiceEndpointAssignment,
  TaskEndpointAssignment,
} from '../../model/index.ts';
import { textOf, type LocalAttachment, type NamespaceState } from '../kernel/index.ts';
import { createTable } from '../nft/index.ts';
import { Sandbox, type SandboxInput } from './sandbox-state.ts';

const HOSTS = new Map([1, 2, 300].map((number) => [`h${number}`, host(number)]));

function host(number: number): HostAssignment {
  return {
    nodeId: `h${number}`,
    hostname: `h${number}`,
    number,
    address: `10.99.0.${number & 255}`,
  };
}

function endpoint(taskId: string, nodeId: string, address: string): TaskEndpointAssignment {
  return {
    networkId: 'front',
    serviceId: 'web',
    taskId,
    name: taskId,
    nodeId,
    addresses: [address],
    aliases: [],
    active: true,
  };
}

function input(values: Partial<SandboxInput>): SandboxInput {
  return {
    instance: 'ts',
    network: NETWORK,
    selfNodeId: 'h1',
    hosts: HOSTS,
    endpoints: [],
    services: [],
    attachments: [],
    removed: [],
    ...values,
  };
}

function texts(values: Partial<SandboxInput>): string[] {
  return Array.from(new Sandbox().state(input(values)).objects.values(), textOf);
}

function commands(values: Partial<SandboxInput>): string {
  return new Sandbox().state(input(values)).tables.map(createTable).join('');
}

const web = {
  networkId: 'front',
  serviceId: 'web',
  name: 'web',
  aliases: [],
  mode: 'vip',
  vip: '10.0.1.2',
  ports: [],
  sticky: false,
} as const;

describe('Sandbox', () => {
  it('is a router with a tunnel and a way out', () => {
    expect(texts({})).toEqual([
      'link vx0 mtu 1450 address 02:42:0a:63:00:01 type vxlan id 1048577 dstport 4789 local 10.99.0.1',
      'addr 198.18.0.1/32 dev vx0',
      'link up0 mtu 1450 address 02:42:0a:00:00:03 type veth',
      'addr 198.18.255.253/32 dev up0',
      'neigh 198.18.255.254 dev up0 lladdr 02:42:0a:00:00:02',
      'route 0.0.0.0/0 table 254 via 198.18.255.254 dev up0',
      'route 10.0.1.0/24 table 254 unreachable',
    ]);
  });

  it('routes without a look for sockets', () => {
    const { sysctls } = new Sandbox().state(input({}));
    expect(sysctls).toContainEqual({ name: 'ipv4/ip_early_demux', value: '0' });
  });

  it('has one neighbour and one forwarding entry a host, one route a task', () => {
    const endpoints = [
      endpoint('a', 'h300', '10.0.1.11'),
      endpoint('b', 'h300', '10.0.1.12'),
      endpoint('own', 'h1', '10.0.1.13'),
      endpoint('unknown', 'h9', '10.0.1.14'),
    ];
    const objects = texts({ endpoints }).filter((text) => text.includes('vx0'));
    expect(objects.filter((text) => !/^(link|addr)/.test(text)).sort()).toEqual([
      'fdb 02:42:0a:63:01:2c dev vx0 dst 10.99.0.44',
      'neigh 198.18.1.44 dev vx0 lladdr 02:42:0a:63:01:2c',
      'route 10.0.1.11/32 table 254 via 198.18.1.44 dev vx0',
      'route 10.0.1.12/32 table 254 via 198.18.1.44 dev vx0',
    ]);
  });

  it('gives an internal network no uplink', () => {
    const objects = texts({ network: { ...NETWORK, internal: true } });
    expect(objects.filter((text) => text.includes('up0'))).toEqual([]);
  });

  it('admits only the address of the task on its link, and lets it reach itself', () => {
    const attachment: LocalAttachment = {
      taskId: 'a',
      index: 0,
      network: NETWORK,
      address: '10.0.1.11/24',
      gateway: '10.0.1.1',
    };
    const made = commands({ attachments: [attachment] });
    expect(made).toMatch(/add element ip tsswarm own \{ "t\w{10}" \. 10\.0\.1\.11 \}/u);
    expect(made).toContain('iifname "t*" iifname . ip saddr != @own drop');
    expect(made).toContain('hairpin { 10.0.1.11 . 10.0.1.11 : 10.0.1.1 }');
  });

  it('balances a virtual address over active tasks in a fixed order', () => {
    const endpoints = [
      endpoint('b', 'h2', '10.0.1.12'),
      endpoint('a', 'h1', '10.0.1.11'),
      { ...endpoint('c', 'h2', '10.0.1.13'), active: false },
    ];
    const random = commands({ endpoints, services: [web] });
    expect(random).toContain('add rule ip tsswarm r_2 meta mark set numgen random mod 2');
    expect(random).toContain('r_2 dnat to ip daddr . meta mark map @backends');
    expect(random).toContain(
      'backends { 10.0.1.2 . 0x00000000 : 10.0.1.11, 10.0.1.2 . 0x00000001 : 10.0.1.12 }',
    );
    const sticky = commands({ endpoints, services: [{ ...web, sticky: true }] });
    expect(sticky).toContain('h_2 meta mark set jhash ip saddr mod 2 seed 0x7357a11d');
  });

  it('rejects a virtual address without tasks, and endpoints that went away', () => {
    const made = commands({ services: [web], removed: ['10.0.1.40'] });
    expect(made).toContain('add element ip tsswarm dead { 10.0.1.40, 10.0.1.2 }');
    expect(made).not.toContain('goto r_');
  });

  it('finds the way back on ingress, through every host', () => {
    const ingress = { ...NETWORK, ingress: true };
    const made = commands({ network: ingress });
    expect(made).toContain('zone_of { 02:42:0a:63:00:02 : 2, 02:42:0a:63:01:2c : 300 }');
    expect(made).toContain('mark_of { 02:42:0a:63:00:02 : 0x00010002');
    expect(made).toContain('hook egress device "vx0"');
    expect(texts({ network: ingress })).toContain('rule pref 100 fwmark 0x10000/0x10000 lookup 77');
    expect(commands({})).not.toContain('zone');
  });

  it('does not track what only passes through on its way to another host', () => {
    const ingress = { ...NETWORK, ingress: true };
    const made = commands({ network: ingress, attachments: [LOCAL] });
    expect(made).toContain('add element ip tsswarm here { 10.0.1.13 }');
    expect(made).toContain('from_uplink ip daddr != @here notrack accept');
    expect(made).toContain('from_tunnel ip daddr != 10.0.1.0/24 notrack accept');
    expect(commands({})).not.toContain('@here');
  });

  it('makes routes only for endpoints that are new', () => {
    const sandbox = new Sandbox();
    const first = endpoint('a', 'h2', '10.0.1.11');
    const before = sandbox.state(input({ endpoints: [first] })).objects;
    const after = sandbox.state(
      input({ endpoints: [first, endpoint('b', 'h2', '10.0.1.12')] }),
    ).objects;
    const key = 'route 10.0.1.11/32 table 254';
    expect(after.get(key)).toBe(before.get(key));
    expect(after.size).toBe(before.size + 1);
  });

  it('comes to the same whichever way', () => {
    fc.assert(
      fc.property(fc.array(STEP, { minLength: 2, maxLength: 8 }), (steps) => {
        const sandbox = new Sandbox();
        for (const step of steps) {
          const made = sandbox.state(input(step));
          expect(plain(made)).toEqual(plain(new Sandbox().state(input(step))));
        }
      }),
    );
  });
});

const WEB: ServiceEndpointAssignment = {
  networkId: 'front',
  serviceId: 'web',
  name: 'web',
  aliases: [],
  mode: 'vip',
  vip: '10.0.1.2',
  ports: [],
  sticky: false,
};
const DB = { ...WEB, serviceId: 'db', name: 'db', vip: '10.0.1.3' };
/** Two versions of each: the same object is the same task. */
const POOL = ['10.0.1.11', '10.0.1.12', '10.0.1.13'].flatMap((address, i) => {
  const first = { ...endpoint(`t${i}`, 'h2', address), serviceId: i < 2 ? 'web' : 'db' };
  return [first, { ...first, active: i > 0, nodeId: i === 1 ? 'h300' : 'h2' }];
});
const LOCAL: LocalAttachment = {
  taskId: 'own',
  index: 0,
  network: NETWORK,
  address: '10.0.1.13/24',
  gateway: '10.0.1.1',
};
const STEP: fc.Arbitrary<Partial<SandboxInput>> = fc
  .record({
    which: fc.array(fc.option(fc.nat(1)), { minLength: 3, maxLength: 3 }),
    services: fc.subarray([WEB, DB]),
    attachments: fc.subarray([LOCAL]),
    hosts: fc.constantFrom(HOSTS, new Map([...HOSTS].slice(0, 2))),
    removed: fc.subarray(['10.0.1.99']),
  })
  .map(({ which, ...rest }) => ({
    ...rest,
    endpoints: which.flatMap((version, i) => {
      const found = version === null ? undefined : POOL[2 * i + version];
      return found === undefined ? [] : [found];
    }),
  }));

/** Without the order of things, which says nothing. */
function plain({ objects, tables }: NamespaceState): unknown {
  return {
    objects: Array.from(objects.values(), textOf).sort(),
    tables: tables.map(({ family, name, sets, chains }) => ({
      family,
      name,
      sets: Array.from(sets, ([set, { elements }]) => [set, new Map(elements)]),
      chains: new Map(chains),
    })),
  };
}
