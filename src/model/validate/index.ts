// What is wrong with a spec, in a sentence, before anything is stored.
export { CAPABILITIES, DEFAULT_CAPABILITIES, containerCapabilities } from './capabilities.ts';
export {
  UNLIMITED,
  checkContainerOptions,
  checkPropagation,
  checkRunnable,
} from './container-options.ts';
export { DRAIN_LABEL, drainTimeMs } from './drain-time.ts';
export { LOG_PLAN, type LogPlan, checkLogDriver, logPlan } from './log-options.ts';
export {
  ENCRYPTED_OPTION,
  VNI_OPTION,
  checkNetworkOptions,
  isEncrypted,
  requestedVni,
} from './network-options.ts';
export { checkPrivileges, seccompMode } from './privileges.ts';
export { SIGKILL, signalNumber } from './signals.ts';
export {
  DEFAULT_SUBNET_SIZE,
  validateAddressPools,
  validateClusterSpec,
  validateDataPathPort,
} from './validate-cluster.ts';
export { validateService } from './validate-service.ts';
export { bindDevice, checkVolume, isVolumeName } from './volume-options.ts';
