// Where the nodes of a cluster are: no network may have these addresses.
import type { Node } from './objects.ts';

/** Underlay and gRPC addresses of nodes, without ports. */
export function nodeAddresses(node: Node): string[] {
  const { dataPathAddress, address } = node.status;
  const host = /^\[?(.*?)\]?:\d+$/u.exec(address)?.[1] ?? '';
  return [...new Set([dataPathAddress, host])].filter((text) => text !== '');
}
