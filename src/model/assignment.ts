// What a dispatcher tells an agent: a set of items, each with a kind, a key and a body. The agent
// keeps the set; a COMPLETE message replaces it, an INCREMENTAL one updates or removes single items.
// Everything a host has to know to run its tasks and its networks is one of these.
import type { PortConfig, ServiceSpec } from './spec.ts';
import type { HostEncryption, TaskAttachment, TaskNetwork } from './objects.ts';
import type { TaskState } from './task-state.ts';

/** A task of this node. Key: task id. */
export interface TaskAssignment {
  readonly id: string;
  readonly serviceId: string;
  readonly serviceName: string;
  readonly slot: number;
  readonly nodeId: string;
  readonly revisionId: string;
  readonly desiredState: TaskState;
  readonly networks: readonly TaskNetwork[];
  /** Ports in mode host, with granted numbers. */
  readonly hostPorts: readonly PortConfig[];
  /** The service's own DNS servers (`--dns`): asked instead of the host's for names outside. */
  readonly nameservers?: readonly string[];
  /** True when the service publishes through the mesh (decides over the default route). */
  readonly publishesIngress: boolean;
  /** The task is the place of a user's container on its networks, see `Task.attachment`. */
  readonly attachment?: TaskAttachment;
}

/** The immutable spec of tasks above. Key: revision id. */
export interface RevisionAssignment {
  readonly id: string;
  readonly serviceId: string;
  readonly spec: ServiceSpec;
  /** Value of X-Registry-Auth for pulls. */
  readonly registryAuth?: string;
}

/** A network that a task here uses, or ingress. Key: network id. */
export interface NetworkAssignment {
  readonly id: string;
  readonly name: string;
  readonly vni: number;
  readonly subnets: readonly { readonly subnet: string; readonly gateway: string }[];
  readonly internal: boolean;
  readonly ingress: boolean;
  /** Of the inner packets; one value for all hosts of the network. Absent: underlay minus overhead. */
  readonly mtu?: number;
  readonly encrypted: boolean;
}

/** A host of the cluster that the overlay reaches. Key: node id. */
export interface HostAssignment {
  readonly nodeId: string;
  readonly hostname: string;
  /** Small number: tunnel address 198.18.(n>>8).(n&255), MAC 02:42:0a:63:(n>>8):(n&255). */
  readonly number: number;
  /** Underlay address of VXLAN. */
  readonly address: string;
  /** Absent: it can't be on encrypted networks. */
  readonly encryption?: HostEncryption;
}

/** A service as one network sees it. Key: `${networkId}/${serviceId}`. */
export interface ServiceEndpointAssignment {
  readonly networkId: string;
  readonly serviceId: string;
  readonly name: string;
  readonly aliases: readonly string[];
  readonly mode: 'vip' | 'dnsrr';
  /** Without prefix length; absent in mode dnsrr and on ingress. */
  readonly vip?: string;
  /** The same in IPv6, on networks that have it. */
  readonly vip6?: string;
  /** Published through the mesh; only on the ingress network. */
  readonly ports: readonly PortConfig[];
  /** Ports of the service, for SRV records; absent without any, and on ingress. */
  readonly exposed?: readonly PortConfig[];
  /** Sticky sessions by the client's address (label `tsswarm.sticky=client-ip`). */
  readonly sticky: boolean;
}

/** A task as one network sees it, on whichever host. Key: `${networkId}/${taskId}`. */
export interface TaskEndpointAssignment {
  readonly networkId: string;
  readonly serviceId: string;
  readonly taskId: string;
  /** Container name `<service>.<slot|nodeId>.<taskId>`, or that of a user's container. */
  readonly name: string;
  readonly nodeId: string;
  /** Without prefix length. */
  readonly addresses: readonly string[];
  readonly aliases: readonly string[];
  /** Gets new connections and is in the names: running, healthy and not asked to stop. */
  readonly active: boolean;
  /** Its host is down: connections to it are reset instead of left to hang. */
  readonly lost?: boolean;
}

/** The bytes of a secret or config that a task here needs; never on disk. Key: id. */
export interface PayloadAssignment {
  readonly id: string;
  readonly kind: 'secret' | 'config';
  /** Base64. */
  readonly data: string;
}

export interface AssignmentKinds {
  task: TaskAssignment;
  revision: RevisionAssignment;
  network: NetworkAssignment;
  host: HostAssignment;
  serviceEndpoint: ServiceEndpointAssignment;
  taskEndpoint: TaskEndpointAssignment;
  payload: PayloadAssignment;
}

export type AssignmentKind = keyof AssignmentKinds;

/** The sets an agent holds, by kind and key. */
export type AssignmentTables = {
  readonly [K in AssignmentKind]: ReadonlyMap<string, AssignmentKinds[K]>;
};
