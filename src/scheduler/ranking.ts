// The order in which fitting nodes are tried: nodes where this revision keeps failing last, then the
// fewest tasks of the service, then the fewest tasks in all. Real load plays no part (as in SwarmKit).
import { FAILURES_TO_AVOID, FAILURE_WINDOW_MS, type NodeInfo } from './node-info.ts';

/** Negative when `a` is the better node. The node id decides ties, so that plans can be replayed. */
export function compareNodes(
  a: NodeInfo,
  b: NodeInfo,
  serviceId: string,
  revisionId: string,
  now: number,
): number {
  return (
    Number(isAvoided(a, revisionId, now)) - Number(isAvoided(b, revisionId, now)) ||
    (a.tasksByService.get(serviceId) ?? 0) - (b.tasksByService.get(serviceId) ?? 0) ||
    a.taskCount - b.taskCount ||
    (a.node.id < b.node.id ? -1 : 1)
  );
}

function isAvoided(info: NodeInfo, revisionId: string, now: number): boolean {
  const times = info.failures.get(revisionId) ?? [];
  return times.filter((time) => time > now - FAILURE_WINDOW_MS).length >= FAILURES_TO_AVOID;
}
