// The objects of the cluster as the managers keep them. All are immutable: a change makes a new
// object. `version` is the Raft index of the last write and the number that updates are compared
// with. Times are milliseconds since 1970, put in by the proposer (never by `apply`).
import type {
  ClusterSpec,
  ConfigSpec,
  NetworkSpec,
  NodeSpec,
  PortConfig,
  SecretSpec,
  ServiceSpec,
} from './spec.ts';
import type { TaskState } from './task-state.ts';

export interface Meta {
  readonly id: string;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** One per store. */
export interface Cluster extends Meta {
  readonly spec: ClusterSpec;
  /** PEM of the root certificate(s) that nodes trust. */
  readonly rootCertificates: string;
  /** PEM of the signing key; leaves the managers never. */
  readonly rootKey: string;
  readonly joinTokens: { readonly worker: string; readonly manager: string };
  readonly addressPools: readonly string[];
  readonly subnetSize: number;
  readonly dataPathPort: number;
  /** Certificates of removed nodes: node id → when the last of them expires. */
  readonly blacklist: Readonly<Record<string, number>>;
  /** Next host number for the overlay (see Node.number). */
  readonly nextNodeNumber: number;
}

/** Written by: the user (spec), the dispatcher (description, status), the CA (certificate), Raft host (manager). */
export interface Node extends Meta {
  readonly spec: NodeSpec;
  /** Small number for tunnel addresses and MACs, unique while the node exists. */
  readonly number: number;
  readonly description?: NodeDescription;
  readonly status: NodeStatus;
  /** Role that its current certificate says. */
  readonly role: 'worker' | 'manager';
  readonly certificateExpiresAt?: number;
  /** Set while the node is a Raft member. */
  readonly manager?: {
    readonly raftId: number;
    readonly address: string;
    readonly raftAddress: string;
  };
}

export interface NodeDescription {
  readonly hostname: string;
  readonly platform: { readonly architecture: string; readonly os: string };
  readonly resources: { readonly nanoCpus: number; readonly memoryBytes: number };
  readonly engine: {
    readonly version: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly plugins: readonly { readonly type: string; readonly name: string }[];
  };
  /** Absent: it can't be on encrypted networks. */
  readonly encryption?: HostEncryption;
}

/**
 * What other hosts need to encrypt for a host: the public keys of its two tunnel devices, and by
 * which of them it sends and is sent to.
 */
export interface HostEncryption {
  readonly keys: readonly [string, string];
  readonly current: 0 | 1;
}

export interface NodeStatus {
  readonly state: 'unknown' | 'down' | 'ready' | 'disconnected';
  readonly message: string;
  /** Address seen by its dispatcher. */
  readonly address: string;
  /** Underlay address for VXLAN. */
  readonly dataPathAddress: string;
  /** Since when it is in this state. */
  readonly since: number;
}

/** An agent's registration. Epochs only grow; a status or an assignment of an older one is refused. */
export interface Session extends Meta {
  /** Equal to the node's id. */
  readonly epoch: number;
  readonly managerId: string;
}

export interface Service extends Meta {
  readonly spec: ServiceSpec;
  /** Counts the changes of `spec`. */
  readonly specVersion: number;
  readonly revisionId: string;
  readonly previousSpec?: ServiceSpec;
  readonly previousRevisionId?: string;
  readonly endpoint: ServiceEndpoint;
  readonly updateStatus?: UpdateStatus;
}

/** What the allocator granted. */
export interface ServiceEndpoint {
  /** Ports with their published numbers. */
  readonly ports: readonly PortConfig[];
  /** One per network of a service in mode vip, "10.0.1.2/24". */
  readonly virtualIps: readonly { readonly networkId: string; readonly address: string }[];
  /** The `specVersion` that this answers; a lower one = not yet allocated. */
  readonly allocatedFor: number;
  /** Why it could not be granted. */
  readonly error?: string;
}

export interface UpdateStatus {
  readonly state:
    | 'updating'
    | 'paused'
    | 'completed'
    | 'rollback_started'
    | 'rollback_paused'
    | 'rollback_completed';
  readonly startedAt: number;
  readonly completedAt?: number;
  readonly message: string;
}

/** An immutable spec that tasks refer to, stored once; lives while a service or task names it. */
export interface Revision extends Meta {
  readonly serviceId: string;
  readonly spec: ServiceSpec;
  /** Ports as granted to the service at that time. */
  readonly ports: readonly PortConfig[];
}

/** One run of one slot. Spec and slot never change; a restart is a new task. */
export interface Task extends Meta {
  readonly serviceId: string;
  readonly revisionId: string;
  /** 1… in replicated services; 0 in global ones, where the node is the slot. */
  readonly slot: number;
  readonly nodeId?: string;
  /** Log position of its creation: says which of two tasks is older. Written by `apply`. */
  readonly createdIndex?: number;
  /** Written by the orchestrators only. */
  readonly desiredState: TaskState;
  /**
   * Log position of the first wish that it ends: a host that has applied this much sends it nothing
   * new. Written by `apply`.
   */
  readonly stoppingSince?: number;
  /** Written by the dispatcher from the agent's word; by scheduler and allocator before `assigned`. */
  readonly status: TaskStatus;
  readonly networks: readonly TaskNetwork[];
  /** Earliest time to raise desired state from ready to running (restart delay). */
  readonly startAfter?: number;
  /** The task that this one replaces in its slot. */
  readonly replaces?: string;
  /**
   * A container that a user made on the node (`docker run`): the managers give it its addresses, its
   * daemon does the rest. There is no service then, `serviceId` is the task's own id.
   */
  readonly attachment?: TaskAttachment;
}

export interface TaskAttachment {
  readonly containerId: string;
}

export interface TaskStatus {
  readonly state: TaskState;
  readonly timestamp: number;
  readonly message: string;
  readonly error?: string;
  readonly container?: { readonly id: string; readonly pid: number; readonly exitCode: number };
  /** Ports published on the host itself, with their numbers. */
  readonly ports?: readonly PortConfig[];
  /** Of the agent's session and counted per task: lower ones are dropped. */
  readonly epoch?: number;
  readonly sequence?: number;
  /**
   * When the managers heard first that it runs, and that it ended, in their own time; decides over
   * "failed within the monitor period".
   */
  readonly runningSince?: number;
  readonly endedSince?: number;
}

export interface TaskNetwork {
  readonly networkId: string;
  /** With prefix length: "10.0.1.7/24". */
  readonly addresses: readonly string[];
  readonly aliases: readonly string[];
}

export interface Network extends Meta {
  readonly spec: NetworkSpec;
  /** Absent until allocated. */
  readonly vni?: number;
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[];
  readonly error?: string;
}

export interface Secret extends Meta {
  readonly spec: SecretSpec;
}

export interface Config extends Meta {
  readonly spec: ConfigSpec;
}

/** The bytes of a secret or config, under the same id. */
export interface Payload extends Meta {
  readonly kind: 'secret' | 'config';
  /** Base64. */
  readonly data: string;
}

/** Registry credentials of a service, sealed; sent only to nodes that pull for it. */
export interface Credential extends Meta {
  /** Equal to the revision's id; value of X-Registry-Auth. */
  readonly registryAuth: string;
}

/** Tables of the store, by name. */
export interface Tables {
  cluster: Cluster;
  node: Node;
  session: Session;
  service: Service;
  revision: Revision;
  task: Task;
  network: Network;
  secret: Secret;
  config: Config;
  payload: Payload;
  credential: Credential;
}

export type TableName = keyof Tables;
