// Raft's own thread, and the two sides of the way there.
export type { ServicePorts } from './host-service.ts';
export { type ThreadPorts, startConsensus, startLocalConsensus } from './start-consensus.ts';
