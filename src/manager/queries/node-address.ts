// Where managers are, and whether a node may be at the addresses that it gives. What its connection comes from is its own;
// another address counts (machines have several, and some stand behind NAT), unless it is the one of
// another node that is up: the traffic of that node's tasks would go there.
import { addressFamily, addressText, addressValue, nodeAddresses } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';

/** Where a node says that it is. */
export interface ClaimedAddresses {
  readonly nodeId: string;
  /** host:port of its gRPC port. */
  readonly address: string;
  /** Underlay address of its tunnels; '' when it has none. */
  readonly dataPathAddress: string;
  /** host:port that its connection comes from; absent or '' where that is not known. */
  readonly from?: string | undefined;
}

/** host:port of all managers, in order. */
export function managerAddresses(view: StoreView): string[] {
  const addresses: string[] = [];
  for (const { manager } of view.all('node')) {
    if (manager !== undefined) addresses.push(manager.address);
  }
  return addresses.sort((a, b) => (a < b ? -1 : 1));
}

/** What is wrong with them, in a sentence; undefined: nothing. */
export function addressProblem(view: StoreView, claimed: ClaimedAddresses): string | undefined {
  const { nodeId, dataPathAddress } = claimed;
  if (dataPathAddress !== '' && addressValue(dataPathAddress) === undefined) {
    return `the data path address ${JSON.stringify(dataPathAddress)} of node ${nodeId} is no IP address`;
  }
  const foreign = foreignAddresses(claimed);
  if (foreign.length === 0) return undefined;
  for (const other of view.all('node')) {
    if (other.id === nodeId || other.status.state === 'down') continue;
    const taken = nodeAddresses(other)
      .map(canonical)
      .find((host) => foreign.includes(host));
    if (taken === undefined) continue;
    return `node ${nodeId} says that it is at ${taken}, which is the address of node ${other.id}`;
  }
  return undefined;
}

/** Those that its connection does not show to be its own. */
export function foreignAddresses({
  address,
  dataPathAddress,
  from = '',
}: ClaimedAddresses): string[] {
  const own = canonical(hostOf(from));
  return [dataPathAddress, hostOf(address)]
    .map(canonical)
    .filter((host) => host !== '' && host !== own);
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
