// Virtual addresses of services: how new connections to one are spread over the service's tasks. A
// connection draws a number below the count of backends; address and number together give the backend.
// Rules are there once for each count, so that a change of backends changes elements of maps alone:
// nftables looks at all rules of a table that gets a new one.
import { LayeredMap } from '../../base/index.ts';
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../../model/index.ts';
import { drawing } from './balance.ts';
import { IPV4, type Family } from '../addressing/index.ts';
import { listChanges } from './list-changes.ts';
import type { NftChain } from '../nft/index.ts';

export interface VirtualAddresses {
  /** Address → verdict. */
  readonly targets: LayeredMap<string>;
  /** Address and number that was drawn, `A . MARK` → backend. */
  readonly backends: LayeredMap<string>;
  /** Virtual addresses without a backend. */
  readonly idle: readonly string[];
  readonly chains: LayeredMap<NftChain>;
}

interface Group {
  readonly endpoints: Map<string, TaskEndpointAssignment>;
  service: ServiceEndpointAssignment | undefined;
  /** What the maps have of it now. */
  vip: string | undefined;
  chain: string | undefined;
  backends: readonly string[];
}

/** What one update sets and removes; what is in both is set. */
interface Changes {
  readonly targets: [string, string][];
  readonly noTargets: string[];
  readonly backends: [string, string][];
  readonly noBackends: string[];
}

/** The virtual addresses of one network in one family; a change costs the services that it touches. */
export class VirtualAddressIndex {
  readonly #family: Family;
  readonly #groups = new Map<string, Group>();
  readonly #idle = new Set<string>();
  /** How many virtual addresses lead to a chain. */
  readonly #users = new Map<string, number>();
  #services: readonly ServiceEndpointAssignment[] = [];
  #endpoints: readonly TaskEndpointAssignment[] = [];
  #made: VirtualAddresses = {
    targets: LayeredMap.of(new Map<string, string>()),
    backends: LayeredMap.of(new Map<string, string>()),
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
    const changes: Changes = { targets: [], noTargets: [], backends: [], noBackends: [] };
    const chains = new Map<string, NftChain>();
    for (const serviceId of changed) {
      const group = this.#groups.get(serviceId);
      if (group === undefined) continue;
      this.#takeOut(group, changes);
      if (group.service !== undefined) this.#put(serviceId, group, group.service, changes, chains);
      else if (group.endpoints.size === 0) this.#groups.delete(serviceId);
    }
    const unused = [...this.#users].flatMap(([chain, users]) => (users === 0 ? [chain] : []));
    for (const chain of unused) this.#users.delete(chain);
    const used = [...chains].filter(([chain]) => this.#users.has(chain));
    const { targets, noTargets, backends, noBackends } = changes;
    this.#made = {
      targets: this.#made.targets.with(targets, noTargets),
      backends: this.#made.backends.with(backends, noBackends),
      idle: [...this.#idle],
      chains: this.#made.chains.with(used, unused),
    };
    return this.#made;
  }

  #takeOut(group: Group, { noTargets, noBackends }: Changes): void {
    const { vip, chain, backends } = group;
    if (vip !== undefined) {
      this.#idle.delete(vip);
      noTargets.push(vip);
      noBackends.push(...backends.map((_backend, number) => backendKey(vip, number)));
    }
    if (chain !== undefined) this.#users.set(chain, (this.#users.get(chain) ?? 1) - 1);
    Object.assign(group, { vip: undefined, chain: undefined, backends: [] });
  }

  #put(
    serviceId: string,
    group: Group,
    { vip: vip4, vip6, sticky }: ServiceEndpointAssignment,
    { targets, backends }: Changes,
    chains: Map<string, NftChain>,
  ): void {
    const vip = this.#family === IPV4 ? vip4 : vip6;
    if (vip === undefined) return;
    group.vip = vip;
    const addresses = activeAddresses(group.endpoints.values(), this.#family).get(serviceId);
    if (addresses === undefined) {
      this.#idle.add(vip);
      return;
    }
    const count = addresses.length;
    const chain = `${sticky ? 'h' : 'r'}_${count}`;
    Object.assign(group, { chain, backends: addresses });
    this.#users.set(chain, (this.#users.get(chain) ?? 0) + 1);
    chains.set(chain, spread(count, sticky, this.#family));
    targets.push([vip, `goto ${chain}`]);
    for (const [number, address] of addresses.entries()) {
      backends.push([backendKey(vip, number), address]);
    }
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
      const made: Group = {
        endpoints: new Map(),
        service: undefined,
        vip: undefined,
        chain: undefined,
        backends: [],
      };
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

/** For all virtual addresses with so many backends. The packet's mark carries the number. */
function spread(count: number, sticky: boolean, { word }: Family): NftChain {
  const number = count === 1 ? '0' : drawing(count, sticky, word);
  return {
    rules: [`meta mark set ${number}`, `dnat to ${word} daddr . meta mark map @backends`],
  };
}

/** In nftables' own words, as a listing has it. */
function backendKey(vip: string, number: number): string {
  return `${vip} . 0x${number.toString(16).padStart(8, '0')}`;
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
