// What a dispatcher tells an agent: a set of items, each with a kind, a key and a body. The agent
// keeps the set; a COMPLETE message replaces it, an INCREMENTAL one updates or removes single items.
// Everything a host has to know to run its tasks and its networks is one of these.
import {
  boolean,
  count,
  list,
  oneOf,
  optional,
  record,
  text,
  type Decoded,
} from '../../base/index.ts';
import {
  ADDRESS,
  HOST_ENCRYPTION,
  ID,
  LABEL,
  NETWORK_SUBNET,
  TASK_ATTACHMENT,
  TASK_NETWORK,
  TASK_STATES,
} from '../objects/index.ts';
import { PORT_CONFIG, SERVICE_SPEC } from '../spec/index.ts';

const NAME = text(4096);
const NAMES = list(NAME, 1_000);
const PORTS = list(PORT_CONFIG, 10_000);
const ADDRESSES = list(ADDRESS, 16);

/** A task of this node. Key: task id. */
export const TASK_ASSIGNMENT = record({
  id: ID,
  serviceId: ID,
  serviceName: NAME,
  slot: count(),
  nodeId: ID,
  revisionId: ID,
  desiredState: oneOf(...TASK_STATES),
  networks: list(TASK_NETWORK, 256),
  /** Ports in mode host, with granted numbers. */
  hostPorts: PORTS,
  /** The service's own DNS servers (`--dns`): asked instead of the host's for names outside. */
  nameservers: optional(list(text(256), 1_000)),
  /** True when the service publishes through the mesh (decides over the default route). */
  publishesIngress: boolean(),
  /** The task is a user’s container on its networks, see `Task.attachment`. */
  attachment: optional(TASK_ATTACHMENT),
});
/** A task as its node has to know it. */
export type TaskAssignment = Decoded<typeof TASK_ASSIGNMENT>;

/** The immutable spec of tasks above. Key: revision id. */
const REVISION = record({
  id: ID,
  serviceId: ID,
  spec: SERVICE_SPEC,
  /** Value of X-Registry-Auth for pulls. */
  registryAuth: optional(text(4 * 1024 * 1024)),
});
/** The spec that tasks of the node were made from, with what its images are pulled with. */
export type RevisionAssignment = Decoded<typeof REVISION>;

/** A network that a task here uses, or ingress. Key: network id. */
const NETWORK = record({
  id: ID,
  name: NAME,
  vni: count(0xff_ff_ff),
  subnets: list(NETWORK_SUBNET, 64),
  internal: boolean(),
  ingress: boolean(),
  /** Of the inner packets; one value for all hosts of the network. Absent: underlay minus overhead. */
  mtu: optional(count(65_535)),
  encrypted: boolean(),
});
/** A network as its hosts have to know it. */
export type NetworkAssignment = Decoded<typeof NETWORK>;

/** A host of the cluster that the overlay reaches. Key: node id. */
const HOST = record({
  nodeId: ID,
  hostname: LABEL,
  /** Small number: tunnel address 198.18.(n>>8).(n&255), MAC 02:42:0a:63:(n>>8):(n&255). */
  number: count(),
  /** Underlay address of VXLAN. */
  address: ADDRESS,
  /** Absent: it can't be on encrypted networks. */
  encryption: optional(HOST_ENCRYPTION),
});
/** Another host: where its tunnels end. */
export type HostAssignment = Decoded<typeof HOST>;

/** A service as one network sees it. Key: `${networkId}/${serviceId}`. */
const SERVICE_ENDPOINT = record({
  networkId: ID,
  serviceId: ID,
  name: NAME,
  aliases: NAMES,
  mode: oneOf('vip', 'dnsrr'),
  /** Without prefix length; absent in mode dnsrr and on ingress. */
  vip: optional(ADDRESS),
  /** The same in IPv6, on networks that have it. */
  vip6: optional(ADDRESS),
  /** Published through the mesh; only on the ingress network. */
  ports: PORTS,
  /** Ports of the service, for SRV records; absent without any, and on ingress. */
  exposed: optional(PORTS),
  /** Sticky sessions by the client's address (label `tsswarm.sticky=client-ip`). */
  sticky: boolean(),
});
/** A service on a network: name, aliases, virtual address, ports. */
export type ServiceEndpointAssignment = Decoded<typeof SERVICE_ENDPOINT>;

/** A task as one network sees it, on whichever host. Key: `${networkId}/${taskId}`. */
const TASK_ENDPOINT = record({
  networkId: ID,
  serviceId: ID,
  taskId: ID,
  /** Container name `<service>.<slot|nodeId>.<taskId>`, or that of a user's container. */
  name: NAME,
  nodeId: ID,
  /** Without prefix length. */
  addresses: ADDRESSES,
  aliases: NAMES,
  /** Gets new connections and is in the names: running, healthy and not asked to stop. */
  active: boolean(),
  /** Its host is down: connections to it are reset instead of left to hang. */
  lost: optional(boolean()),
});
/** A task on a network: its addresses, and whether it is sent anything new. */
export type TaskEndpointAssignment = Decoded<typeof TASK_ENDPOINT>;

/** The bytes of a secret or config that a task here needs; never on disk. Key: id. */
const PAYLOAD = record({
  id: ID,
  kind: oneOf('secret', 'config'),
  /** Base64. */
  data: text(4 * 1024 * 1024),
});
/** Content of a secret or config that a task of the node needs, base64. */
export type PayloadAssignment = Decoded<typeof PAYLOAD>;

/** Bodies of assignments, by kind. */
export const ASSIGNMENT_KINDS = {
  task: TASK_ASSIGNMENT,
  revision: REVISION,
  network: NETWORK,
  host: HOST,
  serviceEndpoint: SERVICE_ENDPOINT,
  taskEndpoint: TASK_ENDPOINT,
  payload: PAYLOAD,
} as const;

/** What kinds of things a node is told of. */
export type AssignmentKind = keyof typeof ASSIGNMENT_KINDS;

/** The body of each kind. */
export type AssignmentKinds = { [K in AssignmentKind]: Decoded<(typeof ASSIGNMENT_KINDS)[K]> };

/** The sets an agent holds, by kind and key. */
export type AssignmentTables = {
  readonly [K in AssignmentKind]: ReadonlyMap<string, AssignmentKinds[K]>;
};
