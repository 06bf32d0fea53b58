// Rules of the host's table for encrypted networks: their packets come in through a tunnel or not at
// all, go out through one or not at all, and a tunnel carries nothing else.
import type { Family } from '../addressing/index.ts';
import type { NftChain } from '../nft/index.ts';
import { tunnelPattern } from './tunnel-plan.ts';

export interface TunnelRules {
  readonly forward: readonly string[];
  readonly input: readonly string[];
  /** In front of a rule: for packets that came through no tunnel. */
  readonly elsewhere: string;
  readonly chains: readonly [string, NftChain][];
}

const NONE: TunnelRules = { forward: [], input: [], elsewhere: '', chains: [] };

/** None while no network of this host is encrypted. */
export function tunnelRules(
  instance: string,
  dataPathPort: number,
  vnis: readonly number[],
  { word }: Family,
): TunnelRules {
  if (vnis.length === 0) return NONE;
  const tunnels = `"${tunnelPattern(instance)}"`;
  const packets = vnis.map((vni) => `udp dport ${dataPathPort} @th,96,24 ${vni}`);
  const outside = packets.map((packet) => `oifname != ${tunnels} ${packet} drop`);
  const inside = packets.map((packet) => `iifname != ${tunnels} ${packet} drop`);
  // Tunnels have IPv4 addresses alone.
  const nothingElse =
    word === 'ip'
      ? [
          `iifname ${tunnels} meta l4proto != { udp, icmp } drop`,
          `iifname ${tunnels} udp dport != ${dataPathPort} drop`,
        ]
      : [`iifname ${tunnels} drop`];
  return {
    forward: [`iifname ${tunnels} drop`, `oifname ${tunnels} drop`],
    input: [...nothingElse, ...inside],
    elsewhere: `iifname != ${tunnels} `,
    chains: [['secured', { hook: 'type filter hook output priority filter;', rules: outside }]],
  };
}
