// What a host's connection tracking forgets once endpoints are gone, so that their clients are told.
import { networkNamespace } from './addressing.ts';
import { HOST, type Kernel } from './kernel.ts';
import type { NetworkView } from './network-views.ts';

/** `gone`: addresses by network. Connections to them end with a reset, also those that only wait. */
export async function forgetConnections(
  kernel: Kernel,
  views: ReadonlyMap<string, NetworkView>,
  gone: ReadonlyMap<string, readonly string[]>,
): Promise<void> {
  for (const [networkId, addresses] of gone) {
    const view = views.get(networkId);
    if (view === undefined) continue;
    // Published ports are translated in the host's namespace: there clients know their server's name.
    const inside = !view.network.ingress;
    await kernel.forgetConnections(networkNamespace(networkId), addresses, inside);
    await kernel.forgetConnections(HOST, addresses, true);
  }
}
