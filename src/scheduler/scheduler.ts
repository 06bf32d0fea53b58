// Places groups of equal tasks on nodes: a pure function from (nodes, group) to placements, and, for
// what found no place, the sentence that says why. Knows no store and no clock.
import { valueOf, type ServiceSpec } from '../model/index.ts';
import { Candidates, type BranchOf, type Ranking } from './candidates.ts';
import { filtersFor, oncePerNode, type Filter } from './filters.ts';
import type { Demand, NodeRecord } from './node-record.ts';

/** What all tasks of a revision have to keep to, worked out once: it remembers what it saw of nodes. */
export interface PlacementRules extends Ranking {
  readonly demand: Demand;
  readonly filters: readonly Filter[];
}

/** What rules are made of. */
export interface RuleSource {
  readonly serviceId: string;
  readonly revisionId: string;
  readonly spec: ServiceSpec;
  readonly demand: Demand;
}

/** The result for one group. */
export interface Placements {
  /** Task id → node id. */
  readonly placed: ReadonlyMap<string, string>;
  /** For every task without a place; undefined when all have one. */
  readonly explanation: string | undefined;
}

/** Raises `invalid` for a spec whose constraints can't be parsed. */
export function placementRules({
  serviceId,
  revisionId,
  spec,
  demand,
}: RuleSource): PlacementRules {
  const preferences = spec.TaskTemplate.Placement?.Preferences ?? [];
  const spreadBy = preferences.flatMap(({ Spread }) =>
    Spread ? [branchOf(Spread.SpreadDescriptor)] : [],
  );
  const filters = filtersFor(spec, serviceId, demand);
  return { serviceId, revisionId, demand, filters, spreadBy };
}

/** What can't be read of a node is as if it had no such label. */
function branchOf(descriptor: string): BranchOf {
  return oncePerNode((node) => {
    try {
      return valueOf(node, descriptor);
    } catch {
      return '';
    }
  });
}

/** Whether a task may go to this node. */
export function fits(record: NodeRecord, { filters }: PlacementRules): boolean {
  return filters.every((filter) => filter.fits(record));
}

/** The nodes of the cluster. */
export interface NodeSet {
  readonly records: Iterable<NodeRecord>;
  /** Grows with every change of a record, and with every node that comes, goes or changes. */
  version: number;
}

/** Candidates are made anew after this time, since failures are forgotten. */
const CANDIDATES_MAX_AGE_MS = 10_000;

interface Kept {
  readonly candidates: Candidates;
  readonly madeAt: number;
  /** The version of the nodes of which they are the candidates. */
  version: number;
}

/** Places the tasks of one revision, some at a time. Goes on where it was when nothing else has changed. */
export class GroupPlacer {
  readonly rules: PlacementRules;
  readonly #filling: readonly Filter[];
  #kept: Kept | undefined;

  constructor(rules: PlacementRules) {
    this.rules = rules;
    this.#filling = rules.filters.filter(({ fillsUp }) => fillsUp);
  }

  /** Whether tasks that found no node may find one once others are gone. */
  get canMakeRoom(): boolean {
    return this.#filling.length > 0;
  }

  /**
   * Places as many of these tasks as fit, in their order; the records of `nodes` have them then. `now`
   * in ms since 1970.
   */
  place(nodes: NodeSet, taskIds: readonly string[], now: number): Placements {
    const { serviceId, demand } = this.rules;
    const kept = this.#candidates(nodes, now);
    const placed = new Map<string, string>();
    for (const taskId of taskIds) {
      const found = kept.candidates.place((record) => {
        record.take(taskId, serviceId, demand);
        placed.set(taskId, record.node.id);
        return this.#filling.every((filter) => filter.fits(record));
      });
      if (!found) break;
    }
    // What it did itself, it knows.
    if (placed.size > 0) kept.version = ++nodes.version;
    const missing = placed.size < taskIds.length;
    return { placed, explanation: missing ? explain(nodes.records, this.rules) : undefined };
  }

  #candidates({ records, version }: NodeSet, now: number): Kept {
    const kept = this.#kept;
    const age = now - (kept?.madeAt ?? -Infinity);
    if (kept?.version === version && age >= 0 && age < CANDIDATES_MAX_AGE_MS) return kept;
    const fitting: NodeRecord[] = [];
    for (const record of records) if (fits(record, this.rules)) fitting.push(record);
    const candidates = new Candidates(fitting, this.rules, now);
    return (this.#kept = { candidates, madeAt: now, version });
  }
}

/** "no suitable node (insufficient resources on 2 nodes; …)", as Docker words it. */
export function explain(records: Iterable<NodeRecord>, { filters }: PlacementRules): string {
  const counts = filters.map(() => 0);
  for (const record of records) {
    const failed = filters.findIndex((filter) => !filter.fits(record));
    if (failed >= 0) counts[failed] = (counts[failed] ?? 0) + 1;
  }
  const reasons = filters.flatMap((filter, i) => {
    const count = counts[i] ?? 0;
    return count > 0 ? [filter.explain(count)] : [];
  });
  return reasons.length > 0 ? `no suitable node (${reasons.join('; ')})` : 'no suitable node';
}
