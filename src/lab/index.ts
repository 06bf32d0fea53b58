// Clusters out of namespaces on one machine.
export { callApi } from './api.ts';
export { ipIn } from './command.ts';
export { until } from './host.ts';
export { down, killDaemon, killHost, socketOf, startHost, stopDaemon, up } from './lab.ts';
export { hostPaths } from './paths.ts';
export { LabStore } from './state.ts';
