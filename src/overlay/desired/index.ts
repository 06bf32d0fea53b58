// The desired state of the host and of each sandbox, worked out from assignments. Pure.
export {
  ATTACHED_TASK,
  type AttachedTask,
  BRIDGE_NETWORK,
  checkTask,
  isPredefined,
  networkIds,
  taskInterfaces,
  usesBridge,
  usesHostNetwork,
} from './attachment.ts';
export {
  DEFAULT_BRIDGE_POOL,
  bridgeNetwork,
  chooseBridgeAddress,
  chooseBridgeSubnet,
} from './bridge-network.ts';
export { type PublishedPort, hostTableName, portKey, uplinkSysctls } from './host-state.ts';
export { listChanges } from './list-changes.ts';
export { type NetworkView, networkViews } from './network-views.ts';
export { RESOLVER_ADDRESS, resolverPort, taskSysctls } from './task-state.ts';
export { type WantedInput, WantedStates } from './wanted-states.ts';
