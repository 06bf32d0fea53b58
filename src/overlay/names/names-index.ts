// The names of one network, kept up to date: a change of one endpoint costs the names of its service, not
// those of the network. What a service contributes is `contribution`; what several contribute to one name
// is put together in the order of their ids, so that it does not matter how one came there.
import { LayeredMap } from '../../base/index.ts';
import type { ServiceEndpointAssignment, TaskEndpointAssignment } from '../../model/index.ts';
import { hasIpv6, isIpv6 } from '../addressing/index.ts';
import { listChanges, type NetworkView } from '../desired/index.ts';
import { contribution, type Contribution } from './names.ts';
import { NetworkNamesSnapshot } from './names-snapshot.ts';
import type { ServiceRecord } from '../../resolver/protocol/index.ts';

interface Group {
  readonly endpoints: Map<string, TaskEndpointAssignment>;
  service: ServiceEndpointAssignment | undefined;
  made: Contribution | undefined;
}

export class NamesIndex {
  #view: NetworkView | undefined;
  #groups = new Map<string, Group>();
  /** Services that contribute to a key: a name, an address or a question for a record. */
  #owners = new Map<string, Set<string>>();
  #names = LayeredMap.of(new Map<string, readonly string[]>());
  #reverse = LayeredMap.of(new Map<string, string>());
  #records = LayeredMap.of(new Map<string, readonly ServiceRecord[]>());
  #snapshot: NetworkNamesSnapshot | undefined;

  /** The names of the network as it is now; the same object as long as the view is the same. */
  update(view: NetworkView): NetworkNamesSnapshot {
    const old = this.#view;
    if (this.#snapshot !== undefined && old === view) return this.#snapshot;
    // All names depend on the network's own name and families.
    if (old !== undefined && old.network !== view.network) this.#clear();
    this.#view = view;
    this.#refresh(
      view,
      this.#changedServices(view, old?.network === view.network ? old : undefined),
    );
    this.#snapshot = new NetworkNamesSnapshot(
      view.network.name,
      this.#names,
      this.#reverse,
      this.#records,
    );
    return this.#snapshot;
  }

  #clear(): void {
    this.#groups = new Map();
    this.#owners = new Map();
    this.#names = LayeredMap.of(new Map());
    this.#reverse = LayeredMap.of(new Map());
    this.#records = LayeredMap.of(new Map());
  }

  #changedServices(view: NetworkView, old: NetworkView | undefined): Set<string> {
    const changed = new Set<string>();
    const services = listChanges(old?.services ?? [], view.services);
    for (const { serviceId } of services.gone) this.#group(serviceId, changed).service = undefined;
    for (const service of services.come) {
      this.#group(service.serviceId, changed).service = service;
    }
    const endpoints = listChanges(old?.endpoints ?? [], view.endpoints);
    for (const { serviceId, taskId } of endpoints.gone) {
      this.#group(serviceId, changed).endpoints.delete(taskId);
    }
    for (const endpoint of endpoints.come) {
      this.#group(endpoint.serviceId, changed).endpoints.set(endpoint.taskId, endpoint);
    }
    return changed;
  }

  #group(serviceId: string, changed: Set<string>): Group {
    changed.add(serviceId);
    const known = this.#groups.get(serviceId);
    if (known !== undefined) return known;
    const made: Group = { endpoints: new Map(), service: undefined, made: undefined };
    this.#groups.set(serviceId, made);
    return made;
  }

  #refresh({ network }: NetworkView, changed: ReadonlySet<string>): void {
    // A host without IPv6 has no subnet of it, whatever the managers gave to tasks.
    const both = hasIpv6(network);
    const usable = (address: string): boolean => both || !isIpv6(address);
    const keys = new Set<string>();
    for (const id of changed) {
      const group = this.#groups.get(id);
      if (group === undefined) continue;
      for (const key of keysOf(group.made)) {
        keys.add(key);
        this.#owners.get(key)?.delete(id);
      }
      const empty = group.service === undefined && group.endpoints.size === 0;
      if (empty) this.#groups.delete(id);
      else {
        const endpoints = [...group.endpoints.values()].sort(byTask);
        group.made = contribution(network.name, group.service, endpoints, usable);
      }
      for (const key of empty ? [] : keysOf(group.made)) {
        keys.add(key);
        const owners = this.#owners.get(key);
        if (owners) owners.add(id);
        else this.#owners.set(key, new Set([id]));
      }
    }
    this.#putTogether(keys);
  }

  #putTogether(keys: ReadonlySet<string>): void {
    const names = new Changes<readonly string[]>();
    const reverse = new Changes<string>();
    const records = new Changes<readonly ServiceRecord[]>();
    for (const key of keys) {
      const ids = this.#owners.get(key) ?? new Set<string>();
      if (ids.size === 0) this.#owners.delete(key);
      const made = [...ids].sort().flatMap((id) => this.#groups.get(id)?.made ?? []);
      names.put(key, addressesOf(key, made));
      reverse.put(key, made.findLast((one) => one.reverse.has(key))?.reverse.get(key));
      records.put(key, made.find((one) => one.records.has(key))?.records.get(key));
    }
    this.#names = names.appliedTo(this.#names, sameList);
    this.#reverse = reverse.appliedTo(this.#reverse, Object.is);
    this.#records = records.appliedTo(this.#records, sameRecords);
  }
}

class Changes<V> {
  readonly #set: [string, V][] = [];
  readonly #removed: string[] = [];

  put(key: string, value: V | undefined): void {
    if (value === undefined) this.#removed.push(key);
    else this.#set.push([key, value]);
  }

  appliedTo(map: LayeredMap<V>, same: (a: V, b: V) => boolean): LayeredMap<V> {
    const changed = this.#set.filter(([key, value]) => {
      const old = map.get(key);
      return old === undefined || !same(old, value);
    });
    return map.with(changed, this.#removed);
  }
}

function* keysOf(made: Contribution | undefined): Generator<string> {
  if (made === undefined) return;
  for (const part of [made.tasks, made.own, made.reverse, made.records]) yield* part.keys();
}

/** A service's name leads to its virtual address alone, also where a task has it as an alias. */
function addressesOf(key: string, made: readonly Contribution[]): string[] | undefined {
  const addresses = new Set<string>();
  for (const { tasks } of made) for (const address of tasks.get(key) ?? []) addresses.add(address);
  for (const { own } of made) {
    const given = own.get(key);
    if (given?.alone) addresses.clear();
    for (const address of given?.addresses ?? []) addresses.add(address);
  }
  return addresses.size === 0 ? undefined : [...addresses].sort();
}

function byTask(a: TaskEndpointAssignment, b: TaskEndpointAssignment): number {
  return a.taskId < b.taskId ? -1 : 1;
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

function sameRecords(a: readonly ServiceRecord[], b: readonly ServiceRecord[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
