import { describe, expect, it } from 'vitest';
import { chooseBridgeAddress, chooseBridgeSubnet } from './bridge-network.ts';

describe('chooseBridgeSubnet', () => {
  it('avoids every route of the host', () => {
    const pool = ['172.18.0.0/16', '172.19.0.0/16'];
    expect(chooseBridgeSubnet(pool, ['10.0.0.0/8'])).toBe('172.18.0.0/16');
    expect(chooseBridgeSubnet(pool, ['172.18.5.0/24'])).toBe('172.19.0.0/16');
    expect(() => chooseBridgeSubnet(pool, ['172.16.0.0/12'])).toThrow('no subnet');
  });
});

describe('chooseBridgeAddress', () => {
  const subnet = '192.168.7.0/29';

  it('goes on behind the last one, so that a freed address rests', () => {
    expect(chooseBridgeAddress(subnet, new Set(), undefined)).toBe('192.168.7.2/29');
    expect(chooseBridgeAddress(subnet, new Set(), '192.168.7.2/29')).toBe('192.168.7.3/29');
    expect(chooseBridgeAddress(subnet, new Set(), '192.168.7.6/29')).toBe('192.168.7.2/29');
  });

  it('gives every address but those of network, gateway and broadcast, then none', () => {
    const used = new Set<string>();
    let last: string | undefined;
    for (let i = 0; i < 5; i++) {
      last = chooseBridgeAddress(subnet, used, last);
      used.add(last);
    }
    expect([...used].map((address) => address.split('/')[0])).toEqual([
      '192.168.7.2',
      '192.168.7.3',
      '192.168.7.4',
      '192.168.7.5',
      '192.168.7.6',
    ]);
    expect(() => chooseBridgeAddress(subnet, used, last)).toThrow('no free address');
  });
});
