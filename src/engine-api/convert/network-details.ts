// `network inspect -v`: Docker's lists of services with their tasks and of peers, and beside them the
// version of the network's endpoints and which hosts have said that kernel and resolver have it. Pure.
import { isActive, type ClusterQueries } from '../../manager/index.ts';
import {
  TASK_STATE,
  addressFamily,
  isTerminal,
  type Network,
  type Service,
  type Task,
} from '../../model/index.ts';

/** Up to which version each host has applied its networks; hosts that said nothing are missing. */
export type Acknowledged = ReadonlyMap<string, number>;

/** What `verbose` adds to the network; undefined acknowledgements: the leader could not be asked. */
export function networkDetails(
  queries: ClusterQueries,
  network: Network,
  acknowledged: Acknowledged | undefined,
): object {
  const tasks = queries.endpointsOfNetwork(network.id);
  const version = endpointVersion(queries, network, tasks);
  const byService = new Map<string, Task[]>();
  for (const task of tasks) {
    const list = byService.get(task.serviceId);
    if (list) list.push(task);
    else byService.set(task.serviceId, [task]);
  }
  const services: Record<string, object> = {};
  for (const service of queries.list('service')) {
    const own = byService.get(service.id);
    if (own === undefined && !isOn(service, network)) continue;
    services[service.spec.Name] = serviceDetails(queries, network, service, own ?? []);
  }
  return {
    Services: services,
    Peers: peers(queries, network, tasks).map((nodeId) => {
      const node = queries.node(nodeId);
      const index = acknowledged?.get(nodeId);
      return {
        Name: node?.description?.hostname ?? nodeId,
        IP: node?.status.dataPathAddress ?? '',
        NodeID: nodeId,
        ...(acknowledged === undefined ? {} : { Acknowledged: (index ?? -1) >= version }),
      };
    }),
    EndpointVersion: version,
  };
}

/** Users' containers on the network, of all nodes: Docker shows those of the asked one alone. */
export function attachedContainers(
  queries: ClusterQueries,
  network: Network,
): Record<string, object> {
  const containers: Record<string, object> = {};
  for (const task of queries.endpointsOfNetwork(network.id)) {
    if (task.attachment === undefined || isTerminal(task.status.state)) continue;
    const own = task.networks.find(({ networkId }) => networkId === network.id);
    const of = (family: 4 | 6): string =>
      own?.addresses.find((address) => addressFamily(address.split('/')[0] ?? '') === family) ?? '';
    containers[task.attachment.containerId] = {
      Name: queries.revisionOf(task)?.spec.Name ?? '',
      EndpointID: `${network.id}.${task.id}`,
      MacAddress: '',
      IPv4Address: of(4),
      IPv6Address: of(6),
    };
  }
  return containers;
}

/** Position in the log of the last change of anything that the network's hosts are told. */
export function endpointVersion(
  queries: ClusterQueries,
  network: Network,
  tasks: readonly Task[] = queries.endpointsOfNetwork(network.id),
): number {
  const services = queries.list('service').filter((service) => isOn(service, network));
  return Math.max(network.version, ...[...tasks, ...services].map(({ version }) => version));
}

function isOn(service: Service, network: Network): boolean {
  if (service.endpoint.virtualIps.some(({ networkId }) => networkId === network.id)) return true;
  const attached = service.spec.TaskTemplate.Networks ?? [];
  return attached.some(({ Target }) => Target === network.id || Target === network.spec.Name);
}

function serviceDetails(
  queries: ClusterQueries,
  network: Network,
  service: Service,
  tasks: readonly Task[],
): object {
  const vip = service.endpoint.virtualIps.find(({ networkId }) => networkId === network.id);
  const active = tasks.filter((task) => {
    const node = queries.node(task.nodeId);
    return node !== undefined && isActive(task, node);
  });
  return {
    VIP: bare(vip?.address),
    Ports: service.endpoint.ports.map(
      (port) => `Target: ${port.TargetPort}, Publish: ${port.PublishedPort ?? 0}`,
    ),
    // Docker's number in IPVS; there is none here.
    LocalLBIndex: 0,
    Tasks: active.map((task) => taskDetails(queries, network, service, task)),
  };
}

function taskDetails(
  queries: ClusterQueries,
  network: Network,
  service: Service,
  task: Task,
): object {
  const own = task.networks.find(({ networkId }) => networkId === network.id);
  const node = queries.node(task.nodeId);
  return {
    Name: `${service.spec.Name}.${task.slot === 0 ? (task.nodeId ?? '') : task.slot}.${task.id}`,
    EndpointID: `${network.id}.${task.id}`,
    EndpointIP: bare(own?.addresses[0]),
    Info: { 'Host IP': node?.status.dataPathAddress ?? '' },
  };
}

/** Hosts with tasks on the network; on ingress all that are up. */
function peers(queries: ClusterQueries, network: Network, tasks: readonly Task[]): string[] {
  const found = new Set<string>();
  if (network.spec.Ingress === true) {
    for (const node of queries.list('node')) if (node.status.state !== 'down') found.add(node.id);
    return [...found].sort();
  }
  for (const { nodeId, status } of tasks) {
    const here = TASK_STATE[status.state] >= TASK_STATE.assigned && !isTerminal(status.state);
    if (here && nodeId !== undefined) found.add(nodeId);
  }
  return [...found].sort();
}

function bare(address: string | undefined): string {
  return address?.split('/')[0] ?? '';
}
