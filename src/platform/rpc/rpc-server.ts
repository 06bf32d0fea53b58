// The one gRPC port of a node. Every call passes `refusal` before a byte of its messages is read; the
// peer is read from its certificate and handed to the handler, which never has to trust what a message
// says of itself. Callers of each kind have a server of their own behind the port, with its limits.
import {
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ConnectionInjector,
  type ServerDuplexStream,
  type ServerInterceptor,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from '@grpc/grpc-js';
import {
  SwarmError,
  messageOf,
  type Connection,
  type Logger,
  type Peer,
} from '../../base/index.ts';
import type { TlsIdentity } from './identity.ts';
import { serverConnection, statusOf } from './rpc-connection.ts';
import {
  CALLER_LIMITS,
  MESSAGE_BYTES_MAX,
  refusal,
  type Access,
  type CallerKind,
  type WireMethod,
} from './rpc-definitions.ts';
import { RpcPort, peerOfSubject } from './rpc-port.ts';

export interface RpcServerOptions {
  readonly identity: TlsIdentity;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly clusterId: string;
  /** Who may call each method, by path; what is not in it is not served. */
  readonly access: ReadonlyMap<string, Access>;
  /**
   * The role that a node has now, which may be less than its certificate says; undefined: it was
   * removed from the cluster.
   */
  readonly roleOf: (peer: Peer) => Peer['role'] | undefined;
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

const KINDS: readonly CallerKind[] = ['stranger', 'worker', 'manager'];

/**
 * A dead caller's connection is let go within the sum of these: it holds a little memory. Whether a node
 * is alive is not told by this, but by its heartbeats.
 */
const KEEPALIVE_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 4_000;

interface Behind {
  readonly server: Server;
  readonly injector: ConnectionInjector;
}

/** Until the caller has read what waits for it, or is gone. */
function drained(call: ServerWritableStream<object, object>): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      call.off('cancelled', done);
      resolve();
    };
    call.on('drain', done);
    call.on('cancelled', done);
  });
}

export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #behind: Readonly<Record<CallerKind, Behind>>;
  readonly #port: RpcPort;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    this.#behind = {
      stranger: this.#newServer('stranger'),
      worker: this.#newServer('worker'),
      manager: this.#newServer('manager'),
    };
    this.#port = new RpcPort(options.identity, (socket, peer) => {
      this.#behind[peer?.role ?? 'stranger'].injector.injectConnection(socket);
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
      const emit = async (reply: Reply): Promise<void> => {
        if (!abort.signal.aborted && !call.write(reply)) await drained(call);
      };
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
        const hangUp = (): void => this.#port.disconnect(caller.peer?.nodeId ?? '');
        handler(serverConnection(call, hangUp), caller);
      } catch (error) {
        // Emitted, not destroyed with: only so the status goes out and the caller does not hang.
        call.emit('error', this.#toStatus(path, error));
      }
    });
  }

  /** Binds host:port; returns the port. Raises `unavailable` with the reason when it is taken. */
  listen(address: string): Promise<number> {
    return this.#port.listen(address);
  }

  /** Ends everything that runs over connections of a node that was removed or demoted. */
  disconnect(nodeId: string): void {
    this.#port.disconnect(nodeId);
  }

  close(): void {
    for (const kind of KINDS) this.#behind[kind].server.forceShutdown();
    this.#port.close();
  }

  #newServer(kind: CallerKind): Behind {
    const { messageBytes, streams } = CALLER_LIMITS[kind];
    const server = new Server({
      'grpc.max_receive_message_length': messageBytes,
      'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_concurrent_streams': streams,
      'grpc.keepalive_time_ms': KEEPALIVE_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      interceptors: [this.#gate()],
    });
    // Encrypted already, by the port.
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    return { server, injector };
  }

  /** Refuses a call by its path and certificate, before any message of it is read. */
  #gate(): ServerInterceptor {
    return (method, call) => {
      try {
        this.#authorise(method.path, call);
        return new ServerInterceptingCall(call);
      } catch (error) {
        const { code, details } = this.#toStatus(method.path, error);
        return new ServerInterceptingCall(call, {
          start: () => call.sendStatus({ code, details }),
        });
      }
    };
  }

  #add(path: string, handler: (...args: never[]) => void): void {
    const method = this.#options.methods.get(path);
    if (method === undefined || !this.#options.access.has(path)) {
      throw new Error(`invariant broken: ${path} is not in the access table`);
    }
    const name = path.slice(path.lastIndexOf('/') + 1);
    for (const kind of KINDS) {
      this.#behind[kind].server.addService({ [name]: method }, { [name]: handler as () => void });
    }
  }

  #authorise(path: string, call: AnyCall): Caller {
    const certified = peerOfSubject(call.getAuthContext().sslPeerCertificate?.subject);
    const { clusterId, roleOf } = this.#options;
    const ours = certified?.clusterId === clusterId;
    const role = certified === undefined || !ours ? certified?.role : roleOf(certified);
    if (certified !== undefined && role === undefined) {
      throw new SwarmError('denied', `node ${certified.nodeId} was removed from the cluster`);
    }
    const peer = certified === undefined || role === undefined ? undefined : { ...certified, role };
    const problem = refusal(this.#options.access.get(path), peer, clusterId);
    if (problem !== undefined) {
      throw new SwarmError(peer === undefined ? 'unauthenticated' : 'denied', problem);
    }
    return { peer, address: call.getPeer() };
  }

  #toStatus(path: string, error: unknown): Error & { code: number; details: string } {
    if (!(error instanceof SwarmError)) {
      this.#options.logger.error({ path, error: messageOf(error) }, 'call failed');
    }
    return statusOf(error instanceof Error ? error : new Error(messageOf(error)));
  }
}
