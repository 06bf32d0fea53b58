import { describe, expect, it } from 'vitest';
import { repairTable, sameListing } from './listing-repair.ts';
import { nftMap, nftSet, type NftTable } from './nft-ruleset.ts';

const WANTED: NftTable = {
  family: 'ip',
  name: 'tsswarm',
  sets: new Map([
    ['dead', nftSet('type ipv4_addr;', ['10.0.0.5', '10.0.0.6'])],
    ['vips', nftMap('type ipv4_addr : verdict;', [['10.0.0.2', 'goto s_web']])],
  ]),
  chains: new Map([
    ['vip', { hook: 'type nat hook prerouting priority dstnat;', rules: ['ip daddr vmap @vips'] }],
    ['s_web', { rules: ['dnat to 10.0.0.9'] }],
  ]),
};

const part = (text: string): string => `\t${text.split('\n').join('\n\t')}\n`;
const table = (...parts: string[]): string =>
  `table ip tsswarm {\n${parts.map(part).join('\n')}}\n`;

const DEAD = 'set dead {\n\ttype ipv4_addr\n\telements = { 10.0.0.5, 10.0.0.6 }\n}';
const VIPS = 'map vips {\n\ttype ipv4_addr : verdict\n\telements = { 10.0.0.2 : goto s_web }\n}';
const HOOK = 'type nat hook prerouting priority dstnat; policy accept;';
const VIP = `chain vip {\n\t${HOOK}\n\tip daddr vmap @vips\n}`;
const WEB = 'chain s_web {\n\tdnat to 10.0.0.9\n}';
const EXPECTED = table(DEAD, VIPS, VIP, WEB);

const repair = (...parts: string[]): string => repairTable(WANTED, EXPECTED, table(...parts));

describe('sameListing', () => {
  it('does not mind in which order parts and elements were made', () => {
    const mixed = DEAD.replace('10.0.0.5, 10.0.0.6', '10.0.0.6,\n\t\t     10.0.0.5');
    expect(sameListing(EXPECTED, table(VIPS, mixed, WEB, VIP))).toBe(true);
  });

  it('sees what is missing, too much, or another', () => {
    expect(sameListing(EXPECTED, table(DEAD, VIPS, VIP))).toBe(false);
    expect(sameListing(EXPECTED, table(DEAD, VIPS, VIP, WEB, 'chain x {\n}'))).toBe(false);
    expect(sameListing(EXPECTED, table(DEAD.replace('.5', '.7'), VIPS, VIP, WEB))).toBe(false);
    expect(sameListing(EXPECTED, 'something else')).toBe(false);
  });
});

describe('repairTable', () => {
  it('does nothing where nothing differs', () => {
    expect(repair(WEB, VIP, VIPS, DEAD)).toBe('');
  });

  it('changes elements and rules in place', () => {
    const vips = VIPS.replace(
      '10.0.0.2 : goto s_web',
      '10.0.0.3 : drop,\n\t\t     10.0.0.2 : drop',
    );
    expect(repair(DEAD.replace('10.0.0.5, ', ''), vips, VIP, WEB.replace('.9', '.8'))).toBe(
      [
        'add element ip tsswarm dead { 10.0.0.5 }',
        'delete element ip tsswarm vips { 10.0.0.3, 10.0.0.2 }',
        'add element ip tsswarm vips { 10.0.0.2 : goto s_web }',
        'flush chain ip tsswarm s_web',
        'add rule ip tsswarm s_web dnat to 10.0.0.9',
        '',
      ].join('\n'),
    );
  });

  it('makes what is missing, chains before the elements that lead to them, and removes the rest', () => {
    expect(repair(VIP.replace('ip daddr', 'ip saddr'), 'chain alien {\n\taccept\n}')).toBe(
      [
        'add chain ip tsswarm s_web',
        'add set ip tsswarm dead { type ipv4_addr; }',
        'add map ip tsswarm vips { type ipv4_addr : verdict; }',
        'add element ip tsswarm dead { 10.0.0.5, 10.0.0.6 }',
        'add element ip tsswarm vips { 10.0.0.2 : goto s_web }',
        'flush chain ip tsswarm vip',
        'add rule ip tsswarm vip ip daddr vmap @vips',
        'add rule ip tsswarm s_web dnat to 10.0.0.9',
        'flush chain ip tsswarm alien',
        'delete chain ip tsswarm alien',
        '',
      ].join('\n'),
    );
  });

  it('replaces what can’t be changed in place', () => {
    const ipv6 = DEAD.replace('type ipv4_addr', 'type ipv6_addr');
    expect(repair(ipv6, VIPS, VIP, WEB)).toContain('delete table ip tsswarm');
    expect(repair(DEAD, VIPS, VIP.replace('dstnat', 'raw'), WEB)).toContain('delete table');
    expect(repairTable(WANTED, EXPECTED, 'torn {')).toContain('delete table ip tsswarm');
  });
});
