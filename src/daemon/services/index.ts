// What nodes ask of each other over gRPC.
export { ClusterRpc, type LogReader, equalInConstantTime } from './cluster-rpc.ts';
export { traceNetwork } from './network-trace.ts';
export { readTaskLogBatches } from './task-logs.ts';
