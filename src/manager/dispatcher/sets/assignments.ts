// What one node has to know, computed from the store: its own tasks with their specs and payloads, and
// which of the sets that nodes share it needs: its networks with everything that lives on them, and
// hosts. Pure; shared-sets.ts keeps the shared ones up to date, a session sends what differs.
import {
  TASK_STATE,
  isPredefinedNetwork,
  type AssignmentItem,
  type Network,
  type Node,
  type Task,
} from '../../../model/index.ts';
import type { StoreView } from '../../store/index.ts';
import {
  hostItem,
  isPlaced,
  itemId,
  networkItem,
  payloadItem,
  revisionItem,
  serviceEndpointItem,
  taskEndpointItem,
  taskItem,
} from './assignment-items.ts';

/** By `itemId`. */
export type ItemSet = ReadonlyMap<string, AssignmentItem>;

/** All hosts: for those with tasks on networks, whose task networks are kept from the hosts' own ports. */
export const ALL_HOSTS = 'hosts';
/** For all others: the managers, and the hosts that requests to published ports may be sent on to. */
export const COMMON_HOSTS = 'common hosts';

/** What is a node's alone. */
export interface OwnAssignments {
  readonly items: ItemSet;
  /** Networks that its tasks are on. */
  readonly networks: ReadonlySet<string>;
  /** Ids of the revisions and payloads that were looked for: a change of one makes all of this stale. */
  readonly names: ReadonlySet<string>;
}

/** Of a node without tasks. */
export const NO_ASSIGNMENTS: OwnAssignments = {
  items: new Map(),
  networks: new Set(),
  names: new Set(),
};

class SetBuilder {
  readonly items = new Map<string, AssignmentItem>();

  add(item: AssignmentItem | undefined): void {
    if (item !== undefined) this.items.set(itemId(item), item);
  }
}

/** As of the view. */
export function ownAssignments(view: StoreView, nodeId: string): OwnAssignments {
  const set = new SetBuilder();
  const networks = new Set<string>();
  const names = new Set<string>();
  const self = view.get('node', nodeId);
  if (self !== undefined) set.add(hostItem(self));
  for (const task of view.tasksOfNode(nodeId)) {
    if (!isTold(task)) continue;
    names.add(task.revisionId);
    const revision = view.get('revision', task.revisionId);
    if (revision !== undefined) {
      set.add(taskItem(task, revision));
      set.add(revisionItem(view, revision));
    }
    if (!isPlaced(task)) continue;
    for (const { networkId } of task.networks) {
      if (!isPredefinedNetwork(networkId)) networks.add(networkId);
    }
    const container = revision?.spec.TaskTemplate.ContainerSpec;
    for (const { SecretID } of container?.Secrets ?? []) names.add(SecretID);
    for (const { ConfigID } of container?.Configs ?? []) names.add(ConfigID);
  }
  for (const id of names) set.add(payloadItem(view, id));
  return { items: set.items, networks, names };
}

/** Whether `ownAssignments` of the task's node may differ. */
export function differsForItsNode(before: Task | undefined, after: Task | undefined): boolean {
  if (before === undefined || after === undefined) return true;
  return (
    before.nodeId !== after.nodeId ||
    before.desiredState !== after.desiredState ||
    before.networks !== after.networks ||
    isPlaced(before) !== isPlaced(after) ||
    isTold(before) !== isTold(after)
  );
}

/** Its node knows of it, also when it has ended. */
function isTold({ status }: Task): boolean {
  return TASK_STATE[status.state] >= TASK_STATE.assigned;
}

/** The shared sets of a node, by name; `mesh`: ids of the networks for published ports. */
export function setsFor({ networks }: OwnAssignments, mesh: Iterable<string>): Set<string> {
  // Every host answers on published ports, so every host knows the ingress network.
  return new Set([networks.size > 0 ? ALL_HOSTS : COMMON_HOSTS, ...networks, ...mesh]);
}

/** The networks for published ports. */
export function meshNetworks(view: StoreView): string[] {
  const ids: string[] = [];
  for (const { id, spec } of view.all('network')) if (spec.Ingress === true) ids.push(id);
  return ids;
}

/** Whether every node knows the host, whatever runs there. */
export function isManager(node: Node): boolean {
  return node.spec.Role === 'manager' || node.manager !== undefined;
}

/** A shared set as of the view, made from nothing. */
export function sharedSet(view: StoreView, name: string): ItemSet {
  const set = new SetBuilder();
  if (name === ALL_HOSTS) for (const node of view.all('node')) set.add(hostItem(node));
  else if (name === COMMON_HOSTS) addCommonHosts(view, set);
  else {
    const network = view.get('network', name);
    if (network !== undefined) addNetwork(view, set, network);
  }
  return set.items;
}

function addCommonHosts(view: StoreView, set: SetBuilder): void {
  for (const node of view.all('node')) if (isManager(node)) set.add(hostItem(node));
  for (const id of meshNetworks(view)) {
    for (const task of view.tasksOfNetwork(id)) {
      const node = isPlaced(task) ? view.get('node', task.nodeId ?? '') : undefined;
      if (node !== undefined) set.add(hostItem(node));
    }
  }
}

function addNetwork(view: StoreView, set: SetBuilder, network: Network): void {
  const own = networkItem(network);
  if (own === undefined) return;
  set.add(own);
  for (const task of view.tasksOfNetwork(network.id)) {
    set.add(taskEndpointItem(view, network.id, task));
  }
  // A service without tasks keeps its name and address: a client then gets a refusal, not a hang.
  for (const service of view.all('service')) set.add(serviceEndpointItem(network, service));
}

/** Everything for `nodeId` as of the view, by `itemId`: JSON bodies. */
export function buildAssignments(view: StoreView, nodeId: string): ReadonlyMap<string, string> {
  const own = ownAssignments(view, nodeId);
  const all = new Map<string, string>();
  for (const [id, { body }] of own.items) all.set(id, body);
  for (const name of setsFor(own, meshNetworks(view))) {
    for (const [id, { body }] of sharedSet(view, name)) all.set(id, body);
  }
  return all;
}
