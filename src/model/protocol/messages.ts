// Messages between agents and dispatchers, as proto/dispatcher.proto has them. Exactly one field of an
// AgentMessage or DispatcherMessage is set. Each side decodes what the other says: an agent may be
// anybody's, and a manager newer than the node.
import {
  boolean,
  count,
  list,
  number,
  oneOf,
  optional,
  present,
  record,
  text,
  type Decoded,
} from '../../base/index.ts';
import { ADDRESS, HOST_PORT, ID } from '../objects/index.ts';

/** Of one message of an agent; a node has fewer tasks than this. */
export const REPORTS_PER_MESSAGE = 10_000;
/** JSON of a node's description or of a task's status. */
export const DESCRIPTION_BYTES_MAX = 64 * 1024;
/** Bytes of one status as JSON. */
export const STATUS_BYTES_MAX = 64 * 1024;

const REGISTER = record({
  /** JSON NodeDescription. */
  description: text(DESCRIPTION_BYTES_MAX),
  address: HOST_PORT,
  dataPathAddress: ADDRESS,
  lastEpoch: count(),
  lastIndex: count(),
});
/** An agent’s first message: who it is, where, and what it saw last. */
export type Register = Decoded<typeof REGISTER>;

const TASK_STATUS_REPORT = record({
  taskId: ID,
  /** JSON ReportedStatus. */
  status: text(STATUS_BYTES_MAX),
  sequence: count(),
});
/** A task’s status with its number in the session, which only grows. */
export type TaskStatusReport = Decoded<typeof TASK_STATUS_REPORT>;

/** What an agent sends; exactly one field is there. */
export const AGENT_MESSAGE = record({
  register: optional(REGISTER),
  heartbeat: optional(present()),
  statuses: optional(record({ reports: list(TASK_STATUS_REPORT, REPORTS_PER_MESSAGE) })),
  /** Kernel and resolver have what the set of this index says. */
  applied: optional(record({ index: count() })),
  /** Asks to be told when no host sends anything new to a task that is to stop. */
  drain: optional(record({ taskId: ID })),
  /** The node leaves the cluster: the manager ends the session once that is recorded. */
  leaving: optional(present()),
});
/** See AGENT_MESSAGE. */
export type AgentMessage = Decoded<typeof AGENT_MESSAGE>;

const CLUSTER_INFO = record({
  managers: list(HOST_PORT, 1000),
  /** Node ids of those that are to be managers: calls of others as one are refused. Absent: not told. */
  managerIds: optional(list(ID, 1000)),
  rootCertificates: text(1024 * 1024),
  dataPathPort: count(65_535),
  heartbeatPeriodMs: number(1, 3_600_000),
  /** What the managers want this node to be. */
  role: oneOf('worker', 'manager'),
  blacklist: list(ID, 1_000_000),
});
/** What every agent is told of the cluster; periods in ms. */
export type ClusterInfo = Decoded<typeof CLUSTER_INFO>;

/** Items of one message of a manager; a set is sent in parts of 2,000. */
const ITEMS_PER_MESSAGE_MAX = 100_000;

const ITEM_KEY = { kind: text(64), key: text(512) };

const ASSIGNMENT_ITEM = record({
  ...ITEM_KEY,
  /** JSON of the kind's type in assignment.ts. */
  body: text(16 * 1024 * 1024),
});
/** One thing that a node is told of; without a body it is to be forgotten. */
export type AssignmentItem = Decoded<typeof ASSIGNMENT_ITEM>;

const ASSIGNMENTS_MESSAGE = record({
  complete: boolean(),
  appliesTo: count(),
  resultsIn: count(),
  index: count(),
  updates: list(ASSIGNMENT_ITEM, ITEMS_PER_MESSAGE_MAX),
  removes: list(record(ITEM_KEY), ITEMS_PER_MESSAGE_MAX),
});
/** A part of a set of assignments, or of the difference to the one before. */
export type AssignmentsMessage = Decoded<typeof ASSIGNMENTS_MESSAGE>;

/** What a manager sends to an agent; exactly one field is there. */
export const DISPATCHER_MESSAGE = record({
  registered: optional(record({ epoch: count(), heartbeatPeriodMs: number(1, 3_600_000) })),
  heartbeat: optional(present()),
  assignments: optional(ASSIGNMENTS_MESSAGE),
  info: optional(CLUSTER_INFO),
  /** `missing`: node ids of the hosts that did not say in time that they send it nothing new. */
  drained: optional(record({ taskId: ID, missing: list(ID, 100_000) })),
});
/** See DISPATCHER_MESSAGE. */
export type DispatcherMessage = Decoded<typeof DISPATCHER_MESSAGE>;
