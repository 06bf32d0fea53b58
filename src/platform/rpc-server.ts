// The one gRPC port of a node. Every call passes `refusal` before its handler; the peer is read from
// its certificate and handed to the handler, which never has to trust what a message says of itself.
import {
  Server,
  experimental,
  status as grpcStatus,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { SwarmError, messageOf, type Connection, type Logger, type Peer } from '../base/index.ts';
import type { TlsIdentity } from './identity.ts';
import { ACCESS, MESSAGE_BYTES_MAX, refusal, type WireMethod } from './rpc-definitions.ts';
import { serverConnection } from './rpc-connection.ts';

export interface RpcServerOptions {
  readonly identity: TlsIdentity;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly clusterId: string;
  /** True for nodes that were removed from the cluster. */
  readonly isBlacklisted: (nodeId: string) => boolean;
  readonly logger: Logger;
}

/** What a handler learns of its caller; `peer` is absent only for methods open to anyone. */
export interface Caller {
  readonly peer: Peer | undefined;
  /** Network address, host:port. */
  readonly address: string;
}

type AuthContext = ReturnType<ServerUnaryCall<object, object>['getAuthContext']>;

interface AnyCall {
  getAuthContext(): AuthContext;
  getPeer(): string;
}

export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #server: Server;
  readonly #connections = new Set<{ nodeId: string; close: () => void }>();

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      'grpc.keepalive_time_ms': 2_000,
      'grpc.keepalive_timeout_ms': 4_000,
    });
  }

  /** One request, one answer. */
  unary<Request extends object, Reply extends object>(
    path: string,
    handler: (request: Request, caller: Caller) => Promise<Reply>,
  ): void {
    const handle = async (call: ServerUnaryCall<Request, Reply>): Promise<Reply> =>
      handler(call.request, this.#authorise(path, call));
    this.#add(path, (call: ServerUnaryCall<Request, Reply>, done: sendUnaryData<Reply>) => {
      handle(call).then(
        (reply) => done(null, reply),
        (error: unknown) => done(this.#toStatus(path, error)),
      );
    });
  }

  /** One request, many answers; the handler's `signal` aborts when the caller goes away. */
  stream<Request extends object, Reply extends object>(
    path: string,
    handler: (
      request: Request,
      caller: Caller,
      emit: (reply: Reply) => Promise<void>,
      signal: AbortSignal,
    ) => Promise<void>,
  ): void {
    this.#add(path, (call: ServerWritableStream<Request, Reply>) => {
      const abort = new AbortController();
      call.on('cancelled', () => abort.abort());
      const emit = (reply: Reply): Promise<void> =>
        call.write(reply) || abort.signal.aborted
          ? Promise.resolve()
          : new Promise((resolve) => {
              call.once('drain', resolve);
              call.once('cancelled', resolve);
            });
      const run = async (): Promise<void> =>
        handler(call.request, this.#authorise(path, call), emit, abort.signal);
      run().then(
        () => call.end(),
        (error: unknown) => call.emit('error', this.#toStatus(path, error)),
      );
    });
  }

  /** A two-way stream. */
  duplex<In extends object, Out extends object>(
    path: string,
    handler: (connection: Connection<Out, In>, caller: Caller) => void,
  ): void {
    this.#add(path, (call: ServerDuplexStream<In, Out>) => {
      try {
        const caller = this.#authorise(path, call);
        const connection = serverConnection(call);
        const entry = { nodeId: caller.peer?.nodeId ?? '', close: () => connection.close() };
        this.#connections.add(entry);
        call.once('close', () => this.#connections.delete(entry));
        handler(connection, caller);
      } catch (error) {
        // Emitted, not destroyed with: only so the status goes out and the caller does not hang.
        call.emit('error', this.#toStatus(path, error));
      }
    });
  }

  /** Binds host:port; returns the port. Raises `unavailable` with the reason when it is taken. */
  listen(address: string): Promise<number> {
    const { identity } = this.#options;
    const credentials = experimental.createCertificateProviderServerCredentials(
      identity,
      identity,
      false,
    );
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error, port) => {
        if (error)
          reject(new SwarmError('unavailable', `cannot listen on ${address}: ${error.message}`));
        else resolve(port);
      });
    });
  }

  /** Ends open streams of a node that was removed or demoted. */
  disconnect(nodeId: string): void {
    for (const entry of this.#connections) if (entry.nodeId === nodeId) entry.close();
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #add(path: string, handler: (...args: never[]) => void): void {
    const method = this.#options.methods.get(path);
    if (method === undefined || ACCESS[path] === undefined) {
      throw new Error(`invariant broken: ${path} is not in the access table`);
    }
    const name = path.slice(path.lastIndexOf('/') + 1);
    this.#server.addService({ [name]: method }, { [name]: handler as () => void });
  }

  #authorise(path: string, call: AnyCall): Caller {
    const peer = peerOf(call.getAuthContext());
    const problem = refusal(ACCESS[path], peer, this.#options.clusterId);
    if (problem !== undefined) {
      throw new SwarmError(peer === undefined ? 'unauthenticated' : 'denied', problem);
    }
    if (peer !== undefined && this.#options.isBlacklisted(peer.nodeId)) {
      throw new SwarmError('denied', `node ${peer.nodeId} was removed from the cluster`);
    }
    return { peer, address: call.getPeer() };
  }

  #toStatus(path: string, error: unknown): Error & { code: number; details: string } {
    const known = error instanceof SwarmError;
    if (!known) this.#options.logger.error({ path, error: messageOf(error) }, 'call failed');
    return Object.assign(new Error(messageOf(error)), {
      code: known ? error.grpcStatus : grpcStatus.INTERNAL,
      details: messageOf(error),
    });
  }
}

function peerOf(context: AuthContext): Peer | undefined {
  const subject = context.sslPeerCertificate?.subject;
  if (subject === undefined) return undefined;
  const { CN, OU, O } = subject;
  if (typeof CN !== 'string' || typeof O !== 'string') return undefined;
  if (OU !== 'swarm-manager' && OU !== 'swarm-worker') return undefined;
  return { nodeId: CN, role: OU === 'swarm-manager' ? 'manager' : 'worker', clusterId: O };
}
