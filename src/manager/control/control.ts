// What may be asked of the managers: every write of the cluster's state has one method here, with its
// request and answer. Any manager takes the call; one that does not lead hands it to the leader. The schemas are
// what a leader decodes what other managers hand on by.
import {
  boolean,
  count,
  list,
  oneOf,
  optional,
  record,
  text,
  type Asked,
  type Decoded,
  type TSchema,
} from '../../base/index.ts';
import {
  CLUSTER_SPEC,
  ID,
  NETWORK_SPEC,
  NODE_SPEC,
  SECRET_SPEC,
  SERVICE_SPEC,
} from '../../model/index.ts';

/** Value of X-Registry-Auth. */
const registryAuth = text(1024 * 1024);
const nothing = record({});
const made = record({ id: ID });
/** An id that was found, or what a user typed. */
const name = text(4096);
const warnings = list(text(), 1000);
const named = list(text(255), 64);

/** The network attachment of a user’s container that a node asks for. */
export const ATTACHMENT_REQUEST = record({
  /** Chosen by the node, of the task that it becomes. */
  id: text(25, /[0-9a-z]{25}/),
  nodeId: ID,
  containerId: text(64, /[0-9a-f]{64}/),
  /** The container's, which others find it by. */
  name: text(255),
  networks: list(record({ target: text(255), aliases: named, addresses: named }), 64),
});
/** See ATTACHMENT_REQUEST. */
export type AttachmentRequest = Decoded<typeof ATTACHMENT_REQUEST>;

const changedSecret = record({ id: name, version: count(), spec: SECRET_SPEC });

/** Request and answer of each method. */
export const CONTROL_METHODS = {
  'service.create': {
    request: record({ spec: SERVICE_SPEC, registryAuth: optional(registryAuth) }),
    response: record({ id: ID, warnings }),
  },
  'service.update': {
    request: record({
      id: name,
      version: count(),
      spec: SERVICE_SPEC,
      registryAuth: optional(registryAuth),
      /** Which revision's credentials to keep when none are given. */
      registryAuthFrom: optional(oneOf('spec', 'previous-spec')),
      /** Back to the previous spec; `spec` is ignored. */
      rollback: optional(boolean()),
    }),
    response: record({ warnings }),
  },
  'service.remove': { request: record({ id: name }), response: made },
  'network.create': { request: record({ spec: NETWORK_SPEC }), response: made },
  'network.remove': { request: record({ id: name }), response: made },
  'secret.create': { request: record({ spec: SECRET_SPEC }), response: made },
  'secret.update': { request: changedSecret, response: nothing },
  'secret.remove': { request: record({ id: name }), response: nothing },
  'config.create': { request: record({ spec: SECRET_SPEC }), response: made },
  'config.update': { request: changedSecret, response: nothing },
  'config.remove': { request: record({ id: name }), response: nothing },
  'node.update': {
    request: record({ id: name, version: count(), spec: NODE_SPEC }),
    response: nothing,
  },
  'node.remove': { request: record({ id: name, force: boolean() }), response: nothing },
  /** A user's container on a node wants its place on attachable networks; may be said again. */
  'attachment.create': { request: ATTACHMENT_REQUEST, response: nothing },
  'cluster.update': {
    request: record({
      version: count(),
      spec: CLUSTER_SPEC,
      rotateWorkerToken: optional(boolean()),
      rotateManagerToken: optional(boolean()),
    }),
    response: nothing,
  },
} as const;

/** A table of methods as types. */
export type MethodsOf<T extends Readonly<Record<string, { request: TSchema; response: TSchema }>>> =
  { [M in keyof T]: { request: Asked<T[M]['request']>; response: Decoded<T[M]['response']> } };

/** Request and response of each control method. */
export interface ControlMethods extends MethodsOf<typeof CONTROL_METHODS> {}

/** Name of a control method: noun.verb. */
export type ControlMethod = keyof ControlMethods;

/** Raises `invalid`, `notFound`, `conflict`, `outOfSequence`, `precondition`, `unimplemented`, `unavailable`. */
export interface ControlApi {
  handle<M extends ControlMethod>(
    method: M,
    request: ControlMethods[M]['request'],
  ): Promise<ControlMethods[M]['response']>;
}
