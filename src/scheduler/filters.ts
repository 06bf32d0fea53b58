// The scheduler's filters, in order. Each checks one node and can say, for all nodes it turned away,
// why; the sentence that users read in `service ps` is put together from these.
import {
  matchesConstraints,
  parseConstraint,
  platformMatches,
  type ServiceSpec,
} from '../model/index.ts';
import type { Demand, NodeInfo } from './node-info.ts';

export interface Filter {
  fits(info: NodeInfo): boolean;
  /** Why `count` nodes were turned away. */
  explain(count: number): string;
}

/** The filters that a task of this spec has to pass, cheapest and commonest first (SwarmKit's order). */
export function filtersFor(spec: ServiceSpec, serviceId: string, demand: Demand): Filter[] {
  const filters = [readyFilter()];
  if (demand.nanoCpus > 0 || demand.memoryBytes > 0) filters.push(resourceFilter(demand));
  const placement = spec.TaskTemplate.Placement;
  if (placement?.Constraints?.length) filters.push(constraintFilter(placement.Constraints));
  if (placement?.Platforms?.length) filters.push(platformFilter(placement.Platforms));
  if (demand.hostPorts.length > 0) filters.push(hostPortFilter(demand.hostPorts));
  if (demand.encrypted === true) filters.push(encryptionFilter());
  if (placement?.MaxReplicas) filters.push(maxReplicasFilter(serviceId, placement.MaxReplicas));
  return filters.map(careful);
}

/** A node of which a filter can't read what it needs does not fit; the others are looked at. */
function careful(filter: Filter): Filter {
  return {
    fits: (info) => {
      try {
        return filter.fits(info);
      } catch {
        return false;
      }
    },
    explain: (count) => filter.explain(count),
  };
}

const nodes = (count: number): string => `${count} node${count === 1 ? '' : 's'}`;

function readyFilter(): Filter {
  return {
    fits: ({ node }) => node.status.state === 'ready' && node.spec.Availability === 'active',
    explain: (count) => `${nodes(count)} not available for new tasks`,
  };
}

function resourceFilter(demand: Demand): Filter {
  return {
    fits: (info) =>
      info.freeNanoCpus >= demand.nanoCpus && info.freeMemoryBytes >= demand.memoryBytes,
    explain: (count) => `insufficient resources on ${nodes(count)}`,
  };
}

function encryptionFilter(): Filter {
  return {
    fits: ({ node }) => node.description?.encryption !== undefined,
    explain: (count) => `no encrypted networks (WireGuard is missing) on ${nodes(count)}`,
  };
}

function constraintFilter(expressions: readonly string[]): Filter {
  const constraints = expressions.map(parseConstraint);
  return {
    fits: ({ node }) => matchesConstraints(node, constraints),
    explain: (count) => `scheduling constraints not satisfied on ${nodes(count)}`,
  };
}

function platformFilter(platforms: readonly { Architecture?: string; OS?: string }[]): Filter {
  return {
    fits: ({ node }) => {
      const platform = node.description?.platform;
      return (
        platform !== undefined && platforms.some((wanted) => platformMatches(wanted, platform))
      );
    },
    explain: (count) => `unsupported platform on ${nodes(count)}`,
  };
}

function hostPortFilter(ports: readonly string[]): Filter {
  return {
    fits: (info) => ports.every((port) => !info.hostPorts.has(port)),
    explain: (count) => `host-mode port already in use on ${nodes(count)}`,
  };
}

function maxReplicasFilter(serviceId: string, maxReplicas: number): Filter {
  return {
    fits: (info) => (info.tasksByService.get(serviceId) ?? 0) < maxReplicas,
    explain: (count) => `max replicas per node limit exceed on ${nodes(count)}`,
  };
}
