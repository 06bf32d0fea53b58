// Placement preferences: an ordered list of labels over whose values tasks are spread evenly. At each
// level the branch with the fewest tasks of the service is taken; nodes without the label form a
// branch of their own.
import { valueOf } from '../model/index.ts';
import type { NodeInfo } from './node-info.ts';

/** The candidates that are left once every preference has chosen its least loaded branch. */
export function leastLoadedBranch(
  candidates: readonly NodeInfo[],
  descriptors: readonly string[],
  serviceId: string,
): readonly NodeInfo[] {
  let left = candidates;
  for (const descriptor of descriptors) {
    const branches = new Map<string, NodeInfo[]>();
    for (const info of left) {
      const value = branchOf(info, descriptor);
      const branch = branches.get(value);
      if (branch) branch.push(info);
      else branches.set(value, [info]);
    }
    left = fewestTasks([...branches.values()], serviceId);
  }
  return left;
}

/** What can't be read of a node is as if it had no such label. */
function branchOf({ node }: NodeInfo, descriptor: string): string {
  try {
    return valueOf(node, descriptor);
  } catch {
    return '';
  }
}

function fewestTasks(branches: readonly NodeInfo[][], serviceId: string): readonly NodeInfo[] {
  let best: readonly NodeInfo[] = [];
  let bestCount = Infinity;
  for (const branch of branches) {
    const count = branch.reduce((sum, info) => sum + (info.tasksByService.get(serviceId) ?? 0), 0);
    if (count < bestCount) [best, bestCount] = [branch, count];
  }
  return best;
}
