// The objects of the cluster: immutable, without behaviour beyond arithmetic and matching.
export {
  create,
  decodeAction,
  isTableName,
  remove,
  update,
  type Action,
  type Draft,
  type StoreChange,
  type Transaction,
} from './action.ts';
export type * from './assignment.ts';
export { ASSIGNMENT_KINDS, TASK_ASSIGNMENT } from './assignment.ts';
export { checkedAssignment } from './assignment-check.ts';
export type * from './container.ts';
export { CONTAINER_CONFIG } from './container.ts';
export type * from './trace.ts';
export { TRACE_ANSWER, TRACE_QUESTION } from './trace.ts';
export type * from './objects.ts';
export {
  ADDRESS,
  HOST_PORT,
  ID,
  MESSAGE_MAX,
  NODE_DESCRIPTION,
  REPORTED_STATUS,
  TABLES,
  TASK_NETWORK,
  TASK_STATUS,
  specIndexOf,
} from './objects.ts';
export { FEATURE_LEVEL, levelProblem } from './feature-level.ts';
export type * from './spec.ts';
export {
  CLUSTER_SPEC,
  NETWORK_SPEC,
  NODE_SPEC,
  PORT_CONFIG,
  SECRET_SPEC,
  SERVICE_SPEC,
} from './spec.ts';
export {
  TASK_STATE,
  compareTaskStates,
  isTerminal,
  laterState,
  type TaskState,
} from './task-state.ts';
export { matchesConstraints, parseConstraint, valueOf, type Constraint } from './constraint.ts';
export { FIXED_IPV4_OPTION, FIXED_IPV6_OPTION, fixedAddresses } from './fixed-address.ts';
export { nodeAddresses } from './node-addresses.ts';
export { normalizeArchitecture, platformMatches } from './platform.ts';
export {
  ENCRYPTED_OPTION,
  VNI_OPTION,
  checkNetworkOptions,
  isEncrypted,
  wishedVni,
} from './network-options.ts';
export { containerName, desiredAlive, endedAt, hasFailed, shortened, taskName } from './task.ts';
export { PREDEFINED_NETWORKS, isPredefinedNetwork, type PredefinedNetwork } from './predefined.ts';
export {
  addressFamily,
  addressText,
  addressValue,
  ipv4Number,
  ipv4Text,
  ipv6Number,
  ipv6Text,
  type AddressFamily,
} from './ip-address.ts';
export {
  RESERVED_SUBNETS,
  parseSubnet,
  subnetContains,
  subnetText,
  subnetsOverlap,
  type Subnet,
} from './subnet.ts';
export { reservedPorts } from './reserved-ports.ts';
export {
  createRevision,
  currentAsPrevious,
  previousBesideTasks,
  rolledBack,
  tasksDiffer,
  tasksDifferBesidePlacement,
} from './service-versions.ts';
export { createJoinToken, parseJoinToken, tokenMatchesRoot } from './join-token.ts';
export { CAPABILITIES, DEFAULT_CAPABILITIES, containerCapabilities } from './capabilities.ts';
export {
  UNLIMITED,
  checkContainerOptions,
  checkPropagation,
  checkRunnable,
} from './container-options.ts';
export { LOG_PLAN, checkLogDriver, logPlan, type LogPlan } from './log-options.ts';
export { checkPrivileges, seccompMode } from './privileges.ts';
export { SIGKILL, signalNumber } from './signals.ts';
export { bindDevice, checkVolume, isVolumeName } from './volume-options.ts';
export { DRAIN_LABEL, drainTimeMs } from './drain-time.ts';
export {
  checkTemplates,
  expandContainer,
  expandText,
  type TemplateData,
} from './templates/index.ts';
export { validateService } from './validate-service.ts';
export {
  DEFAULT_SUBNET_SIZE,
  validateAddressPools,
  validateClusterSpec,
  validateDataPathPort,
} from './validate-cluster.ts';
export type * from './messages.ts';
export { AGENT_MESSAGE, DISPATCHER_MESSAGE, REPORTS_PER_MESSAGE } from './messages.ts';
