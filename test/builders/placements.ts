// Small worlds for the scheduler: nodes that have some tasks already, rules, and where tasks then go.
import type { ServiceSpec } from '../../src/model/index.ts';
import { NodeRecord, type Demand } from '../../src/scheduler/node-record.ts';
import {
  GroupPlacer,
  placementRules,
  type PlacementRules,
  type Placements,
} from '../../src/scheduler/scheduler.ts';
import { aNode, taskIn, type NodeTraits } from './cluster-objects.ts';
import { aServiceSpec } from './specs.ts';

/** When everything is placed, in ms since 1970. */
export const NOW = 10_000_000;
/** What tasks take that reserve nothing. */
export const NOTHING: Demand = { nanoCpus: 0, memoryBytes: 0, hostPorts: [] };

/** What a spec asks of nodes. */
export type Placement = NonNullable<ServiceSpec['TaskTemplate']['Placement']>;

/** Of service `s` at revision `r`. */
export function rulesOf(Placement: Placement = {}, demand: Partial<Demand> = {}): PlacementRules {
  const spec = aServiceSpec({ TaskTemplate: { ContainerSpec: { Image: 'i' }, Placement } });
  const full = { ...NOTHING, ...demand };
  return placementRules({ serviceId: 's', revisionId: 'r', spec, demand: full });
}

/** Places tasks on nodes that nobody else changes. */
export function placeTasks(
  records: readonly NodeRecord[],
  rules: PlacementRules,
  ids: readonly string[],
  now: number,
): Placements {
  return new GroupPlacer(rules).place({ records, version: 0 }, ids, now);
}

/** Preferences for these labels of nodes, the first first. */
export const spreadOver = (...labels: readonly string[]): Placement => ({
  Preferences: labels.map((label) => ({ Spread: { SpreadDescriptor: `node.labels.${label}` } })),
});

/** `t0`, `t1` and so on. */
export const taskIds = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `t${i}`);

/** A node before anything is placed. */
export interface Start {
  readonly traits?: NodeTraits;
  /** Tasks of the service, and of others, that it has already. */
  readonly own?: number;
  readonly other?: number;
  /** Failures of the revision, just now. */
  readonly failures?: number;
}

/** The record of a node that starts so. */
export function recordOf(id: string, { traits, own = 0, other = 0, failures = 0 }: Start = {}) {
  const record = new NodeRecord(aNode(id, traits));
  for (let i = 0; i < own; i++) record.take(`${id}-own${i}`, 's', NOTHING);
  for (let i = 0; i < other; i++) record.take(`${id}-other${i}`, 'other', NOTHING);
  for (let i = 0; i < failures; i++) {
    record.put(taskIn(`${id}-failed${i}`, 'failed', id, {}, NOW - 1_000), NOTHING);
  }
  return record;
}

/** Tasks that each node got, as "a:2 b:1"; nodes that got none are left out. */
export function placedOn(
  starts: Readonly<Record<string, Start>>,
  rules: PlacementRules,
  count: number,
): string {
  const records = Object.entries(starts).map(([id, start]) => recordOf(id, start));
  const { placed } = placeTasks(records, rules, taskIds(count), NOW);
  const counts = new Map<string, number>();
  for (const nodeId of placed.values()) counts.set(nodeId, (counts.get(nodeId) ?? 0) + 1);
  return [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([id, got]) => `${id}:${got}`)
    .join(' ');
}
