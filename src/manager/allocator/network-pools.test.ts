import { describe, expect, it } from 'vitest';
import { parseSubnet, type Network, type NetworkSpec } from '../../model/index.ts';
import { ADDRESS_REST_MS, AddressPool } from './address-pool.ts';
import { FIRST_VNI, NetworkPools } from './network-pools.ts';

const CLUSTER = { id: 'c1', addressPools: ['10.0.0.0/8'], subnetSize: 24 };

function network(id: string, spec: Partial<NetworkSpec>): Network {
  const meta = { id, version: 1, createdAt: 0, updatedAt: 0 };
  const full = { Name: id, Driver: 'overlay', Labels: {}, ...spec } as NetworkSpec;
  return { ...meta, spec: full, subnets: [] } as Network;
}

/** The network with its subnets, known to the pools. */
function adopted(pools: NetworkPools, one: Network, vni: number): Network {
  const chosen = pools.chooseSubnets(one, CLUSTER);
  if ('error' in chosen) throw new Error(chosen.error);
  const made = { ...one, vni, subnets: chosen };
  pools.adopt(made);
  return made;
}

describe('NetworkPools', () => {
  it('gives IPv4 alone unless IPv6 is asked for', () => {
    const pools = new NetworkPools();
    adopted(pools, network('n1', {}), 1);
    expect(pools.take('n1', 0)).toEqual(['10.0.0.2/24']);
  });

  it('gives a unique local /64 that follows from the ids, and another where it is taken', () => {
    const subnets = ['n1', 'n2'].map(
      (id) => adopted(new NetworkPools(), network(id, { EnableIPv6: true }), 1).subnets[1]?.subnet,
    );
    expect(subnets[0]).toMatch(/^fd[0-9a-f:]+::\/64$/u);
    expect(subnets[0]?.slice(0, 14)).toBe(subnets[1]?.slice(0, 14));
    expect(subnets[0]).not.toBe(subnets[1]);
    const pools = new NetworkPools();
    const requested = [{ Subnet: subnets[0] ?? '' }];
    adopted(pools, network('taker', { EnableIPv6: true, IPAM: { Config: requested } }), 1);
    const next = adopted(pools, network('n1', { EnableIPv6: true }), 2);
    expect(next.subnets[1]?.subnet).not.toBe(subnets[0]);
  });

  it('gives an address of each family, and keeps what is kept', () => {
    const pools = new NetworkPools();
    const Config = [{ Subnet: 'FD01::/64', Gateway: 'FD01:0::9' }, { Subnet: '10.9.0.0/24' }];
    const { subnets } = adopted(pools, network('n1', { EnableIPv6: true, IPAM: { Config } }), 1);
    expect(subnets).toEqual([
      { subnet: '10.9.0.0/24', gateway: '10.9.0.1' },
      { subnet: 'fd01::/64', gateway: 'fd01::9' },
    ]);
    expect(pools.take('n1', 0)).toEqual(['10.9.0.2/24', 'fd01::a/64']);
    expect(pools.take('n1', 0, ['fd01::a/64'])).toEqual(['10.9.0.3/24', 'fd01::a/64']);
  });

  it('takes nothing when one family has nothing left', () => {
    const pools = new NetworkPools();
    const Config = [{ Subnet: '10.9.0.0/24' }, { Subnet: 'fd01::/126' }];
    adopted(pools, network('n1', { EnableIPv6: true, IPAM: { Config } }), 1);
    expect(pools.take('n1', 0)).toEqual(['10.9.0.2/24', 'fd01::2/126']);
    expect(pools.take('n1', 0)).toBeUndefined();
    pools.free('n1', 'fd01::2/126', 0);
    expect(pools.take('n1', ADDRESS_REST_MS - 1)).toBeUndefined();
    expect(pools.take('n1', ADDRESS_REST_MS)?.[1]).toBe('fd01::2/126');
  });

  // It was told again and again: the leader planned without a pause.
  it('tells no time that is over as the next at which an address is free', () => {
    const pools = new NetworkPools();
    const Config = [{ Subnet: '10.9.0.0/30' }, { Subnet: 'fd01::/64' }];
    adopted(pools, network('n1', { EnableIPv6: true, IPAM: { Config } }), 1);
    pools.take('n1', 0);
    pools.free('n1', 'fd01::2/64', 0);
    const now = 2 * ADDRESS_REST_MS;
    expect(pools.take('n1', now)).toBeUndefined();
    expect(pools.nextFreeAt('n1', now)).toBeUndefined();
    pools.free('n1', '10.9.0.2/30', now);
    expect(pools.nextFreeAt('n1', now)).toBe(now + ADDRESS_REST_MS);
  });
});

describe('the subnet of a network', () => {
  const sizes = (size: number, ...addressPools: readonly string[]) => ({
    ...CLUSTER,
    addressPools,
    subnetSize: size,
  });

  it('is of the cluster’s size, from one pool after the other', () => {
    const pools = new NetworkPools();
    const cluster = sizes(25, '10.1.0.0/24', '10.9.0.0/25');
    const given = ['a', 'b', 'c'].map((id, i) => {
      const chosen = pools.chooseSubnets(network(id, {}), cluster);
      if ('error' in chosen) throw new Error(chosen.error);
      pools.adopt({ ...network(id, {}), vni: i + 1, subnets: chosen });
      return chosen[0]?.subnet;
    });
    expect(given).toEqual(['10.1.0.0/25', '10.1.0.128/25', '10.9.0.0/25']);
    expect(pools.chooseSubnets(network('d', {}), cluster)).toEqual({
      error: 'no subnet of size /25 is left in 10.1.0.0/24, 10.9.0.0/25',
    });
  });

  it('is that of a network that is gone', () => {
    const pools = new NetworkPools();
    const gone = adopted(pools, network('n1', {}), 1);
    pools.forget(gone);
    expect(pools.has('n1')).toBe(false);
    expect(adopted(pools, network('n2', {}), 1).subnets).toEqual(gone.subnets);
  });

  it('comes from the pools that make sense', () => {
    const cluster = sizes(24, 'nonsense', 'fd00::/8', '10.3.0.0/16');
    expect(new NetworkPools().chooseSubnets(network('n1', {}), cluster)).toEqual([
      { subnet: '10.3.0.0/24', gateway: '10.3.0.1' },
    ]);
  });
});

describe('the VNI of a network', () => {
  it('is another one for each, and the one that it asks for', () => {
    const pools = new NetworkPools();
    adopted(pools, network('n1', {}), FIRST_VNI);
    expect(pools.takeVni()).toBe(FIRST_VNI + 1);
    expect(pools.takeVni(77)).toBe(77);
  });

  it('is not one that another has, until that is gone', () => {
    const pools = new NetworkPools();
    const first = adopted(pools, network('n1', {}), 77);
    expect(pools.takeVni(77)).toBeUndefined();
    pools.forget(first);
    expect(pools.takeVni(77)).toBe(77);
  });
});

describe('AddressPool', () => {
  it('knows addresses of a large subnet that it never gives out', () => {
    const pool = new AddressPool(parseSubnet('fd00::/64'), ['fd00::1']);
    pool.use('fd00::ffff:ffff:ffff:ffff');
    expect(pool.contains('fd00::ffff:ffff:ffff:ffff')).toBe(true);
    expect(pool.contains('10.0.0.1')).toBe(false);
    expect(pool.take(0)).toBe('fd00::2/64');
  });
});
