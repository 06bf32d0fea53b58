// Remembers endpoints that went away: for some minutes their addresses answer with a reset, so that
// clients of a dead host get an error instead of a hang.
import { mapChanges } from '../base/index.ts';
import type { TaskEndpointAssignment } from '../model/index.ts';
import { MAX_REMOVED_ENDPOINTS, REMOVED_ENDPOINT_MS } from './contract/index.ts';
import type { SavedRemoval } from './state-file.ts';

type Endpoints = ReadonlyMap<string, TaskEndpointAssignment>;

export interface ObservedRemovals {
  /** Addresses by network. */
  readonly gone: ReadonlyMap<string, readonly string[]>;
  /** What is remembered is not what it was: it belongs on disk. */
  readonly changed: boolean;
}

export class RemovedEndpoints {
  readonly #networks = new Map<string, Map<string, number>>();
  #looked = false;

  constructor(saved: readonly SavedRemoval[]) {
    for (const { networkId, address, until } of saved) this.#of(networkId).set(address, until);
  }

  /**
   * Takes the step from one set of endpoints to the next; `gone` went away just now, also with its
   * host. An address that is in use is never kept, whoever remembered it.
   */
  observe(before: Endpoints, after: Endpoints, now: number): ObservedRemovals {
    const gone = new Map<string, string[]>();
    let changed = false;
    const candidates: TaskEndpointAssignment[] = [];
    const changes = mapChanges(before, after);
    // At the first look everything that is there counts.
    const present = this.#looked ? changes.flatMap((change) => change.after ?? []) : after.values();
    for (const { networkId, addresses, lost } of present) {
      if (lost === true) continue;
      const remembered = this.#networks.get(networkId);
      for (const address of addresses) if (remembered?.delete(address)) changed = true;
    }
    for (const { before: old, after: now } of changes) {
      if (old === undefined || old.lost === true) continue;
      const kept = now?.lost === true ? [] : (now?.addresses ?? []);
      if (old.addresses.some((address) => !kept.includes(address))) candidates.push(old);
    }
    this.#looked = true;
    const used = candidates.length === 0 ? new Set<string>() : usedAddresses(after.values());
    for (const { networkId, addresses } of candidates) {
      for (const address of addresses) {
        if (used.has(`${networkId} ${address}`)) continue;
        this.#remember(networkId, address, now + REMOVED_ENDPOINT_MS);
        const list = gone.get(networkId);
        if (list) list.push(address);
        else gone.set(networkId, [address]);
      }
    }
    return { gone, changed: changed || gone.size > 0 };
  }

  /** Forgets what is over; returns when the next one will be, or undefined. */
  expire(now: number): number | undefined {
    let next: number | undefined;
    for (const [networkId, addresses] of this.#networks) {
      for (const [address, until] of addresses) {
        if (until <= now) addresses.delete(address);
        else next = Math.min(next ?? until, until);
      }
      if (addresses.size === 0) this.#networks.delete(networkId);
    }
    return next;
  }

  addresses(networkId: string): string[] {
    return [...(this.#networks.get(networkId)?.keys() ?? [])].sort();
  }

  saved(): SavedRemoval[] {
    return [...this.#networks].flatMap(([networkId, addresses]) =>
      [...addresses].map(([address, until]) => ({ networkId, address, until })),
    );
  }

  #remember(networkId: string, address: string, until: number): void {
    const addresses = this.#of(networkId);
    addresses.delete(address);
    addresses.set(address, until);
    const [oldest] = addresses.keys();
    if (addresses.size > MAX_REMOVED_ENDPOINTS && oldest !== undefined) addresses.delete(oldest);
  }

  #of(networkId: string): Map<string, number> {
    const known = this.#networks.get(networkId);
    if (known) return known;
    const made = new Map<string, number>();
    this.#networks.set(networkId, made);
    return made;
  }
}

function usedAddresses(endpoints: Iterable<TaskEndpointAssignment>): Set<string> {
  const used = new Set<string>();
  for (const { networkId, addresses, lost } of endpoints) {
    if (lost === true) continue;
    for (const address of addresses) used.add(`${networkId} ${address}`);
  }
  return used;
}
