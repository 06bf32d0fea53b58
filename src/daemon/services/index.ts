// What nodes ask of each other over gRPC, one file a service.
export { requestAttachment } from './attach-service.ts';
export { renewCertificate } from './ca-service.ts';
export { ClusterRpc, NODE_PROTOS, equalInConstantTime } from './cluster-rpc.ts';
export { callAnyManager } from './control-service.ts';
export type { LogReader } from './log-query.ts';
export { readRemoteLogs } from './logs-service.ts';
export { traceNetwork } from './network-trace.ts';
export type { NodeClients } from './node-clients.ts';
export { dialDispatcher } from './session-service.ts';
export { readTaskLogBatches } from './task-logs.ts';
export { askTrace } from './trace-service.ts';
export type { TunnelHandlers } from './tunnel-end.ts';
export { openTunnel } from './tunnel-service.ts';
