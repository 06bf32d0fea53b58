// Remembers endpoints that went away: for some minutes their addresses answer with a reset, so that
// clients of a dead host get an error instead of a hang.
import type { TaskEndpointAssignment } from '../model/index.ts';
import { MAX_REMOVED_ENDPOINTS, REMOVED_ENDPOINT_MS } from './limits.ts';
import type { SavedRemoval } from './state-file.ts';

type Endpoints = ReadonlyMap<string, TaskEndpointAssignment>;

export class RemovedEndpoints {
  readonly #networks = new Map<string, Map<string, number>>();

  constructor(saved: readonly SavedRemoval[]) {
    for (const { networkId, address, until } of saved) this.#of(networkId).set(address, until);
  }

  /** Takes the step from one set of endpoints to the next; returns what went away just now. */
  observe(before: Endpoints, after: Endpoints, now: number): Map<string, string[]> {
    const gone = new Map<string, string[]>();
    if (before === after) return gone;
    const used = new Map<string, Set<string>>();
    for (const { networkId, addresses } of after.values()) {
      const set = used.get(networkId) ?? new Set<string>();
      addresses.forEach((address) => set.add(address));
      used.set(networkId, set);
      for (const address of addresses) this.#networks.get(networkId)?.delete(address);
    }
    for (const { networkId, addresses } of before.values()) {
      for (const address of addresses) {
        if (used.get(networkId)?.has(address)) continue;
        this.#remember(networkId, address, now + REMOVED_ENDPOINT_MS);
        const list = gone.get(networkId);
        if (list) list.push(address);
        else gone.set(networkId, [address]);
      }
    }
    return gone;
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
