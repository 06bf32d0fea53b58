// Networks that this host must not have: their routes would take the place of its own networks, and
// with them of its neighbours. Looked at when a network first comes here; what comes later is meant.
import { parseSubnet, subnetsOverlap } from '../model/index.ts';
import type { HostNetwork, Kernel } from './kernel/index.ts';
import type { NetworkView } from './desired/index.ts';

/** A network that is here has the routes already; it is left alone. */
type IsHere = (networkId: string) => boolean;

export class RouteClashes {
  readonly #kernel: Kernel;
  #found: ReadonlyMap<string, string> = new Map();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Network id → what is in its way, as of the last look. */
  get found(): ReadonlyMap<string, string> {
    return this.#found;
  }

  /** Looks at the networks that are new here, and again at those that were refused. */
  async look(views: ReadonlyMap<string, NetworkView>, isHere: IsHere): Promise<void> {
    const fresh = [...views.values()].filter(
      ({ network }) => !network.internal && !isHere(network.id),
    );
    const found = new Map<string, string>();
    const routes = fresh.length === 0 ? [] : await this.#kernel.hostNetworks();
    for (const { network } of fresh) {
      const clash = clashOf(network, routes);
      if (clash !== undefined) found.set(network.id, clash);
    }
    this.#found = found;
  }
}

/**
 * A sentence about the first route that overlaps a subnet; undefined when there is none. A wider route
 * by a router does not count: a part of what is behind it is hidden, nothing of this host's.
 */
export function clashOf(
  network: { readonly name: string; readonly subnets: readonly { readonly subnet: string }[] },
  routes: readonly HostNetwork[],
): string | undefined {
  for (const { subnet } of network.subnets) {
    const own = parseSubnet(subnet);
    for (const { destination, device, routed } of routes) {
      const other = parseSubnet(destination, { anyHost: true });
      if (!subnetsOverlap(own, other) || (routed === true && other.prefix < own.prefix)) continue;
      return (
        `subnet ${subnet} of network ${network.name} overlaps ${destination} on ${device} ` +
        'of this host: make the network with another subnet'
      );
    }
  }
  return undefined;
}
