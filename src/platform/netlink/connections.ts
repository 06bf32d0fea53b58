// Makes the connection tracker of a namespace forget: connections to what is gone, whose clients are told,
// and flows that are older than what they are to be translated to.
import { SwarmError } from '../../base/index.ts';
import { PROBE_MARK, type FlowTarget } from '../../overlay/kernel/index.ts';
import {
  NETLINK_NETFILTER,
  clientsOf,
  deletionsOf,
  listConnections,
  listFlows,
  staleFlowsOf,
} from './conntrack.ts';
import type { Native, NativeStep, NetlinkMessage } from '../system/index.ts';
import { probeSteps } from './tcp-probe.ts';

/** Above this many addresses or ports one listing of all connections is cheaper than one for each. */
const MAX_FILTERED_LISTINGS = 4;
/** Clients that are told of their server's death; beyond these they learn it when they send. */
const MAX_RESETS = 10_000;

/** See the overlay's port of the kernel. `path`: of the namespace; undefined: the host's own. */
export async function forgetConnections(
  native: Native,
  path: string | undefined,
  replySources: readonly string[],
  reset: boolean,
): Promise<void> {
  if (replySources.length === 0) return;
  const filtered = replySources.length <= MAX_FILTERED_LISTINGS;
  const questions = filtered ? replySources.map(listConnections) : [listConnections(undefined)];
  const listings = await native.run(path, questions.map(netfilter));
  const sources = new Set(replySources);
  const found = listings.filter(({ errno }) => errno === 0).map(({ data }) => data);
  const deletions = found.flatMap((data) => deletionsOf(data, sources));
  await native.run(path, deletions.map(netfilter));
  if (!reset) return;
  const clients = found.flatMap((data) => clientsOf(data, sources)).slice(0, MAX_RESETS);
  const probes = clients.flatMap(({ server, client }) => probeSteps(server, client, PROBE_MARK));
  await native.run(path, probes);
}

/** See the overlay's port of the kernel. Raises `internal` when connections can't be listed. */
export async function forgetFlows(native: Native, targets: readonly FlowTarget[]): Promise<void> {
  if (targets.length === 0) return;
  const ports = [...new Set(targets.map(({ port }) => port))];
  const few = ports.length <= MAX_FILTERED_LISTINGS;
  const list = (questions: readonly NetlinkMessage[]) =>
    native.run(undefined, questions.map(netfilter));
  let listings = await list((few ? ports : [undefined]).flatMap(listFlows));
  // Kernels before 5.8 know no filter.
  if (listings.some(({ errno }) => errno !== 0)) listings = await list(listFlows(undefined));
  const failed = listings.find(({ errno }) => errno !== 0);
  if (failed !== undefined) {
    throw new SwarmError('internal', `the list of connections: errno ${failed.errno}`);
  }
  const deletions = listings.flatMap(({ data }) => staleFlowsOf(data, targets));
  await native.run(undefined, deletions.map(netfilter));
}

function netfilter(message: NetlinkMessage): NativeStep {
  return { step: 'netlink', protocol: NETLINK_NETFILTER, message };
}
