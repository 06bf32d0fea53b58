import { describe, expect, it } from 'vitest';
import {
  createTable,
  diffTable,
  nftMap,
  nftSet,
  type NftChain,
  type NftTable,
} from './nft-ruleset.ts';

interface Parts {
  readonly dead?: readonly string[];
  readonly vips?: readonly [string, string][];
  readonly services?: Readonly<Record<string, string>>;
  readonly hook?: string;
}

function table({ dead = [], vips = [], services = {}, hook = 'prerouting' }: Parts): NftTable {
  return {
    family: 'ip',
    name: 'x',
    sets: new Map([
      ['dead', nftSet('type ipv4_addr;', dead)],
      ['vips', nftMap('type ipv4_addr : verdict;', vips)],
    ]),
    chains: new Map<string, NftChain>([
      ['in', { hook: `type nat hook ${hook} priority dstnat;`, rules: ['ip daddr vmap @vips'] }],
      ...Object.entries(services).map(([name, target]): [string, NftChain] => [
        name,
        { rules: [`dnat to ${target}`] },
      ]),
    ]),
  };
}

describe('createTable', () => {
  it('names chains before the elements that lead to them, rules last', () => {
    const whole = table({ vips: [['10.0.1.2', 'goto s1']], services: { s1: '10.0.1.11' } });
    expect(createTable(whole).split('\n')).toEqual([
      'add table ip x',
      'add chain ip x in { type nat hook prerouting priority dstnat; }',
      'add chain ip x s1',
      'add set ip x dead { type ipv4_addr; }',
      'add map ip x vips { type ipv4_addr : verdict; }',
      'add element ip x vips { 10.0.1.2 : goto s1 }',
      'add rule ip x in ip daddr vmap @vips',
      'add rule ip x s1 dnat to 10.0.1.11',
      '',
    ]);
  });
});

describe('diffTable', () => {
  const one = table({ vips: [['10.0.1.2', 'goto s1']], services: { s1: '10.0.1.11' } });

  it('is empty for equal tables', () => {
    expect(
      diffTable(one, table({ vips: [['10.0.1.2', 'goto s1']], services: { s1: '10.0.1.11' } })),
    ).toBe('');
  });

  it('sends one element for one element', () => {
    expect(diffTable(table({ dead: ['10.0.1.5'] }), table({ dead: ['10.0.1.6'] }))).toBe(
      'delete element ip x dead { 10.0.1.5 }\nadd element ip x dead { 10.0.1.6 }\n',
    );
  });

  it('changes only the chain whose service changed', () => {
    const after = table({ vips: [['10.0.1.2', 'goto s1']], services: { s1: '10.0.1.12' } });
    expect(diffTable(one, after)).toBe('flush chain ip x s1\nadd rule ip x s1 dnat to 10.0.1.12\n');
  });

  it('takes a service out of the map before its chain goes', () => {
    expect(diffTable(one, table({})).split('\n')).toEqual([
      'delete element ip x vips { 10.0.1.2 }',
      'flush chain ip x s1',
      'delete chain ip x s1',
      '',
    ]);
  });

  it('makes a chain before the map leads to it', () => {
    expect(diffTable(table({}), one).split('\n')).toEqual([
      'add chain ip x s1',
      'add element ip x vips { 10.0.1.2 : goto s1 }',
      'add rule ip x s1 dnat to 10.0.1.11',
      '',
    ]);
  });

  it('replaces the table in one transaction when a hook changes', () => {
    const lines = diffTable(one, table({ hook: 'output' })).split('\n');
    expect(lines.slice(0, 3)).toEqual(['add table ip x', 'delete table ip x', 'add table ip x']);
  });
});

describe('what is no address', () => {
  const injection = 'fd00::9 }\nadd table ip y\nadd chain ip y z { ';

  it('never becomes part of a command', () => {
    for (const bad of [injection, '10.0.0.1, 10.0.0.2', '10.0.0.1;', '$x', '{ 10.0.0.1 }', '']) {
      expect(() => createTable(table({ dead: [bad] }))).toThrow('is no element');
      expect(() => diffTable(table({ dead: [bad] }), table({}))).toThrow('is no element');
      expect(() => createTable(table({ vips: [['10.0.1.2', `goto ${bad};x`]] }))).toThrow(
        'is no element',
      );
    }
    for (const bad of [injection, '10.0.0.1; add table ip y', '10.0.0.1 # x', '$x', 'a\\']) {
      expect(() => createTable(table({ services: { s1: bad } }))).toThrow('is no rule');
    }
  });
});
