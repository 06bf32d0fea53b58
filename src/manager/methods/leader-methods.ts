// What managers ask of the leader beside the users' control methods: registrations, heartbeats and
// statuses of the agents that they serve, certificates, and Raft membership.
import {
  SwarmError,
  count,
  decoder,
  list,
  oneOf,
  optional,
  record,
  text,
  type Decoder,
} from '../../base/index.ts';
import type { Principal } from '../access/index.ts';
import { ADDRESS, HOST_PORT, ID, TASK_STATUS } from '../../model/index.ts';
import { ISSUED, JOIN_REQUEST } from '../ca/index.ts';
import { CONTROL_METHODS, type ControlMethods, type MethodsOf } from '../control/index.ts';

/** Nodes of a cluster, at the very most. */
const NODES_MAX = 100_000;
const nothing = record({});
const heartbeats = list(record({ nodeId: ID, epoch: count() }), NODES_MAX);
const hosts = list(record({ nodeId: ID, index: count() }), NODES_MAX);
const raftMember = { raftId: count(), nodeId: ID };

/** Request and answer of each method that is not a user's. */
export const LEADER_METHODS = {
  'leader.register': {
    request: record({
      nodeId: ID,
      managerId: ID,
      /** JSON NodeDescription. */
      description: text(),
      address: HOST_PORT,
      dataPathAddress: ADDRESS,
      /** Epoch of the newest session that the agent knows of; absent: 0. */
      lastEpoch: optional(count()),
      /** Where its connection comes from; '' where that is not known. */
      from: optional(HOST_PORT),
    }),
    response: record({ epoch: count() }),
  },
  /** Nodes (with the epochs of their sessions) heard from lately; the answer names those to be ended. */
  'leader.heartbeats': {
    request: record({ heartbeats }),
    response: record({ refused: list(ID, NODES_MAX) }),
  },
  /** This node leaves the cluster: it is down at once, without a wait for silence. */
  'leader.left': { request: record({ nodeId: ID, epoch: count() }), response: nothing },
  'leader.statuses': {
    request: record({
      reports: list(record({ taskId: ID, nodeId: ID, status: TASK_STATUS }), 100_000),
    }),
    response: nothing,
  },
  /** Up to which index the hosts have applied their sets. Kept in memory only. */
  'leader.applied': { request: record({ hosts }), response: nothing },
  /** What `leader.applied` has told so far. */
  'leader.acknowledged': { request: nothing, response: record({ hosts }) },
  /**
   * Answers when no host sends anything new to a task of `nodeId` that is to stop, or after
   * ENDPOINT_DRAIN_LIMIT_MS with the hosts of which that is not known. `index`: a state in which the task
   * is to stop; the leader may have to catch up with it.
   */
  'leader.withdrawn': {
    request: record({ nodeId: ID, taskId: ID, index: count() }),
    response: record({ missing: list(ID, NODES_MAX) }),
  },
  'leader.join': { request: JOIN_REQUEST, response: ISSUED },
  'leader.renew': {
    request: record({
      csr: text(),
      peer: record({ nodeId: ID, role: oneOf('manager', 'worker'), clusterId: ID }),
    }),
    response: ISSUED,
  },
  /** A manager that has its certificate asks to become a Raft member. */
  'leader.addMember': {
    request: record({ ...raftMember, address: HOST_PORT, raftAddress: HOST_PORT }),
    response: record({ members: list(record({ ...raftMember, address: HOST_PORT }), 1000) }),
  },
  /** Takes managers out of Raft, all in one step; see `Consensus.removeMember`. */
  'leader.removeMembers': { request: record({ nodeIds: list(ID, 1000) }), response: nothing },
  /** Hands leadership over before a planned stop. */
  'leader.transfer': { request: record({ to: optional(count()) }), response: nothing },
} as const;

/** Request and response of everything that the leader carries out. */
export interface LeaderMethods extends ControlMethods, MethodsOf<typeof LEADER_METHODS> {}

/** Name of such a method. */
export type LeaderMethod = keyof LeaderMethods;

/** The leader, wherever it is. */
export interface LeaderApi {
  /**
   * Has a method carried out by the leader, this manager or another one. `principal`: who asks; absent:
   * the managers themselves. Raises what the method raises, `denied`, and `unavailable` without a leader.
   */
  forward<M extends LeaderMethod>(
    method: M,
    request: LeaderMethods[M]['request'],
    principal?: Principal,
  ): Promise<LeaderMethods[M]['response']>;
  /**
   * As `leader.heartbeats`, by a cheaper way; some may be lost on it. `refused` is told of nodes whose
   * sessions must end, then or later. Absent where there is no such way.
   */
  tellHeartbeats?(
    request: LeaderMethods['leader.heartbeats']['request'],
    refused: (nodeId: string) => void,
  ): Promise<void>;
}

const METHODS = { ...CONTROL_METHODS, ...LEADER_METHODS };

/** Whether this release knows a method of that name. */
export function isLeaderMethod(method: string): method is LeaderMethod {
  return Object.hasOwn(METHODS, method);
}

const requests = new Map<string, Decoder<object>>();
const responses = new Map<string, Decoder<object>>();

/** What another manager hands on; raises `invalid` for another method, or a request that is none. */
export function decodeRequest<M extends LeaderMethod>(
  method: M,
  body: string,
): LeaderMethods[M]['request'] {
  return decoded(requests, method, METHODS[method].request, 'request', body);
}

/** The leader's answer. */
export function decodeResponse<M extends LeaderMethod>(
  method: M,
  body: string,
): LeaderMethods[M]['response'] {
  return decoded(responses, method, METHODS[method].response, 'answer', body);
}

function decoded<T>(
  decoders: Map<string, Decoder<object>>,
  method: string,
  schema: Parameters<typeof decoder>[0],
  what: string,
  body: string,
): T {
  let decode = decoders.get(method);
  if (decode === undefined) {
    decode = decoder(schema, `${what} of ${method}`) as Decoder<object>;
    decoders.set(method, decode);
  }
  const value = decode.json(body);
  return value as T;
}

/** Raises `unimplemented` for what no release of ours has, or only a newer one. */
export function checkMethod(method: string): LeaderMethod {
  if (isLeaderMethod(method)) return method;
  throw new SwarmError('unimplemented', `the method "${method.slice(0, 80)}" is not served`);
}
