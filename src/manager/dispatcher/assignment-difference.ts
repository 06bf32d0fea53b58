// What a node has to be told to get from one set of assignments to the next. What differs in a network is
// worked out once for all nodes that are on it.
import type { AssignmentSet, NodeAssignments } from './assignments.ts';

export interface AssignmentDifference {
  /** `${kind}\n${key}` and JSON body. */
  readonly updates: readonly (readonly [string, string])[];
  readonly removes: readonly string[];
}

const NOTHING: AssignmentSet = new Map();

/** By the set after and the one before. */
const known = new WeakMap<AssignmentSet, WeakMap<AssignmentSet, AssignmentDifference>>();

/** Pure, with a memory for sets that many nodes share. */
export function assignmentDifference(
  before: NodeAssignments,
  after: NodeAssignments,
): AssignmentDifference {
  const parts = [setDifference(before.own, after.own)];
  for (const [id, set] of after.networks) {
    parts.push(shared(before.networks.get(id) ?? NOTHING, set));
  }
  for (const [id, set] of before.networks) {
    if (!after.networks.has(id)) parts.push(setDifference(set, NOTHING));
  }
  return {
    updates: parts.flatMap(({ updates }) => updates),
    removes: parts.flatMap(({ removes }) => removes),
  };
}

function shared(before: AssignmentSet, after: AssignmentSet): AssignmentDifference {
  const byBefore = known.get(after) ?? new WeakMap<AssignmentSet, AssignmentDifference>();
  known.set(after, byBefore);
  const found = byBefore.get(before);
  if (found !== undefined) return found;
  const made = setDifference(before, after);
  byBefore.set(before, made);
  return made;
}

function setDifference(before: AssignmentSet, after: AssignmentSet): AssignmentDifference {
  if (before === after) return { updates: [], removes: [] };
  return {
    updates: [...after].filter(([id, body]) => before.get(id) !== body),
    removes: [...before.keys()].filter((id) => !after.has(id)),
  };
}
