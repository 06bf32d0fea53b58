// The node's gRPC port and its clients of other nodes. The services are there from the start; those of a
// manager answer "not a manager" until the node is one.
import { timingSafeEqual } from 'node:crypto';
import { SwarmError, localConnection, type Logger, type Peer } from '../../base/index.ts';
import type {
  ForwardedCall,
  HeartbeatStream,
  Manager,
  ManagerCaller,
} from '../../manager/index.ts';
import type { AgentMessage, TraceAnswer, TraceQuestion } from '../../model/index.ts';
import { RpcServer, type Access, type TlsIdentity, type WireMethod } from '../../platform/index.ts';
import type { DispatcherConnection } from '../../worker/index.ts';
import { attachService } from './attach-service.ts';
import { caService } from './ca-service.ts';
import { controlService, sendCall } from './control-service.ts';
import { heartbeatsService, openHeartbeats } from './heartbeats-service.ts';
import type { LogReader } from './log-query.ts';
import { logsService } from './logs-service.ts';
import { NodeClients, type NodeTarget } from './node-clients.ts';
import type { NodeService, ServingNode } from './node-service.ts';
import { sessionService } from './session-service.ts';
import { traceService } from './trace-service.ts';
import type { TunnelHandlers } from './tunnel-end.ts';
import { tunnelService } from './tunnel-service.ts';

/** All services between nodes. */
const NODE_SERVICES: readonly NodeService[] = [
  attachService,
  caService,
  controlService,
  heartbeatsService,
  logsService,
  sessionService,
  traceService,
  tunnelService,
];

/** Their .proto files. */
export const NODE_PROTOS: readonly string[] = [...new Set(NODE_SERVICES.map(({ proto }) => proto))];

/** Who may call each method; what is not in it is not served. */
export const NODE_ACCESS: ReadonlyMap<string, Access> = new Map(
  NODE_SERVICES.flatMap(({ access }) => Object.entries(access)),
);

export interface ClusterRpcOptions {
  readonly identity: TlsIdentity;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly clusterId: string;
  readonly logger: Logger;
  readonly manager: () => Manager | undefined;
  /** What a node may be now; undefined: it was removed. */
  readonly roleOf: (peer: Peer) => Peer['role'] | undefined;
  readonly readLogs: LogReader;
  readonly trace: (question: TraceQuestion) => Promise<TraceAnswer>;
  readonly tunnels: TunnelHandlers;
}

export class ClusterRpc implements ManagerCaller {
  readonly server: RpcServer;
  readonly clients: NodeClients;
  readonly #options: ClusterRpcOptions;

  constructor(options: ClusterRpcOptions) {
    this.#options = options;
    this.clients = new NodeClients(options);
    this.server = new RpcServer({ ...options, access: NODE_ACCESS });
    const node: ServingNode = {
      ...options,
      rootCertificates: () => options.identity.pems.rootCertificates,
      manager: () => managerOf(options),
    };
    for (const service of NODE_SERVICES) service.serve(this.server, node);
  }

  /** The managers' way to the leader. */
  send(
    manager: NodeTarget,
    call: ForwardedCall,
    signal: AbortSignal,
  ): Promise<{ body: string; index: number }> {
    return sendCall(this.clients, manager, call, signal);
  }

  /** The managers' way to tell the leader of heartbeats. */
  heartbeats(manager: NodeTarget): HeartbeatStream {
    return openHeartbeats(this.clients, manager);
  }

  /** A session with the manager of this node itself (`nodeId`, at `address`): nothing goes over a wire. */
  dialOwnDispatcher(nodeId: string, address: string): DispatcherConnection {
    const { caller, callee } = localConnection<AgentMessage, unknown>();
    try {
      const { clusterId, roleOf } = this.#options;
      // As a caller over the wire would be asked.
      if (roleOf({ nodeId, role: 'manager', clusterId }) === undefined) {
        throw new SwarmError('denied', `node ${nodeId} was removed from the cluster`);
      }
      managerOf(this.#options).serveAgent(nodeId, callee, address);
    } catch (error) {
      callee.close(error instanceof Error ? error : new Error(String(error)));
    }
    return caller;
  }

  close(): void {
    this.server.close();
    this.clients.reconnect();
  }
}

function managerOf({ manager }: ClusterRpcOptions): Manager {
  const own = manager();
  if (own === undefined) throw new SwarmError('unavailable', 'this node is not a manager');
  return own;
}

/** Comparison that takes the same time wherever the first difference is. */
export function equalInConstantTime(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
