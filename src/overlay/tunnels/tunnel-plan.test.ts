// Keys and addresses of tunnels: what WireGuard is told, and who answered to a new key.
import { describe, expect, it } from 'vitest';
import type { HostAssignment } from '../../model/index.ts';
import { IPV4, IPV6 } from '../addressing/index.ts';
import { announcement, offer, switchOver, type KeyState } from './tunnel-keys.ts';
import { answeredKeys, silentHosts, tunnelConfig, tunnelPeers } from './tunnel-plan.ts';
import { tunnelRules } from './tunnel-rules.ts';

const pair = (name: string): { privateKey: string; publicKey: string } => ({
  privateKey: `private ${name}`,
  publicKey: `public ${name}`,
});
const host = (number: number, values: Partial<HostAssignment> = {}): HostAssignment => ({
  nodeId: `n${number}`,
  hostname: `h${number}`,
  number,
  address: `10.0.0.${number}`,
  encryption: { keys: [`k${number}a`, `k${number}b`], current: 0 },
  ...values,
});

describe('tunnelPeers', () => {
  it('has both keys of the others, each with an address of its own', () => {
    const { encryption: _none, ...plain } = host(4);
    const hosts = [host(1), host(258, { address: 'fd00::2' }), plain];
    expect(tunnelPeers(hosts, 'n1', 4789)).toEqual([
      { publicKey: 'k258a', endpoint: '[fd00::2]:4788', address: '198.18.1.2/32' },
      { publicKey: 'k258b', endpoint: '[fd00::2]:4787', address: '198.19.1.2/32' },
    ]);
  });
});

describe('tunnelConfig', () => {
  it('asks for an answer only while a key is new', () => {
    const peers = tunnelPeers([host(2)], 'n1', 4789);
    const config = { privateKey: 'p', port: 4788, peers };
    expect(
      tunnelConfig({ ...config, offered: false })
        .split('\n')
        .slice(0, 8),
    ).toEqual([
      '[Interface]',
      'PrivateKey = p',
      'ListenPort = 4788',
      '[Peer]',
      'PublicKey = k2a',
      'Endpoint = 10.0.0.2:4788',
      'AllowedIPs = 198.18.0.2/32',
      'PersistentKeepalive = 0',
    ]);
    expect(tunnelConfig({ ...config, offered: true })).toContain('PersistentKeepalive = 1');
  });
});

describe('a change of keys', () => {
  const first: KeyState = { pairs: [pair('a'), pair('b')], current: 0, usedSince: 0 };

  it('replaces the key that nobody uses, and uses it when it is known', () => {
    const offered = offer(first, pair('c'), 5);
    expect(announcement(offered)).toEqual({ keys: ['public a', 'public c'], current: 0 });
    const used = switchOver(offered, 9);
    expect(announcement(used)).toEqual({ keys: ['public a', 'public c'], current: 1 });
    expect(used.offeredSince).toBeUndefined();
    expect(announcement(offer(used, pair('d'), 12))).toEqual({
      keys: ['public d', 'public c'],
      current: 1,
    });
  });

  it('waits for hosts that have keys and have not answered since', () => {
    const { encryption: _none, ...plain } = host(4);
    const hosts = [host(1), host(2), host(3), plain];
    const answered = answeredKeys('k2b\t1700000010\nk3a\t1700000000\nk3b\t0\n', 1_700_000_005_000);
    expect(silentHosts(hosts, 'n1', answered).map(({ nodeId }) => nodeId)).toEqual(['n3']);
  });
});

describe('tunnelRules', () => {
  it('are none without an encrypted network', () => {
    expect(tunnelRules('ts', 4789, [], IPV4).input).toEqual([]);
  });

  it('tie packets of an encrypted network to tunnels, both ways and in both families', () => {
    for (const family of [IPV4, IPV6]) {
      const { input, chains } = tunnelRules('ts', 4789, [1048577], family);
      const packet = '"wgts*" udp dport 4789 @th,96,24 1048577 drop';
      expect(input).toContain(`iifname != ${packet}`);
      expect(chains[0]?.[1].rules).toEqual([`oifname != ${packet}`]);
    }
  });
});
