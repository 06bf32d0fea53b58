// What may be asked of the managers: every write of the cluster's state has one method here, with its
// request and answer. Any manager takes the call; one that does not lead hands it to the leader.
import type {
  ClusterSpec,
  ConfigSpec,
  ContainerNetworkConfig,
  NetworkSpec,
  NodeSpec,
  SecretSpec,
  ServiceSpec,
} from '../../model/index.ts';

export interface ControlMethods {
  'service.create': {
    request: { spec: ServiceSpec; registryAuth?: string | undefined };
    response: { id: string; warnings: string[] };
  };
  'service.update': {
    request: {
      id: string;
      version: number;
      spec: ServiceSpec;
      registryAuth?: string | undefined;
      /** Which revision's credentials to keep when none are given. */
      registryAuthFrom?: 'spec' | 'previous-spec' | undefined;
      /** Back to the previous spec; `spec` is ignored. */
      rollback?: boolean | undefined;
    };
    response: { warnings: string[] };
  };
  'service.remove': { request: { id: string }; response: { id: string } };
  'network.create': { request: { spec: NetworkSpec }; response: { id: string } };
  'network.remove': { request: { id: string }; response: { id: string } };
  'secret.create': { request: { spec: SecretSpec }; response: { id: string } };
  'secret.update': { request: { id: string; version: number; spec: SecretSpec }; response: object };
  'secret.remove': { request: { id: string }; response: object };
  'config.create': { request: { spec: ConfigSpec }; response: { id: string } };
  'config.update': { request: { id: string; version: number; spec: ConfigSpec }; response: object };
  'config.remove': { request: { id: string }; response: object };
  'node.update': { request: { id: string; version: number; spec: NodeSpec }; response: object };
  'node.remove': { request: { id: string; force: boolean }; response: object };
  /** A user's container on a node wants its place on attachable networks; may be said again. */
  'attachment.create': { request: AttachmentRequest; response: object };
  'cluster.update': {
    request: {
      version: number;
      spec: ClusterSpec;
      rotateWorkerToken?: boolean | undefined;
      rotateManagerToken?: boolean | undefined;
    };
    response: object;
  };
}

export interface AttachmentRequest {
  /** Chosen by the node, of the task that it becomes. */
  readonly id: string;
  readonly nodeId: string;
  readonly containerId: string;
  /** The container's, which others find it by. */
  readonly name: string;
  readonly networks: readonly ContainerNetworkConfig[];
}

export type ControlMethod = keyof ControlMethods;

/** Raises `invalid`, `notFound`, `conflict`, `outOfSequence`, `precondition`, `unimplemented`, `unavailable`. */
export interface ControlApi {
  call<M extends ControlMethod>(
    method: M,
    request: ControlMethods[M]['request'],
  ): Promise<ControlMethods[M]['response']>;
}
