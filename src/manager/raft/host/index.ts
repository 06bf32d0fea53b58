// A member of the Raft group: proposals, reads, members, snapshots around raft-ts's core.
export { Applier } from './applier.ts';
export type { ProposalItem } from './proposals.ts';
export { quorumLoss } from '../contract/index.ts';
export { RaftHost } from './raft-host.ts';
export {
  type FoundingState,
  type GroupFiles,
  foundGroup,
  forceNewGroup,
} from './force-new-group.ts';
