// The nodes that a group of equal tasks may go to, best first. Placement preferences make branches of
// them, level by level: at each the branch with the fewest tasks of the service is taken, and nodes
// without the label form a branch of their own. Within the last one nodes where the revision keeps
// failing come last, then the fewest tasks of the service count, then the fewest in all. Real load plays
// no part (as in SwarmKit).
//
// Every branch is a heap, and so are its branches: a placement changes the least of each on the way down,
// and so costs the logarithm of the number of nodes.
import { Heap } from '../base/index.ts';
import type { Node } from '../model/index.ts';
import type { NodeRecord } from './node-record.ts';

/** What decides among the nodes of a branch, with the placements of this group. */
interface Candidate {
  readonly record: NodeRecord;
  readonly avoided: boolean;
  /** Tasks of the service. */
  own: number;
  /** Tasks in all. */
  total: number;
}

/** Nodes that are alike to all preferences so far, in the branches of the next one. */
interface Branch {
  readonly value: string;
  /** Tasks of the service on the nodes that are left in it. */
  tasks: number;
  readonly parts: Heap<Branch> | undefined;
  readonly nodes: Heap<Candidate>;
}

/** Tells the value of a node that decides about its branch; '' where it has none. */
export type BranchOf = (node: Node) => string;

/** What the order is made for. */
export interface Ranking {
  readonly serviceId: string;
  readonly revisionId: string;
  /** Placement preferences, the first first. */
  readonly spreadBy: readonly BranchOf[];
}

/** Hands out nodes one task at a time. */
export class Candidates {
  readonly #root: Branch;

  /** Of `records`, which all fit; `now` in ms since 1970. */
  constructor(records: readonly NodeRecord[], ranking: Ranking, now: number) {
    const { serviceId, revisionId } = ranking;
    const candidates = records.map((record): Candidate => {
      const avoided = record.avoids(revisionId, now);
      return { record, avoided, own: record.tasksOf(serviceId), total: record.taskCount };
    });
    this.#root = branch('', candidates, ranking.spreadBy);
  }

  /**
   * Gives the best node one task of the service: `give` places it, and says whether the node may get
   * another one. False when no node is left.
   */
  place(give: (record: NodeRecord) => boolean): boolean {
    return placeIn(this.#root, give);
  }
}

function branch(
  value: string,
  candidates: readonly Candidate[],
  spreadBy: readonly BranchOf[],
): Branch {
  const tasks = candidates.reduce((sum, { own }) => sum + own, 0);
  const [branchOf, ...others] = spreadBy;
  if (branchOf === undefined) {
    return { value, tasks, parts: undefined, nodes: new Heap(isBetter, candidates) };
  }
  const groups = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const part = branchOf(candidate.record.node);
    const group = groups.get(part);
    if (group === undefined) groups.set(part, [candidate]);
    else group.push(candidate);
  }
  const parts = [...groups].map(([part, group]) => branch(part, group, others));
  return { value, tasks, parts: new Heap(hasFewer, parts), nodes: new Heap(isBetter) };
}

const isEmpty = ({ parts, nodes }: Branch): boolean => (parts ?? nodes).size === 0;

function placeIn(branch: Branch, give: (record: NodeRecord) => boolean): boolean {
  if (branch.parts === undefined) return placeOn(branch, give);
  const part = branch.parts.peek();
  if (part === undefined) return false;
  const before = part.tasks;
  placeIn(part, give);
  branch.tasks += part.tasks - before;
  if (isEmpty(part)) branch.parts.pop();
  else branch.parts.topChanged();
  return true;
}

function placeOn(branch: Branch, give: (record: NodeRecord) => boolean): boolean {
  const best = branch.nodes.peek();
  if (best === undefined) return false;
  if (give(best.record)) {
    best.own++;
    best.total++;
    branch.tasks++;
    branch.nodes.topChanged();
  } else {
    // A full node counts no more in its branch.
    branch.tasks -= best.own;
    branch.nodes.pop();
  }
  return true;
}

/** The node id decides ties, so that plans can be replayed. */
function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.avoided !== b.avoided) return b.avoided;
  if (a.own !== b.own) return a.own < b.own;
  if (a.total !== b.total) return a.total < b.total;
  return a.record.node.id < b.record.node.id;
}

/** Ties go by the value, for the same reason. */
function hasFewer(a: Branch, b: Branch): boolean {
  return a.tasks === b.tasks ? a.value < b.value : a.tasks < b.tasks;
}
