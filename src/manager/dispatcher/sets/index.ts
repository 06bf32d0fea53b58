// What nodes have to know: each its own items, and the sets that many share.
export { hostItem, isActive, isPlaced } from './assignment-items.ts';
export {
  NO_ASSIGNMENTS,
  buildAssignments,
  differsForItsNode,
  ownAssignments,
  setsFor,
  type OwnAssignments,
} from './assignments.ts';
export { bytesOf, inMessages, type ItemKey, type ItemList, type SharedSet } from './shared-set.ts';
export { SharedSets } from './shared-sets.ts';
