// The nftables tables of a sandbox, once per family: virtual IPs, source addresses, dead ends, and the
// way back of replies through the host that a request came in by (docs/design/overlay.md).
import type { HostAssignment } from '../../model/index.ts';
import { PROBE_MARK, type OverlayNetwork } from '../kernel/index.ts';
import {
  UPLINK_ZONE,
  WAY_BACK_FLAG,
  WAY_BACK_MAC,
  subnetOf,
  tunnelMac,
  type Family,
} from '../addressing/index.ts';
import { nftMap, nftSet, type NftChain, type NftSet, type NftTable } from '../nft/index.ts';
import type { OwnAddresses } from './own-addresses.ts';
import type { VirtualAddresses } from './virtual-addresses.ts';

/** Name of our tables in namespaces that are ours alone. */
export const TABLE = 'tsswarm';

export interface SandboxRulesInput {
  readonly network: OverlayNetwork;
  /** Addresses of endpoints that went away a short while ago: answered with a reset. */
  readonly removed: readonly string[];
}

/** Published ports exist only on ingress, so only there replies must find another host. */
export function needsWayBack(network: OverlayNetwork): boolean {
  return network.ingress && network.vxlan !== undefined;
}

/** Segments that only make clients answer are no connections. For output, in raw. */
export const UNTRACKED_PROBES = `meta mark ${hex(PROBE_MARK)} notrack`;

/** All rules of one family. */
export function sandboxTable(
  { network, removed }: SandboxRulesInput,
  peers: readonly HostAssignment[],
  own: OwnAddresses,
  vips: VirtualAddresses,
  family: Family,
): NftTable {
  const { word, type } = family;
  const wayBack = needsWayBack(network);
  const sets = new Map<string, NftSet>([
    ['own', { declaration: `type ifname . ${type};`, map: false, elements: own.links }],
    [
      'hairpin',
      { declaration: `type ${type} . ${type} : ${type};`, map: true, elements: own.hairpins },
    ],
    ['vips', { declaration: `type ${type} : verdict;`, map: true, elements: vips.targets }],
    [
      'backends',
      { declaration: `type ${type} . mark : ${type};`, map: true, elements: vips.backends },
    ],
    ['dead', nftSet(`type ${type};`, [...removed.filter(family.is), ...vips.idle])],
  ]);
  if (wayBack) {
    sets.set('here', { declaration: `type ${type};`, map: false, elements: own.addresses });
    const zones = peers.map(({ number }): [string, string] => [tunnelMac(number), String(number)]);
    const marks = peers.map(({ number }): [string, string] => [tunnelMac(number), mark(number)]);
    sets.set('zone_of', nftMap('typeof ether saddr : ct zone;', zones));
    sets.set('mark_of', nftMap('type ether_addr : mark;', marks));
  }
  const chains = vips.chains.with(baseChains(wayBack ? network : undefined, family));
  return { family: word, name: TABLE, sets, chains };
}

/** Every packet passes all of them: the fewer they are, and the sooner a rule is done, the better. */
function baseChains(wayBack: OverlayNetwork | undefined, family: Family): [string, NftChain][] {
  const { word, icmp } = family;
  const subnet = wayBack && subnetOf(wayBack, family)?.subnet;
  const mesh = subnet === undefined ? NO_MESH : meshRules(subnet, family);
  const base = (hook: string, rules: readonly string[]): NftChain => ({
    hook: `type ${hook};`,
    rules,
  });
  const noForgedSource = `iifname "t*" iifname . ${word} saddr != @own drop`;
  const toItself = `ct status dnat snat to ${word} saddr . ${word} daddr map @hairpin`;
  return [
    [
      'refused',
      {
        rules: [
          'meta l4proto tcp reject with tcp reset',
          `reject with ${icmp} type port-unreachable`,
        ],
      },
    ],
    ...mesh.chains,
    ['probes', base('filter hook output priority raw', [UNTRACKED_PROBES])],
    ['raw', base('filter hook prerouting priority raw', [...mesh.raw, noForgedSource])],
    ['vip', base('nat hook prerouting priority dstnat', [`${word} daddr vmap @vips`])],
    [
      'translated',
      base('filter hook prerouting priority filter', [
        `${word} daddr @dead goto refused`,
        ...mesh.translated,
      ]),
    ],
    ['hairpin_out', base('nat hook postrouting priority srcnat', [toItself])],
  ];
}

interface MeshRules {
  readonly chains: readonly [string, NftChain][];
  readonly raw: readonly string[];
  readonly translated: readonly string[];
}

/** Other hosts' tasks have no way out here. */
const NO_MESH: MeshRules = {
  chains: [
    [
      'forward',
      {
        hook: 'type filter hook forward priority filter;',
        rules: ['iifname "vx0" oifname "up0" ct state new drop'],
      },
    ],
  ],
  raw: [],
  translated: [],
};

/** The way back. What only passes through is tracked by the host itself, which drops what is no reply. */
function meshRules(subnet: string, { word }: Family): MeshRules {
  const isOthers = `ct mark & ${hex(WAY_BACK_FLAG)} == ${hex(WAY_BACK_FLAG)}`;
  return {
    chains: [
      [
        'from_tunnel',
        {
          rules: [
            `${word} daddr != ${subnet} notrack accept`,
            'ct original zone set ether saddr map @zone_of',
          ],
        },
      ],
      [
        'from_uplink',
        {
          rules: [`${word} daddr != @here notrack accept`, `ct original zone set ${UPLINK_ZONE}`],
        },
      ],
    ],
    raw: ['iifname "vx0" goto from_tunnel', 'iifname "up0" goto from_uplink'],
    translated: [
      `ct state new iifname "vx0" ${word} saddr != ${subnet} ct mark set ether saddr map @mark_of`,
      `ct direction reply ${isOthers} iifname != "vx0" meta mark set ct mark`,
    ],
  };
}

/** Sends replies to the host whose number their mark has, whatever their family. */
export function egressTable(peers: readonly HostAssignment[]): NftTable {
  const elements = peers.map(({ number }): [string, string] => [mark(number), tunnelMac(number)]);
  return {
    family: 'netdev',
    name: TABLE,
    sets: new Map([['mac_of', nftMap('type mark : ether_addr;', elements)]]),
    chains: new Map([
      [
        'out',
        {
          hook: 'type filter hook egress device "vx0" priority 0;',
          rules: [`ether daddr ${WAY_BACK_MAC} ether daddr set meta mark map @mac_of`],
        },
      ],
    ]),
  };
}

/** Mark of connections that came in through this host. */
function mark(hostNumber: number): string {
  return hex(WAY_BACK_FLAG | hostNumber);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
