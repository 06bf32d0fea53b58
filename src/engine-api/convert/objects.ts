// The cluster's objects in the shapes of Docker's API. Pure. Go clients dereference without asking:
// counts, endpoint specs, labels and times are always filled.
import {
  TASK_STATE,
  VNI_OPTION,
  isPredefinedNetwork,
  specIndexOf,
  type Cluster,
  type Config,
  type Meta,
  type Network,
  type Node,
  type Secret,
  type Service,
  type ServiceSpec,
  type Task,
  type TaskSpec,
  modeOf,
} from '../../model/index.ts';
import type { ClusterQueries } from '../../manager/index.ts';

/** RFC 3339; Docker's zero time for "never". */
export function timeText(ms: number | undefined): string {
  return ms === undefined ? '0001-01-01T00:00:00Z' : new Date(ms).toISOString();
}

/** `index`: what updates of the object have to name. */
function metaOf(object: Meta, index = specIndexOf(object)): object {
  return {
    ID: object.id,
    Version: { Index: index },
    CreatedAt: timeText(object.createdAt),
    UpdatedAt: timeText(object.updatedAt),
  };
}

export function serviceToApi(service: Service): object {
  const { endpoint, updateStatus } = service;
  return {
    ...metaOf(service),
    Spec: specToApi(service.spec),
    ...(service.previousSpec ? { PreviousSpec: specToApi(service.previousSpec) } : {}),
    Endpoint: {
      Spec: { Mode: 'vip', ...service.spec.EndpointSpec },
      ...(endpoint.ports.length > 0 ? { Ports: endpoint.ports } : {}),
      ...(endpoint.virtualIps.length > 0
        ? {
            VirtualIPs: endpoint.virtualIps.map((vip) => ({
              NetworkID: vip.networkId,
              Addr: vip.address,
            })),
          }
        : {}),
    },
    ...updateStatusToApi(updateStatus, endpoint.error),
  };
}

/** Docker has no better place to say why a service can't get its ports, addresses or tasks. */
function updateStatusToApi(status: Service['updateStatus'], error: string | undefined): object {
  if (status === undefined) return error === undefined ? {} : { UpdateStatus: { Message: error } };
  return {
    UpdateStatus: {
      State: status.state,
      StartedAt: timeText(status.startedAt),
      ...(status.completedAt ? { CompletedAt: timeText(status.completedAt) } : {}),
      Message: error ?? status.message,
    },
  };
}

function specToApi(spec: ServiceSpec): object {
  return {
    ...spec,
    Labels: spec.Labels ?? {},
    TaskTemplate: {
      ForceUpdate: 0,
      Runtime: 'container',
      Resources: {},
      Placement: {},
      ...templateToApi(spec.TaskTemplate),
    },
  };
}

/** Docker says what is isolated how, whether or not somebody asked. */
function templateToApi(template: TaskSpec): object {
  return { ...template, ContainerSpec: { ...template.ContainerSpec, Isolation: 'default' } };
}

/** With `insertDefaults`: the groups that the user left open, as they take effect. */
export function withSpecDefaults(service: Service): Service {
  const { spec } = service;
  const update = {
    Parallelism: 1,
    FailureAction: 'pause',
    Monitor: 5e9,
    MaxFailureRatio: 0,
    Order: 'stop-first',
  } as const;
  return {
    ...service,
    spec: {
      ...spec,
      TaskTemplate: {
        ...spec.TaskTemplate,
        RestartPolicy: {
          Condition: 'any',
          Delay: 5e9,
          MaxAttempts: 0,
          ...spec.TaskTemplate.RestartPolicy,
        },
        ContainerSpec: {
          StopGracePeriod: 10e9,
          DNSConfig: {},
          ...spec.TaskTemplate.ContainerSpec,
        },
      },
      UpdateConfig: { ...update, ...spec.UpdateConfig },
      RollbackConfig: { ...update, ...spec.RollbackConfig },
    },
  };
}

/** Running, desired and completed tasks, as `service ls` shows them. */
export function serviceStatus(queries: ClusterQueries, service: Service): object {
  let running = 0;
  let wanted = 0;
  for (const task of queries.tasksOfService(service.id)) {
    const nodeDown = queries.node(task.nodeId)?.status.state === 'down';
    if (task.status.state === 'running' && task.desiredState === 'running' && !nodeDown) running++;
    if (task.desiredState === 'running') wanted++;
  }
  const mode = modeOf(service.spec);
  const desired = mode.kind === 'replicated' ? mode.replicas : wanted;
  return { RunningTasks: running, DesiredTasks: desired, CompletedTasks: 0 };
}

export function taskToApi(queries: ClusterQueries, task: Task): object {
  const revision = queries.revisionOf(task);
  const { status } = task;
  const container = status.container;
  return {
    // A task has no spec of its own: its version is that of its last change.
    ...metaOf(task, task.version),
    Labels: {},
    Spec: revision ? templateToApi(revision.spec.TaskTemplate) : { ContainerSpec: {} },
    ServiceID: task.serviceId,
    ...(task.slot > 0 ? { Slot: task.slot } : {}),
    ...(task.nodeId === undefined ? {} : { NodeID: task.nodeId }),
    Status: {
      Timestamp: timeText(status.timestamp),
      State: status.state,
      Message: status.message,
      ...(status.error === undefined ? {} : { Err: status.error }),
      ...(container
        ? {
            ContainerStatus: {
              ContainerID: container.id,
              PID: container.pid,
              ExitCode: container.exitCode,
            },
          }
        : {}),
      PortStatus: status.ports ? { Ports: status.ports } : {},
    },
    DesiredState: task.desiredState,
    NetworksAttachments: task.networks.flatMap((attachment) => {
      const network = queries.network(attachment.networkId);
      return network ? [{ Network: networkObject(network), Addresses: attachment.addresses }] : [];
    }),
  };
}

function networkObject(network: Network): object {
  const { IPAM, Driver, ...spec } = network.spec;
  return {
    ...metaOf(network),
    Spec: {
      ...spec,
      DriverConfiguration: { Name: Driver },
      IPAMOptions: { Driver: { Name: 'default' }, Configs: IPAM?.Config ?? [] },
      Scope: 'swarm',
    },
    DriverState: { Name: Driver, Options: vniOption(network) },
    IPAMOptions: {
      Driver: { Name: 'default' },
      Configs: network.subnets.map(({ subnet, gateway }) => ({ Subnet: subnet, Gateway: gateway })),
    },
  };
}

function vniOption(network: Network): Record<string, string> {
  return network.vni === undefined ? {} : { [VNI_OPTION]: String(network.vni) };
}

/** The shape of GET /networks; ids are spelled `Id` here and nowhere else. */
export function networkToApi(network: Network): object {
  const { spec } = network;
  return {
    Name: spec.Name,
    Id: network.id,
    Created: timeText(network.createdAt),
    Scope: 'swarm',
    Driver: spec.Driver,
    EnableIPv4: true,
    EnableIPv6: spec.EnableIPv6 === true,
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: network.subnets.map(({ subnet, gateway }) => ({ Subnet: subnet, Gateway: gateway })),
    },
    Internal: spec.Internal === true,
    Attachable: spec.Attachable === true,
    Ingress: spec.Ingress === true,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: null,
    Options: { ...spec.Options, ...vniOption(network) },
    Labels: spec.Labels ?? {},
  };
}

export function predefinedNetworkToApi(name: string): object {
  return {
    Name: name,
    Id: name,
    Created: timeText(undefined),
    Scope: 'local',
    Driver: isPredefinedNetwork(name) && name === 'none' ? 'null' : name,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  };
}

export interface NodeView {
  readonly leaderId: string | undefined;
  reachability(nodeId: string): 'unknown' | 'reachable' | 'unreachable';
  readonly tls: {
    readonly trustRoot: string;
    readonly subject: string;
    readonly publicKey: string;
  };
}

export function nodeToApi(node: Node, cluster: NodeView): object {
  const { description, status } = node;
  const isLeader = node.id === cluster.leaderId;
  return {
    ...metaOf(node),
    Spec: { Labels: {}, ...node.spec },
    Description: {
      Hostname: description?.hostname ?? '',
      Platform: {
        Architecture: description?.platform.architecture ?? '',
        OS: description?.platform.os ?? '',
      },
      Resources: {
        NanoCPUs: description?.resources.nanoCpus ?? 0,
        MemoryBytes: description?.resources.memoryBytes ?? 0,
      },
      Engine: {
        EngineVersion: description?.engine.version ?? '',
        Labels: description?.engine.labels ?? {},
        Plugins:
          description?.engine.plugins.map(({ type, name }) => ({ Type: type, Name: name })) ?? [],
      },
      TLSInfo: tlsToApi(cluster.tls),
    },
    Status: {
      State: status.state,
      Message: status.message,
      Addr: status.address.replace(/:\d+$/, ''),
    },
    ...(node.manager
      ? {
          ManagerStatus: {
            ...(isLeader ? { Leader: true } : {}),
            Reachability: cluster.reachability(node.id),
            Addr: node.manager.address,
          },
        }
      : {}),
  };
}

export function tlsToApi(tls: NodeView['tls']): object {
  return {
    TrustRoot: tls.trustRoot,
    CertIssuerSubject: tls.subject,
    CertIssuerPublicKey: tls.publicKey,
  };
}

/** Without join tokens; GET /swarm adds them. */
export function clusterToApi(cluster: Cluster, tls: NodeView['tls']): object {
  return {
    ...metaOf(cluster),
    Spec: { ...cluster.spec, TaskDefaults: {} },
    TLSInfo: tlsToApi(tls),
    RootRotationInProgress: false,
    DefaultAddrPool: cluster.addressPools,
    SubnetSize: cluster.subnetSize,
    DataPathPort: cluster.dataPathPort,
  };
}

export function secretToApi(secret: Secret): object {
  return { ...metaOf(secret), Spec: { Labels: {}, ...secret.spec } };
}

/** Config payloads can be read, unlike those of secrets. */
export function configToApi(config: Config, data: string): object {
  return { ...metaOf(config), Spec: { Labels: {}, ...config.spec, Data: data } };
}

/** Tasks in the order in which people read them: by slot, newest first. */
export function compareTasks(a: Task, b: Task): number {
  return (
    a.slot - b.slot ||
    b.createdAt - a.createdAt ||
    TASK_STATE[b.status.state] - TASK_STATE[a.status.state]
  );
}
