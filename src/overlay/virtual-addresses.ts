// Virtual addresses of services: which chain a packet to one goes through, and how that chain spreads
// new connections over the service's tasks.
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../model/index.ts';
import { shortName } from './addressing.ts';
import { balance, balanceRules } from './balance.ts';
import { IPV4, type Family } from './family.ts';
import type { NftChain } from './nft-ruleset.ts';

export interface VirtualAddresses {
  readonly targets: [string, string][];
  /** Virtual addresses without a backend. */
  readonly idle: string[];
  readonly chains: [string, NftChain][];
}

/** Chains and map elements of the virtual addresses of one network in one family. */
export function virtualAddresses(
  services: readonly ServiceEndpointAssignment[],
  endpoints: readonly TaskEndpointAssignment[],
  family: Family,
): VirtualAddresses {
  const backends = activeAddresses(endpoints, family);
  const result: VirtualAddresses = { targets: [], idle: [], chains: [] };
  for (const service of services) {
    const vip = family === IPV4 ? service.vip : service.vip6;
    if (vip === undefined) continue;
    const addresses = backends.get(service.serviceId) ?? [];
    if (addresses.length === 0) {
      result.idle.push(vip);
      continue;
    }
    const chain = `s_${shortName(service.serviceId)}`;
    result.targets.push([vip, `goto ${chain}`]);
    const rules = balanceRules(
      addresses,
      (some) => `dnat to ${balance(some, service.sticky, family.word)}`,
    );
    result.chains.push([chain, { rules }]);
  }
  return result;
}

/** Addresses that get new connections, by service, in an order that does not depend on arrival. */
export function activeAddresses(
  endpoints: readonly TaskEndpointAssignment[],
  family: Family,
): Map<string, string[]> {
  const byService = new Map<string, string[]>();
  for (const { serviceId, active, addresses } of endpoints) {
    const address = addresses.find(family.is);
    if (!active || address === undefined) continue;
    const list = byService.get(serviceId);
    if (list) list.push(address);
    else byService.set(serviceId, [address]);
  }
  for (const list of byService.values()) list.sort();
  return byService;
}
