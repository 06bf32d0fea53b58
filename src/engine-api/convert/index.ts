// Between Docker's wire shapes and the model.
export type { ImageDefaults } from './container-config.ts';
export { checkedName, parseContainer } from './container-create.ts';
export { CONTAINER_FILTERS, checkFilterValues, matchesFilters } from './container-filters.ts';
export { containerSummary, containerToApi, isUp } from './containers.ts';
export { attachedContainers, networkDetails } from './network-details.ts';
export { unsupported } from './normalise.ts';
export {
  type NodeView,
  clusterToApi,
  compareTasks,
  configToApi,
  networkToApi,
  nodeToApi,
  predefinedNetworkToApi,
  secretToApi,
  serviceStatus,
  serviceToApi,
  taskToApi,
  timeText,
  withSpecDefaults,
} from './objects.ts';
export {
  parseClusterSpec,
  parseInit,
  parseJoin,
  parseNetwork,
  parseNodeSpec,
  parseSecretSpec,
  parseServiceSpec,
  parseVolume,
} from './parse.ts';
