// Docker's names of one network: services, tasks, aliases and container names, from the endpoints
// that get new connections.
import { isIpv4 } from './addressing.ts';
import type { NetworkView } from './network-views.ts';
import type { NetworkNames } from './resolver-protocol.ts';

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
  for (const endpoint of endpoints) {
    const address = endpoint.addresses.find(isIpv4);
    if (!endpoint.active || address === undefined) continue;
    const list = tasksOf.get(endpoint.serviceId);
    if (list) list.push(address);
    else tasksOf.set(endpoint.serviceId, [address]);
    for (const name of [endpoint.name, ...endpoint.aliases]) add(name, address);
    reverse[address] = `${endpoint.name}.${network.name}`;
  }
  for (const service of services) {
    const tasks = tasksOf.get(service.serviceId) ?? [];
    const { vip } = service;
    const own = service.mode === 'vip' && vip !== undefined ? [vip] : tasks;
    for (const name of [service.name, ...service.aliases]) {
      // A service's name leads to its virtual address alone, also where a task has it as an alias.
      if (vip !== undefined) names.delete(name.toLowerCase());
      for (const address of own) add(name, address);
      for (const address of tasks) add(`tasks.${name}`, address);
    }
    if (vip !== undefined) reverse[vip] = `${service.name}.${network.name}`;
  }
  return {
    name: network.name,
    names: Object.fromEntries(Array.from(names, ([name, set]) => [name, [...set].sort()])),
    reverse,
  };
}
