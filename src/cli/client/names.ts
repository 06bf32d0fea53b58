// Names for ids, fetched once per command.
import type { Context } from './context.ts';
import type { WireNetwork, WireNode, WireService } from './wire.ts';

/** Id → host name. */
export async function nodeNames({ api }: Context): Promise<Map<string, string>> {
  const nodes = await api.get<WireNode[]>('/nodes');
  return new Map(nodes.map((node) => [node.ID, node.Description.Hostname]));
}

/** A node's id from a host name, an id, a prefix of one, or "self". */
export async function nodeId(context: Context, reference: string): Promise<string> {
  if (reference === 'self') {
    const info = await context.api.get<{ Swarm: { NodeID: string } }>('/info');
    return info.Swarm.NodeID;
  }
  const nodes = await context.api.get<WireNode[]>('/nodes');
  const named = nodes.filter((node) => node.Description.Hostname === reference);
  if (named.length > 1)
    throw new Error(`node ${reference} is ambiguous (${named.length} matches found)`);
  return named[0]?.ID ?? reference;
}

export async function serviceNames({ api }: Context): Promise<Map<string, string>> {
  const services = await api.get<WireService[]>('/services');
  return new Map(services.map((service) => [service.ID, service.Spec.Name]));
}

/** Id of a network that a service may use; raises an error naming it. */
export async function networkId({ api }: Context, reference: string): Promise<string> {
  const network = await api.get<WireNetwork>(`/networks/${encodeURIComponent(reference)}`, {
    scope: 'swarm',
  });
  return network.Id;
}
