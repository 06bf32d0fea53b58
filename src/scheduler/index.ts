// Where tasks go: pure functions over nodes and pending tasks.
export { demandOf, nodeInfo, occupies, withTask, type Demand, type NodeInfo } from './node-info.ts';
export { filtersFor } from './filters.ts';
export { explain, placeGroup, type Placements, type TaskGroup } from './scheduler.ts';
