// What managers ask of the leader beside the users' control methods: registrations, heartbeats and
// statuses of the agents that they serve, certificates, and Raft membership.
import type { Peer } from '../base/index.ts';
import type { TaskStatus } from '../model/index.ts';
import type { Issued, JoinRequest } from './ca/index.ts';
import type { ControlMethods } from './control/index.ts';

export interface LeaderMethods extends ControlMethods {
  'leader.register': {
    request: {
      nodeId: string;
      managerId: string;
      /** JSON NodeDescription. */
      description: string;
      address: string;
      dataPathAddress: string;
    };
    response: { epoch: number };
  };
  /** Nodes (with the epochs of their sessions) heard from lately; the answer names those to be ended. */
  'leader.beats': {
    request: { beats: readonly { nodeId: string; epoch: number }[] };
    response: { refused: string[] };
  };
  /** This node leaves the cluster: it is down at once, without a wait for silence. */
  'leader.left': { request: { nodeId: string; epoch: number }; response: object };
  'leader.statuses': {
    request: { reports: readonly { taskId: string; nodeId: string; status: TaskStatus }[] };
    response: object;
  };
  /** Up to which index the hosts have applied their sets. Kept in memory only. */
  'leader.applied': {
    request: { hosts: readonly { nodeId: string; index: number }[] };
    response: object;
  };
  /** What `leader.applied` has told so far. */
  'leader.acknowledged': {
    request: object;
    response: { hosts: readonly { nodeId: string; index: number }[] };
  };
  /**
   * Answers when no host sends anything new to a task of `nodeId` that is to stop, or after
   * WITHDRAWAL_LIMIT_MS with the hosts of which that is not known. `index`: a state in which the task
   * is to stop; the leader may have to catch up with it.
   */
  'leader.withdrawn': {
    request: { nodeId: string; taskId: string; index: number };
    response: { missing: string[] };
  };
  'leader.join': { request: JoinRequest; response: Issued };
  'leader.renew': { request: { csr: string; peer: Peer }; response: Issued };
  /** A manager that has its certificate asks to become a Raft member. */
  'leader.addMember': {
    request: { nodeId: string; raftId: number; address: string; raftAddress: string };
    response: { members: { raftId: number; nodeId: string; address: string }[] };
  };
  /** Takes managers out of Raft, all in one step; see `Consensus.removeMember`. */
  'leader.removeMembers': { request: { nodeIds: readonly string[] }; response: object };
  /** Hands leadership over before a planned stop. */
  'leader.transfer': { request: { to: number | undefined }; response: object };
}

export type LeaderMethod = keyof LeaderMethods;

export interface LeaderApi {
  call<M extends LeaderMethod>(
    method: M,
    request: LeaderMethods[M]['request'],
  ): Promise<LeaderMethods[M]['response']>;
}
