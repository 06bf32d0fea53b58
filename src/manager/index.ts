// One manager of the cluster.
export { DEFAULT_CLUSTER_SPEC, type NewCluster } from './bootstrap.ts';
export { ISSUED, type Issued, type Signer } from './ca/index.ts';
export {
  ATTACHMENT_REQUEST,
  type AttachmentRequest,
  type ControlApi,
  type ControlMethod,
  type ControlMethods,
} from './control/index.ts';
export {
  MANAGER,
  OPERATOR,
  authorize,
  nodePrincipal,
  principalText,
  type Permission,
  type Principal,
} from './access/index.ts';
export { ClusterQueries, find } from './queries/index.ts';
export { isActive } from './dispatcher/index.ts';
export {
  decodeRequest,
  decodeResponse,
  type LeaderApi,
  type LeaderMethod,
  type LeaderMethods,
} from './methods/index.ts';
export type { HeartbeatMessage, HeartbeatStream } from './heartbeat-channel.ts';
export type { ForwardedCall, ManagerCaller } from './leader-proxy.ts';
export { Manager, type ManagerOptions } from './manager.ts';
export type {
  Consensus,
  ConsensusHandler,
  ConsensusOptions,
  ConsensusStatus,
  Member,
} from './raft/contract/index.ts';
export {
  foundGroup,
  forceNewGroup,
  startConsensus,
  type FoundingState,
  type GroupFiles,
} from './raft/index.ts';
export { Store, type StoreView } from './store/index.ts';
export {
  judgeTrace,
  planTrace,
  reportOf,
  type HostFinding,
  type TracedTask,
  type TraceWay,
} from './tracing/index.ts';
export type { Successor } from './force-new-cluster.ts';
export { Leader } from './leader.ts';
