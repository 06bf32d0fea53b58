// Places groups of equal tasks on nodes: a pure function from (nodes, group) to placements, and, for
// what found no place, the sentence that says why. Knows no store and no clock.
import type { ServiceSpec } from '../model/index.ts';
import { filtersFor } from './filters.ts';
import { withTask, type Demand, type NodeInfo } from './node-info.ts';
import { compareNodes } from './ranking.ts';
import { leastLoadedBranch } from './spread.ts';

export interface TaskGroup {
  readonly serviceId: string;
  readonly revisionId: string;
  readonly spec: ServiceSpec;
  readonly demand: Demand;
  readonly taskIds: readonly string[];
}

export interface Placements {
  /** Task id → node id. */
  readonly placed: ReadonlyMap<string, string>;
  /** For every task without a place. */
  readonly explanation: string | undefined;
}

/** Places as many tasks of the group as fit; `infos` is updated with what was placed. */
export function placeGroup(
  infos: Map<string, NodeInfo>,
  group: TaskGroup,
  now: number,
): Placements {
  const filters = filtersFor(group.spec, group.serviceId, group.demand);
  const descriptors = (group.spec.TaskTemplate.Placement?.Preferences ?? []).flatMap(
    (preference) => (preference.Spread ? [preference.Spread.SpreadDescriptor] : []),
  );
  const fitting = new Set<string>();
  for (const info of infos.values())
    if (filters.every((f) => f.fits(info))) fitting.add(info.node.id);
  const placed = new Map<string, string>();
  for (const taskId of group.taskIds) {
    const candidates = [...fitting].flatMap((id) => infos.get(id) ?? []);
    const branch = leastLoadedBranch(candidates, descriptors, group.serviceId);
    const best = pick(branch, group, now);
    if (best === undefined) break;
    const next = withTask(best, group.serviceId, group.demand);
    infos.set(next.node.id, next);
    if (!filters.every((f) => f.fits(next))) fitting.delete(next.node.id);
    placed.set(taskId, next.node.id);
  }
  const explanation = placed.size < group.taskIds.length ? explain(infos, group) : undefined;
  return { placed, explanation };
}

function pick(
  candidates: readonly NodeInfo[],
  group: TaskGroup,
  now: number,
): NodeInfo | undefined {
  let best: NodeInfo | undefined;
  for (const info of candidates) {
    if (!best || compareNodes(info, best, group.serviceId, group.revisionId, now) < 0) best = info;
  }
  return best;
}

/** "no suitable node (insufficient resources on 2 nodes; …)", as Docker words it. */
export function explain(infos: ReadonlyMap<string, NodeInfo>, group: TaskGroup): string {
  const filters = filtersFor(group.spec, group.serviceId, group.demand);
  const counts = filters.map(() => 0);
  for (const info of infos.values()) {
    const failed = filters.findIndex((filter) => !filter.fits(info));
    if (failed >= 0) counts[failed] = (counts[failed] ?? 0) + 1;
  }
  const reasons = filters.flatMap((filter, i) => {
    const count = counts[i] ?? 0;
    return count > 0 ? [filter.explain(count)] : [];
  });
  return reasons.length > 0 ? `no suitable node (${reasons.join('; ')})` : 'no suitable node';
}
