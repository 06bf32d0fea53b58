// Virtual addresses of services: which chain a packet to one goes through, and how that chain spreads
// new connections over the service's tasks.
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../model/index.ts';
import { isIpv4, shortName } from './addressing.ts';
import { balance } from './balance.ts';
import type { NftChain } from './nft-ruleset.ts';

export interface VirtualAddresses {
  readonly targets: [string, string][];
  /** Virtual addresses without a backend. */
  readonly idle: string[];
  readonly chains: [string, NftChain][];
}

/** Chains and map elements of the virtual addresses of one network. */
export function virtualAddresses(
  services: readonly ServiceEndpointAssignment[],
  endpoints: readonly TaskEndpointAssignment[],
): VirtualAddresses {
  const backends = activeAddresses(endpoints);
  const result: VirtualAddresses = { targets: [], idle: [], chains: [] };
  for (const service of services) {
    if (service.vip === undefined || !isIpv4(service.vip)) continue;
    const addresses = backends.get(service.serviceId) ?? [];
    if (addresses.length === 0) {
      result.idle.push(service.vip);
      continue;
    }
    const chain = `s_${shortName(service.serviceId)}`;
    result.targets.push([service.vip, `goto ${chain}`]);
    result.chains.push([chain, { rules: [`dnat to ${balance(addresses, service.sticky)}`] }]);
  }
  return result;
}

/** Addresses that get new connections, by service, in an order that does not depend on arrival. */
export function activeAddresses(
  endpoints: readonly TaskEndpointAssignment[],
): Map<string, string[]> {
  const byService = new Map<string, string[]>();
  for (const { serviceId, active, addresses } of endpoints) {
    const address = addresses.find(isIpv4);
    if (!active || address === undefined) continue;
    const list = byService.get(serviceId);
    if (list) list.push(address);
    else byService.set(serviceId, [address]);
  }
  for (const list of byService.values()) list.sort();
  return byService;
}
