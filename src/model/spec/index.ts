// What users ask for, in Docker's shape and spelling, and what in it is fixed.
export { CONTAINER_CONFIG } from './container.ts';
export { FIXED_IPV4_OPTION, FIXED_IPV6_OPTION, fixedAddresses } from './fixed-address.ts';
export { normalizeArchitecture, platformMatches } from './platform.ts';
export { PREDEFINED_NETWORKS, type PredefinedNetwork, isPredefinedNetwork } from './predefined.ts';
export { reservedPorts } from './reserved-ports.ts';
export {
  CLUSTER_SPEC,
  type ClusterSpec,
  type ContainerSpec,
  type Mount,
  NETWORK_SPEC,
  NODE_SPEC,
  type NetworkSpec,
  PORT_CONFIG,
  type PortConfig,
  SECRET_SPEC,
  SERVICE_SPEC,
  type ServiceSpec,
  type TaskSpec,
  type UpdateConfig,
} from './spec.ts';
export type * from './container.ts';
export type * from './spec.ts';
export { modeOf, modeSpec, type ServiceMode } from './service-mode.ts';
