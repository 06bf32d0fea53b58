// Consensus among the managers: one log, the same on all of them.
export type {
  CommittedEntry,
  Consensus,
  ConsensusHandler,
  ConsensusOptions,
  ConsensusStatus,
  Member,
  PeerTransport,
  TlsMaterial,
  TransportReceiver,
} from './contract/index.ts';
export {
  startConsensus,
  startLocalConsensus,
  type ServicePorts,
  type ThreadPorts,
} from './thread/index.ts';
export { foundGroup, forceNewGroup, type FoundingState, type GroupFiles } from './host/index.ts';
