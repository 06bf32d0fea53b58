// What one node has to know, computed from the store: its tasks with their specs and payloads, its
// networks with everything that lives on them, and the hosts of the cluster. Pure; the dispatcher
// compares two of these and sends the difference.
import {
  addressFamily,
  TASK_STATE,
  containerName,
  desiredAlive,
  isEncrypted,
  isPredefinedNetwork,
  isTerminal,
  type AssignmentKind,
  type AssignmentKinds,
  type Network,
  type Node,
  type Revision,
  type Service,
  type Task,
} from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';

/** Label that makes a service's virtual IP prefer one task per client address. */
const STICKY_LABEL = 'tsswarm.sticky';

/** `${kind}\n${key}` → JSON body. */
export type AssignmentSet = ReadonlyMap<string, string>;

class SetBuilder {
  readonly items = new Map<string, string>();

  add<K extends AssignmentKind>(kind: K, key: string, body: AssignmentKinds[K]): void {
    this.items.set(`${kind}\n${key}`, JSON.stringify(body));
  }

  addJson(kind: AssignmentKind, key: string, json: string): void {
    this.items.set(`${kind}\n${key}`, json);
  }
}

/** In parts: those of networks are the same object for all nodes. */
export interface NodeAssignments {
  readonly own: AssignmentSet;
  /** By network id. */
  readonly networks: ReadonlyMap<string, AssignmentSet>;
}

export const NO_ASSIGNMENTS: NodeAssignments = { own: new Map(), networks: new Map() };

/** Everything for `nodeId` as of the view. */
export function buildAssignments(view: StoreView, nodeId: string): AssignmentSet {
  const { own, networks } = nodeAssignments(view, nodeId);
  return new Map([own, ...networks.values()].flatMap((set) => [...set]));
}

/** The same in parts. */
export function nodeAssignments(view: StoreView, nodeId: string): NodeAssignments {
  const set = new SetBuilder();
  const networkIds = new Set<string>();
  const networks = new Map<string, AssignmentSet>();
  for (const task of view.tasksOfNode(nodeId)) {
    if (TASK_STATE[task.status.state] < TASK_STATE.assigned) continue;
    addTask(view, set, task);
    if (isTerminal(task.status.state)) continue;
    for (const network of task.networks) networkIds.add(network.networkId);
    addPayloads(view, set, task);
  }
  for (const node of view.all('node')) addHost(set, node);
  for (const network of view.all('network')) {
    // Every host answers on published ports, so every host knows the ingress network.
    if (!networkIds.has(network.id) && network.spec.Ingress !== true) continue;
    networks.set(network.id, networkItems(view, network));
  }
  return { own: set.items, networks };
}

interface NetworkItems {
  readonly index: number;
  readonly byNetwork: Map<string, AssignmentSet>;
}

/** What all hosts of a network are told alike: worked out once for a state, not once a session. */
const networkCache = new WeakMap<StoreView, NetworkItems>();

function networkItems(view: StoreView, network: Network): AssignmentSet {
  let cache = networkCache.get(view);
  if (cache?.index !== view.index) {
    networkCache.set(view, (cache = { index: view.index, byNetwork: new Map() }));
  }
  const known = cache.byNetwork.get(network.id);
  if (known !== undefined) return known;
  const set = new SetBuilder();
  addNetwork(view, set, network);
  cache.byNetwork.set(network.id, set.items);
  return set.items;
}

/** JSON of objects that don't change: made once per object, not once per difference. */
const taskCache = new WeakMap<Task, string>();
const revisionCache = new WeakMap<Revision, string>();
const hostCache = new WeakMap<Node, string>();

function cached<T extends object>(
  cache: WeakMap<T, string>,
  object: T,
  body: () => object,
): string {
  let json = cache.get(object);
  if (json === undefined) cache.set(object, (json = JSON.stringify(body())));
  return json;
}

function addTask(view: StoreView, set: SetBuilder, task: Task): void {
  const revision = view.get('revision', task.revisionId);
  if (revision === undefined) return;
  // A task's revision never changes but for the numbers of its ports, which come before its tasks.
  set.addJson(
    'task',
    task.id,
    cached(taskCache, task, () => taskBody(task, revision)),
  );
  const registryAuth = view.get('credential', revision.id)?.registryAuth;
  const body = (): AssignmentKinds['revision'] => ({
    id: revision.id,
    serviceId: revision.serviceId,
    spec: revision.spec,
    ...(registryAuth === undefined ? {} : { registryAuth }),
  });
  set.addJson('revision', revision.id, cached(revisionCache, revision, body));
}

function taskBody(task: Task, revision: Revision): AssignmentKinds['task'] {
  const ports = revision.ports;
  const nameservers = revision.spec.TaskTemplate.ContainerSpec?.DNSConfig?.Nameservers ?? [];
  return {
    id: task.id,
    serviceId: task.serviceId,
    serviceName: revision.spec.Name,
    slot: task.slot,
    nodeId: task.nodeId ?? '',
    revisionId: task.revisionId,
    desiredState: task.desiredState,
    networks: task.networks,
    hostPorts: ports.filter((port) => port.PublishMode === 'host'),
    publishesIngress: ports.some((port) => port.PublishMode === 'ingress'),
    ...(nameservers.length > 0 && { nameservers }),
    ...(task.attachment && { attachment: task.attachment }),
  };
}

function addPayloads(view: StoreView, set: SetBuilder, task: Task): void {
  const container = view.get('revision', task.revisionId)?.spec.TaskTemplate.ContainerSpec;
  const ids = [
    ...(container?.Secrets ?? []).map((secret) => secret.SecretID),
    ...(container?.Configs ?? []).map((config) => config.ConfigID),
  ];
  for (const id of ids) {
    const payload = view.get('payload', id);
    if (payload) set.add('payload', id, { id, kind: payload.kind, data: payload.data });
  }
}

function addHost(set: SetBuilder, node: Node): void {
  if (!node.status.dataPathAddress) return;
  const body = (): AssignmentKinds['host'] => ({
    nodeId: node.id,
    hostname: node.description?.hostname ?? '',
    number: node.number,
    address: node.status.dataPathAddress,
    ...(node.description?.encryption && { encryption: node.description.encryption }),
  });
  set.addJson('host', node.id, cached(hostCache, node, body));
}

function addNetwork(view: StoreView, set: SetBuilder, network: Network): void {
  if (network.vni === undefined) return;
  const mtu = network.spec.Options?.['com.docker.network.driver.mtu'];
  set.add('network', network.id, {
    id: network.id,
    name: network.spec.Name,
    vni: network.vni,
    subnets: network.subnets,
    internal: network.spec.Internal === true,
    ingress: network.spec.Ingress === true,
    encrypted: isEncrypted(network.spec),
    ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
  });
  for (const task of view.tasksOfNetwork(network.id)) {
    if (isTerminal(task.status.state)) continue;
    if (TASK_STATE[task.status.state] < TASK_STATE.assigned) continue;
    const node = view.get('node', task.nodeId ?? '');
    if (node === undefined) continue;
    set.addJson(
      'taskEndpoint',
      `${network.id}/${task.id}`,
      endpointJson(view, network.id, task, node),
    );
  }
  // A service without tasks keeps its name and address: a client then gets a refusal, not a hang.
  for (const service of view.all('service')) addServiceEndpoint(set, network, service);
}

/** Endpoints are many and change seldom: their JSON is kept per task object and activity. */
const endpointCache = new WeakMap<Task, Map<string, string>>();

function endpointJson(view: StoreView, networkId: string, task: Task, node: Node): string {
  const active = isActive(task, node);
  const lost = node.status.state === 'down';
  const key = `${networkId}/${active}/${lost}`;
  const known = endpointCache.get(task)?.get(key);
  if (known !== undefined) return known;
  const attachment = task.networks.find((network) => network.networkId === networkId);
  const name = view.get('revision', task.revisionId)?.spec.Name ?? '';
  const json = JSON.stringify({
    networkId,
    serviceId: task.serviceId,
    taskId: task.id,
    name: task.attachment ? name : containerName(name, task),
    nodeId: node.id,
    addresses: (attachment?.addresses ?? []).map((address) => address.split('/')[0] ?? ''),
    aliases: attachment?.aliases ?? [],
    active,
    ...(lost ? { lost } : {}),
  } satisfies AssignmentKinds['taskEndpoint']);
  const cache = endpointCache.get(task) ?? new Map<string, string>();
  cache.set(key, json);
  endpointCache.set(task, cache);
  return json;
}

/** In names and maps: runs (healthy), is not asked to stop, and its node answers. */
export function isActive(task: Task, node: Node): boolean {
  return task.status.state === 'running' && desiredAlive(task) && node.status.state !== 'down';
}

/** A changed service is a new object; what kind a network is never changes. */
const serviceCache = new WeakMap<Service, Map<string, string>>();

function addServiceEndpoint(set: SetBuilder, network: Network, service: Service): void {
  const key = `${network.id}/${service.id}`;
  const known = serviceCache.get(service)?.get(key);
  if (known !== undefined) return set.addJson('serviceEndpoint', key, known);
  const body = serviceEndpoint(network, service);
  if (body === undefined) return;
  const json = JSON.stringify(body);
  const cache = serviceCache.get(service) ?? new Map<string, string>();
  serviceCache.set(service, cache.set(key, json));
  set.addJson('serviceEndpoint', key, json);
}

/** Undefined where the service is not on the network. */
function serviceEndpoint(
  network: Network,
  service: Service,
): AssignmentKinds['serviceEndpoint'] | undefined {
  const attachment = service.spec.TaskTemplate.Networks?.find((n) => n.Target === network.id);
  const ports = network.spec.Ingress
    ? service.endpoint.ports.filter((port) => port.PublishMode === 'ingress')
    : [];
  const exposed = network.spec.Ingress ? [] : service.endpoint.ports;
  if (attachment === undefined && ports.length === 0) return undefined;
  const own = service.endpoint.virtualIps.filter((one) => one.networkId === network.id);
  const vips = own.map(({ address }) => address.split('/')[0] ?? '');
  const vip = vips.find((address) => addressFamily(address) === 4);
  const vip6 = vips.find((address) => addressFamily(address) === 6);
  return {
    networkId: network.id,
    serviceId: service.id,
    name: service.spec.Name,
    aliases: attachment?.Aliases ?? [],
    mode: service.spec.EndpointSpec?.Mode ?? 'vip',
    ports,
    ...(exposed.length > 0 && { exposed }),
    sticky: service.spec.Labels?.[STICKY_LABEL] === 'client-ip',
    ...(vip === undefined ? {} : { vip }),
    ...(vip6 === undefined ? {} : { vip6 }),
  };
}

/** The overlay networks that a set has, to know which changes concern it. */
export function networksOf(view: StoreView, nodeId: string): Set<string> {
  const ids = new Set<string>();
  for (const task of view.tasksOfNode(nodeId)) {
    if (isTerminal(task.status.state)) continue;
    for (const { networkId } of task.networks)
      if (!isPredefinedNetwork(networkId)) ids.add(networkId);
  }
  for (const network of view.all('network')) if (network.spec.Ingress) ids.add(network.id);
  return ids;
}
