// What the runtime is told of a run of a user's container: what is asked for in the form of a service's task, so
// that everything behind is the same. Pure.
import { SwarmError, type Random } from '../../base/index.ts';
import {
  isPredefinedNetwork,
  type ContainerConfig,
  type ContainerNetworkConfig,
  type PortConfig,
  type TaskAssignment,
  type TaskNetwork,
} from '../../model/index.ts';
import type { TaskContext } from '../runtime/index.ts';
import type { ContainerRecord } from './record.ts';

/** Where Linux takes ports for those who name none. */
const FIRST_FREE_PORT = 32_768;
const LAST_FREE_PORT = 60_999;

/** Networks that managers give addresses on. */
export function clusterNetworks({ networks }: ContainerConfig): ContainerNetworkConfig[] {
  return networks.filter(({ target }) => !isPredefinedNetwork(target));
}

/** In the order asked for; `assigned` are those of the cluster, in that order too. */
function networksOf(
  { networks }: ContainerConfig,
  assigned: readonly TaskNetwork[],
): readonly TaskNetwork[] {
  const given = [...assigned];
  return networks.map(({ target, aliases }) => {
    if (isPredefinedNetwork(target)) return { networkId: target, addresses: [], aliases };
    const next = given.shift();
    if (next === undefined) {
      throw new SwarmError('unavailable', `network ${target}: the managers gave no address`);
    }
    return next;
  });
}

/** Ports without a number get one; whether it is free shows when it is claimed. */
export function choosePorts(ports: readonly PortConfig[], random: Random): PortConfig[] {
  return ports.map((port) => {
    if (port.PublishedPort) return port;
    const PublishedPort = FIRST_FREE_PORT + random.below(LAST_FREE_PORT - FIRST_FREE_PORT + 1);
    return { ...port, PublishedPort };
  });
}

export function runContext(
  { key, id, config, ports }: ContainerRecord,
  assigned: TaskAssignment | undefined,
  node: TaskContext['node'],
): TaskContext {
  const { name, spec, limits, logDriver } = config;
  const nameservers = spec.DNSConfig?.Nameservers ?? [];
  return {
    task: {
      id: key,
      serviceId: '',
      serviceName: name,
      slot: 0,
      nodeId: '',
      revisionId: '',
      desiredState: 'running',
      networks: networksOf(config, assigned?.networks ?? []),
      hostPorts: ports,
      publishesIngress: false,
      attachment: { containerId: id },
      ...(nameservers.length > 0 && { nameservers }),
    },
    revision: {
      id: '',
      serviceId: '',
      spec: {
        Name: name,
        TaskTemplate: {
          ContainerSpec: spec,
          ...(limits && { Resources: { Limits: limits } }),
          ...(logDriver && { LogDriver: logDriver }),
        },
        Mode: {},
      },
    },
    payload: () => undefined,
    node,
    container: { name },
  };
}
