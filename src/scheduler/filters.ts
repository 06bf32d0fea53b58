// The scheduler's filters, in order. Each checks one node and can say, for all nodes it turned away,
// why; the sentence that users read in `service ps` is put together from these.
import {
  matchesConstraints,
  parseConstraint,
  platformMatches,
  type Node,
  type ServiceSpec,
} from '../model/index.ts';
import type { Demand, NodeRecord } from './node-record.ts';

/** One rule that nodes have to keep. */
export interface Filter {
  /** Whether a task placed on a node can change what `fits` says of it. */
  readonly fillsUp: boolean;
  /** False as well for a node of which it can't read what it needs. */
  fits(record: NodeRecord): boolean;
  /** Why `count` nodes were turned away. */
  explain(count: number): string;
}

/**
 * The filters that a task of this spec has to pass, cheapest and commonest first (SwarmKit's order).
 * Raises `invalid` for a constraint that can't be parsed.
 */
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
    ...filter,
    fits: (record) => {
      try {
        return filter.fits(record);
      } catch {
        return false;
      }
    },
  };
}

/** Asks once for each state of a node: a change makes a new object. */
export function oncePerNode<T>(look: (node: Node) => T): (node: Node) => T {
  const known = new WeakMap<Node, { readonly answer: T }>();
  return (node) => {
    let found = known.get(node);
    if (found === undefined) known.set(node, (found = { answer: look(node) }));
    return found.answer;
  };
}

const nodes = (count: number): string => `${count} node${count === 1 ? '' : 's'}`;

function readyFilter(): Filter {
  return {
    fillsUp: false,
    fits: ({ node }) => node.status.state === 'ready' && node.spec.Availability === 'active',
    explain: (count) => `${nodes(count)} not available for new tasks`,
  };
}

function resourceFilter(demand: Demand): Filter {
  return {
    fillsUp: true,
    fits: (record) =>
      record.freeNanoCpus >= demand.nanoCpus && record.freeMemoryBytes >= demand.memoryBytes,
    explain: (count) => `insufficient resources on ${nodes(count)}`,
  };
}

function encryptionFilter(): Filter {
  return {
    fillsUp: false,
    fits: ({ node }) => node.description?.encryption !== undefined,
    explain: (count) => `no encrypted networks (WireGuard is missing) on ${nodes(count)}`,
  };
}

function constraintFilter(expressions: readonly string[]): Filter {
  const constraints = expressions.map(parseConstraint);
  const matches = oncePerNode((node) => matchesConstraints(node, constraints));
  return {
    fillsUp: false,
    fits: ({ node }) => matches(node),
    explain: (count) => `scheduling constraints not satisfied on ${nodes(count)}`,
  };
}

function platformFilter(platforms: readonly { Architecture?: string; OS?: string }[]): Filter {
  const matches = oncePerNode(({ description }) => {
    const platform = description?.platform;
    return platform !== undefined && platforms.some((wanted) => platformMatches(wanted, platform));
  });
  return {
    fillsUp: false,
    fits: ({ node }) => matches(node),
    explain: (count) => `unsupported platform on ${nodes(count)}`,
  };
}

function hostPortFilter(ports: readonly string[]): Filter {
  return {
    fillsUp: true,
    fits: (record) => ports.every((port) => !record.hasPort(port)),
    explain: (count) => `host-mode port already in use on ${nodes(count)}`,
  };
}

function maxReplicasFilter(serviceId: string, maxReplicas: number): Filter {
  return {
    fillsUp: true,
    fits: (record) => record.tasksOf(serviceId) < maxReplicas,
    explain: (count) => `max replicas per node limit exceed on ${nodes(count)}`,
  };
}
