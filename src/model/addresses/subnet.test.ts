import { describe, expect, it } from 'vitest';
import { addressFamily, ipv6Number, ipv6Text } from './ip-address.ts';
import { parseSubnet, subnetContains, subnetText, subnetsOverlap } from './subnet.ts';

describe('IPv6 addresses', () => {
  it('have one text', () => {
    const texts: readonly [string, string][] = [
      ['FD00:0:0::1', 'fd00::1'],
      ['::', '::'],
      ['::1', '::1'],
      ['1::', '1::'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['::ffff:10.1.2.3', '::ffff:a01:203'],
    ];
    for (const [given, shown] of texts) {
      const value = ipv6Number(given);
      expect(value === undefined ? given : ipv6Text(value)).toBe(shown);
    }
  });

  it('are told from what is none', () => {
    const bad = ['', ':', ':::', '1:2', '1::2::3', 'fe80::1%eth0', '12345::', '1:2:3:4:5:6:7:8:9'];
    for (const text of [...bad, '10.0.0.1', '1:2:3:4:5:6:7::8', '1.2.3.4::', 'g::']) {
      expect([text, ipv6Number(text)]).toEqual([text, undefined]);
    }
    expect([addressFamily('10.0.0.1/8'), addressFamily('::1/64')]).toEqual([4, 6]);
  });
});

describe('parseSubnet', () => {
  it('takes both families and keeps them apart', () => {
    expect(subnetText(parseSubnet('FD00:0::/64'))).toBe('fd00::/64');
    const all4 = parseSubnet('0.0.0.0/0');
    const all6 = parseSubnet('::/0');
    expect([subnetsOverlap(all4, all6), subnetsOverlap(all6, parseSubnet('fd00::/64'))]).toEqual([
      false,
      true,
    ]);
    expect([subnetContains(all4, '::1'), subnetContains(all6, '::1')]).toEqual([false, true]);
  });

  it('says what is wrong', () => {
    expect(() => parseSubnet('fd00::1/64')).toThrow('did you mean fd00::/64?');
    expect(() => parseSubnet('10.0.1.4/24')).toThrow('did you mean 10.0.1.0/24?');
    for (const text of ['10.0.0.0/33', 'fd00::/129', '10.0.0.0', 'fd00::', '10.0.0.0/8/8']) {
      expect(() => parseSubnet(text)).toThrow('is not a subnet');
    }
  });
});
