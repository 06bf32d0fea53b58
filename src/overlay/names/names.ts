// Docker's names of one network: services, tasks, aliases and container names, from the endpoints
// that get new connections. One service at a time; names-index.ts puts them together.
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../../model/index.ts';
import type { ServiceRecord } from '../../resolver/protocol/index.ts';
import { serviceRecords } from './service-records.ts';

/** What one service and its tasks bring to a network's names; keys are in small letters. */
export interface Contribution {
  /** Names and aliases of tasks → their addresses. */
  readonly tasks: ReadonlyMap<string, readonly string[]>;
  /** Names of the service; `alone`: no other address stands beside these. */
  readonly own: ReadonlyMap<
    string,
    { readonly alone: boolean; readonly addresses: readonly string[] }
  >;
  /** Address → name. */
  readonly reverse: ReadonlyMap<string, string>;
  readonly records: ReadonlyMap<string, readonly ServiceRecord[]>;
}

/** `usable` says which addresses this host has at all. */
export function contribution(
  networkName: string,
  service: ServiceEndpointAssignment | undefined,
  endpoints: readonly TaskEndpointAssignment[],
  usable: (address: string) => boolean,
): Contribution {
  const tasks = new Map<string, string[]>();
  const own = new Map<string, { alone: boolean; addresses: string[] }>();
  const reverse = new Map<string, string>();
  const all: string[] = [];
  for (const endpoint of endpoints) {
    if (!endpoint.active) continue;
    for (const address of endpoint.addresses.filter(usable)) {
      all.push(address);
      for (const name of [endpoint.name, ...endpoint.aliases]) {
        const key = name.toLowerCase();
        const list = tasks.get(key);
        if (list) list.push(address);
        else tasks.set(key, [address]);
      }
      reverse.set(address, `${endpoint.name}.${networkName}`);
    }
  }
  if (service === undefined) return { tasks, own, reverse, records: new Map() };
  const vips = [service.vip ?? [], service.vip6 ?? []].flat().filter(usable);
  const give = (name: string, alone: boolean, addresses: readonly string[]): void => {
    const key = name.toLowerCase();
    const known = own.get(key) ?? { alone: false, addresses: [] };
    own.set(key, { alone: known.alone || alone, addresses: [...known.addresses, ...addresses] });
  };
  const leads = service.mode === 'vip' && vips.length > 0 ? vips : all;
  for (const name of [service.name, ...service.aliases]) {
    give(name, vips.length > 0, leads);
    give(`tasks.${name}`, false, all);
  }
  for (const vip of vips) reverse.set(vip, `${service.name}.${networkName}`);
  const records = new Map(Object.entries(serviceRecords([service], endpoints)));
  return { tasks, own, reverse, records };
}
