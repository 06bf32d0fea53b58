// Calls to other nodes. The server's certificate must be of our cluster and of a manager (or of the
// very node that was asked for); names and addresses play no part in that, so machines may move.
import { Client, Metadata, credentials as grpcCredentials, experimental } from '@grpc/grpc-js';
import type { PeerCertificate } from 'node:tls';
import { SwarmError, codeFromGrpc, type Connection } from '../../base/index.ts';
import type { TlsIdentity } from './identity.ts';
import { clientConnection } from './rpc-connection.ts';
import { MESSAGE_BYTES_MAX, type WireMethod } from './rpc-definitions.ts';

/** A silent peer (cut link: nobody sends a FIN) is noticed within the sum of these. */
const KEEPALIVE_MS = 1_000;
const KEEPALIVE_TIMEOUT_MS = 1_500;
/** A connection without calls. */
const IDLE_MS = 5_000;

export interface RpcClientOptions {
  readonly methods: ReadonlyMap<string, WireMethod>;
  /** host:port. */
  readonly address: string;
  readonly identity: TlsIdentity;
  readonly clusterId: string;
  /** The node that must answer; absent: any manager. */
  readonly nodeId?: string;
  /** Both sides of what goes over it beat, and give a silent one up: the connection is not pinged. */
  readonly hasHeartbeats?: boolean;
}

export class RpcClient {
  readonly #client: Client;
  readonly #methods: ReadonlyMap<string, WireMethod>;

  private constructor(client: Client, methods: ReadonlyMap<string, WireMethod>) {
    this.#client = client;
    this.#methods = methods;
  }

  static connect(options: RpcClientOptions): RpcClient {
    const credentials = experimental.createCertificateProviderChannelCredentials(
      options.identity,
      options.identity,
      { checkServerIdentity: (_host, certificate) => checkServer(certificate, options) },
    );
    return new RpcClient(
      new Client(options.address, credentials, channelOptions(options.hasHeartbeats === true)),
      options.methods,
    );
  }

  /** For joiners: without own certificate; `rootCertificates` undefined trusts whoever answers. */
  static connectUnauthenticated(
    methods: ReadonlyMap<string, WireMethod>,
    address: string,
    rootCertificates: string | undefined,
  ): RpcClient {
    const credentials = grpcCredentials.createSsl(
      rootCertificates === undefined ? null : Buffer.from(rootCertificates),
      null,
      null,
      {
        checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
          rootCertificates === undefined || certificate.subject.OU === 'swarm-manager'
            ? undefined
            : new Error('the other side is not a manager'),
        rejectUnauthorized: rootCertificates !== undefined,
      },
    );
    return new RpcClient(new Client(address, credentials, channelOptions(false)), methods);
  }

  unary<Reply extends object>(path: string, request: object, timeoutMs: number): Promise<Reply> {
    const method = this.#method(path);
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, reply) => {
          if (error) reject(new SwarmError(codeFromGrpc(error.code), error.details));
          else resolve(reply as Reply);
        },
      );
    });
  }

  /** Answers until the server ends, or until the consumer stops reading. */
  async *stream<Reply extends object>(
    path: string,
    request: object,
    signal: AbortSignal,
  ): AsyncIterable<Reply> {
    const method = this.#method(path);
    const call = this.#client.makeServerStreamRequest(
      path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
    );
    const abort = (): void => call.cancel();
    signal.addEventListener('abort', abort);
    try {
      for await (const reply of call) yield reply as Reply;
    } catch (error) {
      if (signal.aborted) return;
      const { code, details } = error as { code?: number; details?: string };
      throw new SwarmError(
        code === undefined ? 'unavailable' : codeFromGrpc(code),
        details ?? String(error),
      );
    } finally {
      signal.removeEventListener('abort', abort);
      call.cancel();
    }
  }

  duplex<Out extends object, In extends object>(path: string): Connection<Out, In> {
    const method = this.#method(path);
    const call = this.#client.makeBidiStreamRequest(
      path,
      method.requestSerialize,
      method.responseDeserialize,
    );
    return clientConnection(call) as unknown as Connection<Out, In>;
  }

  close(): void {
    this.#client.close();
  }

  #method(path: string): WireMethod {
    const method = this.#methods.get(path);
    if (method === undefined)
      throw new Error(`invariant broken: ${path} is not in the .proto files`);
    return method;
  }
}

function channelOptions(hasHeartbeats: boolean): Record<string, number | string> {
  const pings = {
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    'grpc.keepalive_permit_without_calls': 0,
  };
  return {
    ...(hasHeartbeats ? {} : pings),
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    // Nobody watches an idle connection: it is closed before it can be a dead one.
    'grpc.client_idle_timeout_ms': IDLE_MS,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1_000,
    // Each client has its own connection: one that hangs must not hold the others.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_http_proxy': 0,
    // Addresses are no TLS server names; who answers is checked by certificate.
    'grpc.ssl_target_name_override': 'swarm-manager',
  };
}

function checkServer(certificate: PeerCertificate, options: RpcClientOptions): Error | undefined {
  const { CN, OU, O } = certificate.subject;
  if (O !== options.clusterId)
    return new Error(`the node at ${options.address} is of another cluster`);
  if (options.nodeId !== undefined) {
    return CN === options.nodeId
      ? undefined
      : new Error(`${options.address} is not node ${options.nodeId}`);
  }
  return OU === 'swarm-manager'
    ? undefined
    : new Error(`the node at ${options.address} is not a manager`);
}
