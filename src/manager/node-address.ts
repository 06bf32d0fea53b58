// Whether a node may be at the addresses that it gives. What its connection comes from is its own;
// another address counts (machines have several, and some stand behind NAT), unless it is the one of
// another node that is up: the traffic of that node's tasks would go there.
import { addressFamily, addressText, addressValue, nodeAddresses } from '../model/index.ts';
import type { StoreView } from './store/index.ts';

export interface ClaimedAddresses {
  readonly nodeId: string;
  /** host:port of its gRPC port. */
  readonly address: string;
  /** Underlay address of its tunnels; '' when it has none. */
  readonly dataPathAddress: string;
  /** host:port that its connection comes from; absent or '' where that is not known. */
  readonly from?: string | undefined;
}

/**
 * What is wrong with them, in a sentence; undefined: nothing. `underWay`: registrations that are not in
 * the view yet.
 */
export function addressProblem(
  view: StoreView,
  claimed: ClaimedAddresses,
  underWay: Iterable<ClaimedAddresses> = [],
): string | undefined {
  const { nodeId, address, dataPathAddress, from = '' } = claimed;
  if (dataPathAddress !== '' && addressValue(dataPathAddress) === undefined) {
    return `the data path address ${JSON.stringify(dataPathAddress)} of node ${nodeId} is no IP address`;
  }
  const own = canonical(hostOf(from));
  const foreign = [dataPathAddress, hostOf(address)]
    .map(canonical)
    .filter((host) => host !== '' && host !== own);
  if (foreign.length === 0) return undefined;
  for (const { id, hosts } of others(view, underWay)) {
    if (id === nodeId) continue;
    const taken = hosts.map(canonical).find((host) => foreign.includes(host));
    if (taken === undefined) continue;
    return `node ${nodeId} says that it is at ${taken}, which is the address of node ${id}`;
  }
  return undefined;
}

/** Nodes that are up or about to be. */
function* others(
  view: StoreView,
  underWay: Iterable<ClaimedAddresses>,
): Generator<{ id: string; hosts: string[] }> {
  for (const { nodeId, address, dataPathAddress } of underWay) {
    yield { id: nodeId, hosts: [dataPathAddress, hostOf(address)].filter((one) => one !== '') };
  }
  for (const node of view.all('node')) {
    if (node.status.state !== 'down') yield { id: node.id, hosts: nodeAddresses(node) };
  }
}

/** "10.0.0.1:2377" and "[fd00::1]:2377", and what gRPC says of a peer. */
function hostOf(address: string): string {
  return /^\[?([^\]]*?)\]?:\d+$/u.exec(address)?.[1] ?? '';
}

/** One text for an address; IPv4 in IPv6 is IPv4; names as they are. */
function canonical(host: string): string {
  const value = addressValue(host);
  const family = addressFamily(host);
  if (value === undefined || family === undefined) return host.toLowerCase();
  const mapped = family === 6 && value >> 32n === 0xffffn;
  return mapped ? addressText(4, value & 0xffff_ffffn) : addressText(family, value);
}
