// Where tasks go: pure functions over nodes and pending tasks.
export { NodeRecord, demandOf, occupies, type Demand } from './node-record.ts';
export {
  GroupPlacer,
  explain,
  fits,
  placementRules,
  type NodeSet,
  type PlacementRules,
  type Placements,
  type RuleSource,
} from './scheduler.ts';
