// What a host's connection tracking forgets: connections to endpoints that are gone, so that their
// clients are told, and flows to a port that are older than its service.
import { networkNamespace } from './addressing/index.ts';
import { portKey, type NetworkView, type PublishedPort } from './desired/index.ts';
import { HOST, type Kernel } from './kernel/index.ts';

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

/** Which UDP ports were served by the last pass: senders of those that are new are met anew. */
export class ServedFlows {
  #served: ReadonlySet<string> = new Set();

  /** Once the rules for these ports are in effect. What fails is tried again with the next pass. */
  async begin(kernel: Kernel, published: readonly PublishedPort[]): Promise<void> {
    const served = published.filter(
      ({ protocol, addresses }) => protocol === 'udp' && addresses.length > 0,
    );
    const fresh = served.filter((port) => !this.#served.has(keyOf(port)));
    await kernel.forgetFlows(
      fresh.map(({ port, hostIp }) => (hostIp === undefined ? { port } : { port, hostIp })),
    );
    this.#served = new Set(served.map(keyOf));
  }
}

function keyOf(port: PublishedPort): string {
  return `${portKey(port)} ${port.hostIp ?? ''}`;
}
