// Docker's names of one network: services, tasks, aliases and container names, from the endpoints
// that get new connections.
import { isIpv4 } from './addressing.ts';
import { hasIpv6 } from './family.ts';
import type { NetworkView } from './network-views.ts';
import type { NetworkNames } from './resolver-protocol.ts';
import { serviceRecords } from './service-records.ts';

/** Names are compared in small letters. */
export function networkNames({ network, endpoints, services }: NetworkView): NetworkNames {
  const names = new Map<string, Set<string>>();
  const reverse: Record<string, string> = {};
  const add = (name: string, address: string): void => {
    const key = name.toLowerCase();
    const addresses = names.get(key);
    if (addresses) addresses.add(address);
    else names.set(key, new Set([address]));
  };
  const tasksOf = new Map<string, string[]>();
  // A host without IPv6 has no subnet of it, whatever the managers gave to tasks.
  const usable = (address: string): boolean => isIpv4(address) || hasIpv6(network);
  for (const endpoint of endpoints) {
    if (!endpoint.active) continue;
    for (const address of endpoint.addresses.filter(usable)) {
      const list = tasksOf.get(endpoint.serviceId);
      if (list) list.push(address);
      else tasksOf.set(endpoint.serviceId, [address]);
      for (const name of [endpoint.name, ...endpoint.aliases]) add(name, address);
      reverse[address] = `${endpoint.name}.${network.name}`;
    }
  }
  for (const service of services) {
    const tasks = tasksOf.get(service.serviceId) ?? [];
    const vips = [service.vip ?? [], service.vip6 ?? []].flat().filter(usable);
    const own = service.mode === 'vip' && vips.length > 0 ? vips : tasks;
    for (const name of [service.name, ...service.aliases]) {
      // A service's name leads to its virtual address alone, also where a task has it as an alias.
      if (vips.length > 0) names.delete(name.toLowerCase());
      for (const address of own) add(name, address);
      for (const address of tasks) add(`tasks.${name}`, address);
    }
    for (const vip of vips) reverse[vip] = `${service.name}.${network.name}`;
  }
  return {
    name: network.name,
    names: Object.fromEntries(Array.from(names, ([name, set]) => [name, [...set].sort()])),
    reverse,
    services: serviceRecords(services, endpoints),
  };
}
