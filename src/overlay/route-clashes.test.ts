// Which routes of a host are in the way of a network.
import { describe, expect, it } from 'vitest';
import { clashOf } from './route-clashes.ts';

const network = { name: 'app', subnets: [{ subnet: '10.0.1.0/24' }, { subnet: 'fd01::/64' }] };
const route = (destination: string, routed = false): Parameters<typeof clashOf>[1] => [
  { destination, device: 'eth0', ...(routed ? { routed } : {}) },
];

describe('clashOf', () => {
  it('names what overlaps, be it wider or narrower, in both families', () => {
    for (const other of ['10.0.0.0/16', '10.0.1.0/24', '10.0.1.128/25', 'fd01::/48']) {
      expect(clashOf(network, route(other))).toContain(`overlaps ${other} on eth0`);
    }
    expect(clashOf(network, route('10.0.2.0/24'))).toBeUndefined();
  });

  it('lets a wide route by a router be, but not one as narrow as the network', () => {
    expect(clashOf(network, route('10.0.0.0/8', true))).toBeUndefined();
    expect(clashOf(network, route('10.0.1.0/24', true))).toContain('overlaps');
  });
});
