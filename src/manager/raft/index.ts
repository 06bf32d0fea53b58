// Consensus among the managers: one log, the same on all of them.
export type {
  CommittedEntry,
  Consensus,
  ConsensusHandler,
  ConsensusOptions,
  ConsensusStatus,
  Member,
  TlsMaterial,
} from './consensus.ts';
export type { PeerTransport, TransportReceiver } from './host-ports.ts';
export type { ServicePorts } from './host-service.ts';
export { foundGroup, refoundGroup, type FoundingState, type GroupFiles } from './refound.ts';
export { startConsensus, startLocalConsensus, type ThreadPorts } from './start-consensus.ts';
