// The items that agents are told, each made from objects of the store: one item object and one JSON for
// as long as these objects stay the same, so that all sessions share them. Pure.
import {
  addressFamily,
  TASK_STATE,
  containerName,
  desiredAlive,
  isEncrypted,
  isTerminal,
  type AssignmentItem,
  type AssignmentKind,
  type AssignmentKinds,
  type Network,
  type Node,
  type Revision,
  type Service,
  type Task,
} from '../../../model/index.ts';
import type { StoreView } from '../../store/index.ts';

/** Label that makes a service's virtual IP prefer one task per client address. */
const STICKY_LABEL = 'tsswarm.sticky';

/** What an item is called within a set. */
export function itemId({ kind, key }: Pick<AssignmentItem, 'kind' | 'key'>): string {
  return `${kind}\n${key}`;
}

function item<K extends AssignmentKind>(
  kind: K,
  key: string,
  body: AssignmentKinds[K],
): AssignmentItem {
  return { kind, key, body: JSON.stringify(body) };
}

/** Made once for each object (and `variant` of it). */
class Items<T extends object> {
  readonly #known = new WeakMap<T, Map<string, AssignmentItem>>();

  of(object: T, variant: string, make: () => AssignmentItem): AssignmentItem {
    let variants = this.#known.get(object);
    if (variants === undefined) this.#known.set(object, (variants = new Map()));
    const found = variants.get(variant);
    if (found !== undefined) return found;
    const made = make();
    variants.set(variant, made);
    return made;
  }
}

const ofTasks = new Items<Task>();
const ofRevisions = new Items<Revision>();
const ofNodes = new Items<Node>();
const ofServices = new Items<Service>();

/** Whether its node has the task, and others its endpoints: it is assigned and has not ended. */
export function isPlaced(task: Task | undefined): task is Task {
  if (task?.nodeId === undefined || isTerminal(task.status.state)) return false;
  return TASK_STATE[task.status.state] >= TASK_STATE.assigned;
}

/** A task for its own node. A revision never changes but for its ports, which come before its tasks. */
export function taskItem(task: Task, revision: Revision): AssignmentItem {
  return ofTasks.of(task, '', () => item('task', task.id, taskBody(task, revision)));
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

/** A revision with the credentials that its images are pulled with. */
export function revisionItem(view: StoreView, revision: Revision): AssignmentItem {
  const registryAuth = view.get('credential', revision.id)?.registryAuth;
  return ofRevisions.of(revision, registryAuth ?? '', () =>
    item('revision', revision.id, {
      id: revision.id,
      serviceId: revision.serviceId,
      spec: revision.spec,
      ...(registryAuth === undefined ? {} : { registryAuth }),
    }),
  );
}

/** A secret or config; undefined where its bytes are gone. */
export function payloadItem(view: StoreView, id: string): AssignmentItem | undefined {
  const payload = view.get('payload', id);
  return payload && item('payload', id, { id, kind: payload.kind, data: payload.data });
}

/** Undefined for a node that has not said yet where its tunnels end. */
export function hostItem(node: Node): AssignmentItem | undefined {
  if (!node.status.dataPathAddress) return undefined;
  return ofNodes.of(node, '', () =>
    item('host', node.id, {
      nodeId: node.id,
      hostname: node.description?.hostname ?? '',
      number: node.number,
      address: node.status.dataPathAddress,
      ...(node.description?.encryption && { encryption: node.description.encryption }),
    }),
  );
}

/** Undefined until it is allocated. */
export function networkItem(network: Network): AssignmentItem | undefined {
  if (network.vni === undefined) return undefined;
  const mtu = network.spec.Options?.['com.docker.network.driver.mtu'];
  return item('network', network.id, {
    id: network.id,
    name: network.spec.Name,
    vni: network.vni,
    subnets: network.subnets,
    internal: network.spec.Internal === true,
    ingress: network.spec.Ingress === true,
    encrypted: isEncrypted(network.spec),
    ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
  });
}

/** A task as a network sees it; undefined: not (any more). */
export function taskEndpointItem(
  view: StoreView,
  networkId: string,
  task: Task,
): AssignmentItem | undefined {
  if (!isPlaced(task)) return undefined;
  const attachment = task.networks.find((network) => network.networkId === networkId);
  const node = view.get('node', task.nodeId ?? '');
  if (attachment === undefined || node === undefined) return undefined;
  const active = isActive(task, node);
  const lost = node.status.state === 'down';
  return ofTasks.of(task, `${networkId}/${active}/${lost}`, () => {
    const name = view.get('revision', task.revisionId)?.spec.Name ?? '';
    return item('taskEndpoint', `${networkId}/${task.id}`, {
      networkId,
      serviceId: task.serviceId,
      taskId: task.id,
      name: task.attachment ? name : containerName(name, task),
      nodeId: node.id,
      addresses: attachment.addresses.map((address) => address.split('/')[0] ?? ''),
      aliases: attachment.aliases,
      active,
      ...(lost ? { lost } : {}),
    });
  });
}

/** In names and maps: runs (healthy), is not asked to stop, and its node answers. */
export function isActive(task: Task, node: Node): boolean {
  return task.status.state === 'running' && desiredAlive(task) && node.status.state !== 'down';
}

/** A service as a network sees it; undefined where it is not on the network. */
export function serviceEndpointItem(
  network: Network,
  service: Service,
): AssignmentItem | undefined {
  const body = serviceEndpoint(network, service);
  if (body === undefined) return undefined;
  // What kind a network is never changes, and a changed service is a new object.
  return ofServices.of(service, network.id, () =>
    item('serviceEndpoint', `${network.id}/${service.id}`, body),
  );
}

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
