// Virtual addresses of services: which chain a packet to one goes through, and how that chain spreads
// new connections over the service's tasks.
import { LayeredMap } from '../base/index.ts';
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../model/index.ts';
import { shortName } from './addressing.ts';
import { balanceRules } from './balance.ts';
import { IPV4, type Family } from './family.ts';
import { listChanges } from './list-changes.ts';
import type { NftChain } from './nft-ruleset.ts';

export interface VirtualAddresses {
  /** Address → verdict. */
  readonly targets: LayeredMap<string>;
  /** Virtual addresses without a backend. */
  readonly idle: readonly string[];
  readonly chains: LayeredMap<NftChain>;
}

interface Group {
  readonly endpoints: Map<string, TaskEndpointAssignment>;
  service: ServiceEndpointAssignment | undefined;
  /** What the maps have of it now. */
  vip: string | undefined;
}

/** The virtual addresses of one network in one family; a change costs the services that it touches. */
export class VirtualAddressIndex {
  readonly #family: Family;
  readonly #groups = new Map<string, Group>();
  readonly #idle = new Set<string>();
  #services: readonly ServiceEndpointAssignment[] = [];
  #endpoints: readonly TaskEndpointAssignment[] = [];
  #made: VirtualAddresses = {
    targets: LayeredMap.of(new Map<string, string>()),
    idle: [],
    chains: LayeredMap.of(new Map<string, NftChain>()),
  };

  constructor(family: Family) {
    this.#family = family;
  }

  update(
    services: readonly ServiceEndpointAssignment[],
    endpoints: readonly TaskEndpointAssignment[],
  ): VirtualAddresses {
    if (this.#services === services && this.#endpoints === endpoints) return this.#made;
    const changed = this.#changed(services, endpoints);
    this.#services = services;
    this.#endpoints = endpoints;
    const targets: [string, string][] = [];
    const chains: [string, NftChain][] = [];
    const [noTargets, noChains]: [string[], string[]] = [[], []];
    for (const serviceId of changed) {
      const group = this.#groups.get(serviceId);
      if (group === undefined) continue;
      const chain = `s_${shortName(serviceId)}`;
      if (group.vip !== undefined) {
        this.#idle.delete(group.vip);
        noTargets.push(group.vip);
      }
      noChains.push(chain);
      const vip = this.#family === IPV4 ? group.service?.vip : group.service?.vip6;
      group.vip = vip;
      if (group.service === undefined && group.endpoints.size === 0) {
        this.#groups.delete(serviceId);
      }
      if (vip === undefined || group.service === undefined) continue;
      const { sticky } = group.service;
      const addresses = activeAddresses(group.endpoints.values(), this.#family).get(serviceId);
      if (addresses === undefined) {
        this.#idle.add(vip);
        continue;
      }
      targets.push([vip, `goto ${chain}`]);
      chains.push([chain, { rules: spread(addresses, sticky, this.#family) }]);
    }
    this.#made = {
      targets: this.#made.targets.with(targets, noTargets),
      idle: [...this.#idle],
      chains: this.#made.chains.with(chains, noChains),
    };
    return this.#made;
  }

  #changed(
    services: readonly ServiceEndpointAssignment[],
    endpoints: readonly TaskEndpointAssignment[],
  ): Set<string> {
    const changed = new Set<string>();
    const group = (serviceId: string): Group => {
      changed.add(serviceId);
      const known = this.#groups.get(serviceId);
      if (known !== undefined) return known;
      const made: Group = { endpoints: new Map(), service: undefined, vip: undefined };
      this.#groups.set(serviceId, made);
      return made;
    };
    const other = listChanges(this.#services, services);
    for (const { serviceId } of other.gone) group(serviceId).service = undefined;
    for (const service of other.come) group(service.serviceId).service = service;
    const { gone, come } = listChanges(this.#endpoints, endpoints);
    for (const { serviceId, taskId } of gone) group(serviceId).endpoints.delete(taskId);
    for (const endpoint of come) {
      group(endpoint.serviceId).endpoints.set(endpoint.taskId, endpoint);
    }
    return changed;
  }
}

function spread(addresses: readonly string[], sticky: boolean, { word }: Family): string[] {
  return balanceRules(
    { addresses, sticky, word },
    (condition, target) => `${condition}dnat to ${target}`,
  );
}

/** Addresses that get new connections, by service, in an order that does not depend on arrival. */
export function activeAddresses(
  endpoints: Iterable<TaskEndpointAssignment>,
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
