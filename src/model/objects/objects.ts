// The objects of the cluster as the managers keep them. All are immutable: a change makes a new
// object. `version` is the Raft index of the last write and the number that updates are compared
// with. Times are milliseconds since 1970, put in by the proposer (never by `apply`). The schemas are
// what entries of the log and lines of a snapshot are decoded by.
import {
  count,
  integer,
  integerOf,
  list,
  map,
  number,
  oneOf,
  optional,
  pair,
  record,
  text,
  type Decoded,
} from '../../base/index.ts';
import {
  CLUSTER_SPEC,
  NETWORK_SPEC,
  NODE_SPEC,
  PORT_CONFIG,
  SECRET_SPEC,
  SERVICE_SPEC,
} from '../spec/index.ts';
import { TASK_STATES } from './task-state.ts';

/** Ids of objects: 25 letters and digits; longer ones are nobody's. */
export const ID = text(128);
/** Milliseconds since 1970, as far as a Date goes. */
const TIME = number(-8.64e15, 8.64e15);
/** An IP address, alone or with a prefix length, or nothing; parsed where it is used. */
export const ADDRESS = text(64, /[0-9A-Fa-f:.]*(?:\/[0-9]{1,3})?/);
/** "host:port", "[v6]:port", or nothing; parsed where it is used. */
export const HOST_PORT = text(300, /[0-9A-Za-z_.:[\]%-]*/);
/** A text of one line that is shown to people. */
export const LABEL = text(256, /[^\p{Cc}]*/u);
/** What a user reads: longer ones are cut by whoever writes them. */
export const MESSAGE_MAX = 4096;
const MESSAGE = text(MESSAGE_MAX);
/** PEM, base64 and other long texts that managers write themselves. */
const BLOB = text(4 * 1024 * 1024);
const NETWORKS_MAX = 256;
const PORTS_MAX = 10_000;

const META = {
  id: ID,
  version: count(),
  createdAt: TIME,
  updatedAt: TIME,
  /** Raft index of the last change of the spec. Written by `apply`; absent below feature level 1. */
  specIndex: optional(count()),
};
const META_FIELDS = record(META);
/** What every object has: id, version (Raft index of its last change) and times. */
export type Meta = Decoded<typeof META_FIELDS>;

/**
 * The number that users compare updates with (Docker's `Version.Index`): what the managers themselves
 * write into an object doesn't make a client's update stale.
 */
export function specIndexOf(object: Meta): number {
  return object.specIndex ?? object.version;
}

const ports = list(PORT_CONFIG, PORTS_MAX);

/** One per store. */
const CLUSTER = record({
  ...META,
  spec: CLUSTER_SPEC,
  /** PEM of the root certificate(s) that nodes trust. */
  rootCertificates: BLOB,
  /** PEM of the signing key; leaves the managers never. */
  rootKey: BLOB,
  joinTokens: record({ worker: text(), manager: text() }),
  addressPools: list(text()),
  subnetSize: integer(),
  dataPathPort: integer(),
  /** Certificates of removed nodes: node id → when the last of them expires. */
  blacklist: map(TIME, 1_000_000),
  /** Next host number for the overlay (see Node.number). */
  nextNodeNumber: count(),
  /**
   * What all managers of the cluster know to read and apply (feature-level.ts). Absent: 0, a cluster
   * that was founded before there were levels.
   */
  featureLevel: optional(count()),
});
/** The one cluster object: its spec, certificate authority and join tokens. */
export type Cluster = Decoded<typeof CLUSTER>;

/**
 * What other hosts need to encrypt for a host: the public keys of its two tunnel devices, and by
 * which of them it sends and is sent to.
 */
export const HOST_ENCRYPTION = record({
  keys: pair(text(64, /[A-Za-z0-9+/]{43}=/), text(64, /[A-Za-z0-9+/]{43}=/)),
  current: integerOf(0, 1),
});
/** Public keys of a host’s encrypted tunnels. */
export type HostEncryption = Decoded<typeof HOST_ENCRYPTION>;

/** What a node says of itself when it registers. */
export const NODE_DESCRIPTION = record({
  hostname: LABEL,
  platform: record({ architecture: LABEL, os: LABEL }),
  resources: record({ nanoCpus: count(), memoryBytes: count() }),
  engine: record({
    version: text(128),
    labels: map(text(4096), 256),
    plugins: list(record({ type: text(128), name: text(256) }), 256),
  }),
  /** Absent: it can't be on encrypted networks. */
  encryption: optional(HOST_ENCRYPTION),
  /** Highest feature level that its build knows; absent: 0. */
  featureLevel: optional(count()),
});
/** What a machine says of itself when it registers. Memory in bytes, CPUs in 1e-9. */
export type NodeDescription = Decoded<typeof NODE_DESCRIPTION>;

const NODE_STATUS = record({
  state: oneOf('unknown', 'down', 'ready', 'disconnected'),
  message: MESSAGE,
  /** Address seen by its dispatcher. */
  address: HOST_PORT,
  /** Underlay address for VXLAN. */
  dataPathAddress: ADDRESS,
  /** Since when it is in this state. */
  since: TIME,
});
/** How a node is, as the leader sees it; `since` in ms since 1970. */
export type NodeStatus = Decoded<typeof NODE_STATUS>;

/** Written by: the user (spec), the dispatcher (description, status), the CA (certificate), Raft host (manager). */
const NODE = record({
  ...META,
  spec: NODE_SPEC,
  /** Small number for tunnel addresses and MACs, unique while the node exists. */
  number: count(),
  description: optional(NODE_DESCRIPTION),
  status: NODE_STATUS,
  /** Role that its current certificate says. */
  role: oneOf('worker', 'manager'),
  certificateExpiresAt: optional(TIME),
  /** Set while the node is a Raft member. */
  manager: optional(record({ raftId: count(), address: HOST_PORT, raftAddress: HOST_PORT })),
});
/** A machine of the cluster. */
export type Node = Decoded<typeof NODE>;

/** An agent's registration; its id is the node's. Epochs only grow: what is of an older one is refused. */
const SESSION = record({
  ...META,
  /** Raft index of the entry that began it. */
  epoch: count(),
  managerId: ID,
});
/** Which manager serves a node’s agent; the epoch is the Raft index at which it began. */
export type Session = Decoded<typeof SESSION>;

/** What the allocator granted. */
const SERVICE_ENDPOINT = record({
  /** Ports with their published numbers. */
  ports,
  /** One per network of a service in mode vip, "10.0.1.2/24". */
  virtualIps: list(record({ networkId: ID, address: ADDRESS }), NETWORKS_MAX),
  /** The `specVersion` that this answers; a lower one = not yet allocated. */
  allocatedFor: count(),
  /** Why it could not be granted. */
  error: optional(MESSAGE),
});
/** Virtual addresses and ports that the allocator has granted. */
export type ServiceEndpoint = Decoded<typeof SERVICE_ENDPOINT>;

const UPDATE_STATUS = record({
  state: oneOf(
    'updating',
    'paused',
    'completed',
    'rollback_started',
    'rollback_paused',
    'rollback_completed',
  ),
  startedAt: TIME,
  completedAt: optional(TIME),
  message: MESSAGE,
});
/** Where a service’s update or rollback is; times in ms since 1970. */
export type UpdateStatus = Decoded<typeof UPDATE_STATUS>;

const SERVICE = record({
  ...META,
  spec: SERVICE_SPEC,
  /** Counts the changes of `spec`. */
  specVersion: count(),
  revisionId: ID,
  previousSpec: optional(SERVICE_SPEC),
  previousRevisionId: optional(ID),
  endpoint: SERVICE_ENDPOINT,
  updateStatus: optional(UPDATE_STATUS),
});
/** A service: the newest spec, and what the managers have made of it. */
export type Service = Decoded<typeof SERVICE>;

/** An immutable spec that tasks refer to, stored once; lives while a service or task names it. */
const REVISION = record({
  ...META,
  serviceId: ID,
  spec: SERVICE_SPEC,
  /** Ports as granted to the service at that time. */
  ports,
});
/** An immutable spec of a service; tasks name the one that they were made from. */
export type Revision = Decoded<typeof REVISION>;

/** A network that a task is on, and its addresses there (CIDR). */
export const TASK_NETWORK = record({
  networkId: ID,
  /** With prefix length: "10.0.1.7/24". */
  addresses: list(ADDRESS, 16),
  aliases: list(text(4096), 1000),
});
/** See TASK_NETWORK. */
export type TaskNetwork = Decoded<typeof TASK_NETWORK>;

/** The container of a user whose network attachment a task is. */
export const TASK_ATTACHMENT = record({ containerId: ID });
/** See TASK_ATTACHMENT. */
export type TaskAttachment = Decoded<typeof TASK_ATTACHMENT>;

/** The part of a status that the node tells; the rest is the managers'. */
const TOLD_STATUS = {
  state: oneOf(...TASK_STATES),
  timestamp: TIME,
  message: MESSAGE,
  error: optional(MESSAGE),
  container: optional(record({ id: ID, pid: count(), exitCode: integer(-65_536, 65_536) })),
  /** Ports published on the host itself, with their numbers. */
  ports: optional(ports),
};
/** What an agent says of one of its tasks. */
export const REPORTED_STATUS = record(TOLD_STATUS);
/** What an agent says of a task; times in ms since 1970. */
export type ReportedStatus = Decoded<typeof REPORTED_STATUS>;

/** A task’s status as it is stored: what was reported, by which session, and when it came first. */
export const TASK_STATUS = record({
  ...TOLD_STATUS,
  /** Of the agent's session and counted per task: lower ones are dropped. */
  epoch: optional(count()),
  sequence: optional(count()),
  /**
   * When the managers heard first that it runs, and that it ended, in their own time; decides over
   * "failed within the monitor period".
   */
  runningSince: optional(TIME),
  endedSince: optional(TIME),
});
/** See TASK_STATUS. */
export type TaskStatus = Decoded<typeof TASK_STATUS>;

/** One run of one slot. Spec and slot never change; a restart is a new task. */
const TASK = record({
  ...META,
  serviceId: ID,
  revisionId: ID,
  /** 1… in replicated services; 0 in global ones, where the node is the slot. */
  slot: count(),
  nodeId: optional(ID),
  /** Log position of its creation: says which of two tasks is older. Written by `apply`. */
  createdIndex: optional(count()),
  /** Written by the orchestrators only. */
  desiredState: oneOf(...TASK_STATES),
  /**
   * Log position of the first desired state that ends it: a host that has applied this much sends it nothing
   * new. Written by `apply`.
   */
  stoppingSince: optional(count()),
  /** Written by the dispatcher from the agent's word; by scheduler and allocator before `assigned`. */
  status: TASK_STATUS,
  networks: list(TASK_NETWORK, NETWORKS_MAX),
  /** Earliest time to raise desired state from ready to running (restart delay). */
  startAfter: optional(TIME),
  /** The task that this one replaces in its slot. */
  replaces: optional(ID),
  /**
   * A container that a user made on the node (`docker run`): the managers give it its addresses, its
   * daemon does the rest. There is no service then, `serviceId` is the task's own id.
   */
  attachment: optional(TASK_ATTACHMENT),
});
/** One run of one container of a service, or a user’s container on cluster networks. */
export type Task = Decoded<typeof TASK>;

/** A subnet of a network (CIDR) with its gateway. */
export const NETWORK_SUBNET = record({ subnet: ADDRESS, gateway: ADDRESS });

const NETWORK = record({
  ...META,
  spec: NETWORK_SPEC,
  /** Absent until allocated. */
  vni: optional(count(0xff_ff_ff)),
  subnets: list(NETWORK_SUBNET, 64),
  error: optional(MESSAGE),
});
/** An overlay network with its VNI and subnets. */
export type Network = Decoded<typeof NETWORK>;

const SECRET = record({ ...META, spec: SECRET_SPEC });
/** A secret without its content. */
export type Secret = Decoded<typeof SECRET>;

const CONFIG = record({ ...META, spec: SECRET_SPEC });
/** A config without its content. */
export type Config = Decoded<typeof CONFIG>;

/** The bytes of a secret or config, under the same id. */
const PAYLOAD = record({
  ...META,
  kind: oneOf('secret', 'config'),
  /** Base64. */
  data: BLOB,
});
/** Content of a secret or config, base64; id as theirs. */
export type Payload = Decoded<typeof PAYLOAD>;

/** Registry credentials of a service, sealed; sent only to nodes that pull for it. */
const CREDENTIAL = record({
  ...META,
  /** Equal to the revision's id; value of X-Registry-Auth. */
  registryAuth: BLOB,
});
/** What a service’s images are pulled with; id as its revision’s. */
export type Credential = Decoded<typeof CREDENTIAL>;

/** Tables of the store, by name. */
export const TABLES = {
  cluster: CLUSTER,
  node: NODE,
  session: SESSION,
  service: SERVICE,
  revision: REVISION,
  task: TASK,
  network: NETWORK,
  secret: SECRET,
  config: CONFIG,
  payload: PAYLOAD,
  credential: CREDENTIAL,
} as const;

/** Name of a table of the state. */
export type TableName = keyof typeof TABLES;

/** The object of each table. */
export type Tables = { [K in TableName]: Decoded<(typeof TABLES)[K]> };
