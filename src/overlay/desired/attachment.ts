// From a task's networks to its interfaces, with the names of the predefined networks.
import { SwarmError, optional, record, type Decoded } from '../../base/index.ts';
import { ADDRESS, TASK_ASSIGNMENT, type TaskAssignment } from '../../model/index.ts';
import {
  IPV4,
  IPV6,
  bareAddress,
  contains,
  isIpv4,
  isIpv6,
  type Family,
} from '../addressing/index.ts';
import { MAX_NETWORKS_PER_TASK } from '../contract/index.ts';
import type { LocalAttachment, OverlayNetwork } from '../kernel/index.ts';

/** Predefined networks of every host, by id and name. */
export const BRIDGE_NETWORK = 'bridge';
export const HOST_NETWORK = 'host';
export const NO_NETWORK = 'none';

/** What names a namespace and a file must be made of. */
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/u;

/** A task that has been attached, as it is kept on disk. */
export const ATTACHED_TASK = record({
  task: TASK_ASSIGNMENT,
  /** With prefix length; only for a task on the network "bridge". */
  bridgeAddress: optional(ADDRESS),
});
export type AttachedTask = Decoded<typeof ATTACHED_TASK>;

/** The ids of a task's networks; a task without any is on "bridge". */
export function networkIds(task: TaskAssignment): string[] {
  return task.networks.length === 0
    ? [BRIDGE_NETWORK]
    : task.networks.map(({ networkId }) => networkId);
}

/** Networks that the managers know nothing of; "bridge" this host brings itself. */
export function isPredefined(id: string): boolean {
  return id === NO_NETWORK || id === HOST_NETWORK;
}

export function usesHostNetwork(task: TaskAssignment): boolean {
  return networkIds(task).includes(HOST_NETWORK);
}

export function usesBridge(task: TaskAssignment): boolean {
  return networkIds(task).includes(BRIDGE_NETWORK);
}

/** Fails with `invalid` when an id can't be a file name or there are too many networks. */
export function checkTask(task: TaskAssignment): void {
  const ids = networkIds(task);
  if (!SAFE_ID.test(task.id) || ids.some((id) => !SAFE_ID.test(id))) {
    throw new SwarmError(
      'invalid',
      `task ${task.id}: ids may hold letters, digits, "_", "." and "-"`,
    );
  }
  if (ids.length > MAX_NETWORKS_PER_TASK) {
    throw new SwarmError(
      'invalid',
      `task ${task.id} has ${ids.length} networks; at most ${MAX_NETWORKS_PER_TASK} are possible`,
    );
  }
  if (ids.includes(HOST_NETWORK) && ids.length > 1) {
    throw new SwarmError('invalid', `task ${task.id}: network "host" goes with no other network`);
  }
}

export interface TaskInterfaces {
  readonly attachments: readonly LocalAttachment[];
  /** Networks that are not known here (yet). */
  readonly missing: readonly string[];
}

/** Interfaces in the order of the task's networks: eth0, eth1 … */
export function taskInterfaces(
  { task, bridgeAddress }: AttachedTask,
  networks: ReadonlyMap<string, OverlayNetwork>,
): TaskInterfaces {
  const attachments: LocalAttachment[] = [];
  const missing: string[] = [];
  let index = 0;
  for (const id of networkIds(task)) {
    if (id === NO_NETWORK || id === HOST_NETWORK) continue;
    const network = networks.get(id);
    const own = task.networks.find(({ networkId }) => networkId === id);
    const address =
      id === BRIDGE_NETWORK ? bridgeAddress : own?.addresses.find((entry) => isIpv4(entry));
    if (network === undefined || address === undefined) {
      missing.push(id);
    } else {
      const gateway = gatewayOf(network, address, IPV4);
      const address6 = own?.addresses.find((entry) => isIpv6(entry));
      const gateway6 = address6 && gatewayOf(network, address6, IPV6);
      if (gateway === undefined) missing.push(id);
      else {
        const common = { taskId: task.id, index, network, address, gateway };
        const ipv6 = address6 && gateway6 ? { address: address6, gateway: gateway6 } : undefined;
        attachments.push(ipv6 ? { ...common, ipv6 } : common);
      }
    }
    index++;
  }
  return { attachments, missing };
}

function gatewayOf(network: OverlayNetwork, address: string, family: Family): string | undefined {
  const subnets = network.subnets.filter(({ subnet }) => family.is(subnet));
  return subnets.find(({ subnet }) => contains(subnet, bareAddress(address)))?.gateway;
}
