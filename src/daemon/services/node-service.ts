// What a service between nodes is: its .proto file, who may call its methods, how they are served. Each
// has one file here, with its client's side; cluster-rpc.ts lists them.
import type { Manager } from '../../manager/index.ts';
import type { TraceAnswer, TraceQuestion } from '../../model/index.ts';
import type { Access, RpcServer } from '../../platform/index.ts';
import type { LogReader } from './log-query.ts';
import type { TunnelHandlers } from './tunnel-end.ts';

/** A node, as its services need it. */
export interface ServingNode {
  readonly clusterId: string;
  /** PEM of the cluster's roots. */
  readonly rootCertificates: () => string;
  /** Raises `unavailable` when the node is no manager. */
  readonly manager: () => Manager;
  readonly readLogs: LogReader;
  readonly trace: (question: TraceQuestion) => Promise<TraceAnswer>;
  /** By kind: what a tunnel to this node may lead to. */
  readonly tunnels: TunnelHandlers;
}

export interface NodeService {
  /** Below proto/. */
  readonly proto: string;
  /** By path of the method. */
  readonly access: Readonly<Record<string, Access>>;
  serve(server: RpcServer, node: ServingNode): void;
}
