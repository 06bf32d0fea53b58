// The listener for peers. It takes managers of our cluster only, and lets each speak for itself only.
// Behind one TLS port: peers that speak frames, and gRPC for those of earlier releases and for snapshots.
import {
  createServer,
  type PeerCertificate,
  type Server as TlsServer,
  type TLSSocket,
} from 'node:tls';
import {
  Server,
  ServerCredentials,
  status,
  type ConnectionInjector,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Message } from 'raft-ts';
import { messageOf, SwarmError, type Logger } from '../../../base/index.ts';
import {
  FRAME_BYTES_MAX,
  HANDSHAKE_TIMEOUT_MS,
  INCOMING_KEEPALIVE_MS,
  REFUSAL_BYTES_MAX,
  REFUSED_PEERS_MAX,
  type Member,
  type TransportReceiver,
} from '../contract/index.ts';
import { channelOptions } from './grpc-stream.ts';
import { decodeMember } from './membership.ts';
import { decodeMessage } from './message-codec.ts';
import { endpointOf } from './peer-address.ts';
import { FRAMES_PROTOCOL, FrameSplitter, GRPC_PROTOCOL, framed } from './peer-frames.ts';
import {
  decodeFrame,
  messagesOf,
  raftService,
  type Accepted,
  type Frame,
  type SnapshotPart,
} from './peer-service.ts';
import { nodeOf, type TlsSource } from './peer-tls.ts';

/** What the listener needs. */
export interface PeerServerPorts {
  readonly selfId: number;
  readonly tls: TlsSource;
  readonly receiver: TransportReceiver;
  readonly logger: Logger;
}

const EMPTY = new Uint8Array(0);

/** Listens on one address. */
export class PeerServer {
  readonly #ports: PeerServerPorts;
  readonly #grpc = new Server(channelOptions);
  readonly #injector: ConnectionInjector;
  readonly #sockets = new Set<TLSSocket>();
  readonly #refused = new Set<string>();
  #server: TlsServer | undefined;

  constructor(ports: PeerServerPorts) {
    this.#ports = ports;
    const implementation: UntypedServiceImplementation = {
      messages: (call: ServerDuplexStream<Frame, Accepted>) => this.#messages(call),
      sendSnapshot: (
        call: ServerReadableStream<SnapshotPart, Accepted>,
        callback: sendUnaryData<Accepted>,
      ) => {
        this.#snapshot(call).then(
          () => callback(null, {}),
          (error: unknown) => callback(statusOf(error)),
        );
      },
    };
    this.#grpc.addService(raftService as ServiceDefinition, implementation);
    // Encrypted already, by the port.
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
  }

  /** Rejects with `unavailable` when the address cannot be had. */
  listen(address: string): Promise<void> {
    const { tls } = this.#ports;
    // Without a certificate of our CA there is not even a connection.
    const server = createServer({
      ...tls.context,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: [FRAMES_PROTOCOL, GRPC_PROTOCOL],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.#server = server;
    server.on('secureConnection', (socket) => this.#accept(socket));
    tls.onUpdate(() => server.setSecureContext(tls.context));
    return new Promise((resolve, reject) => {
      // Also later ones: a connection that could not be taken ends nothing else.
      server.on('error', (error) =>
        reject(new SwarmError('unavailable', `cannot listen on ${address}: ${error.message}`)),
      );
      server.listen(endpointOf(address), resolve);
    });
  }

  close(): void {
    this.#grpc.forceShutdown();
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket: TLSSocket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    if (socket.alpnProtocol === FRAMES_PROTOCOL) this.#frames(socket);
    else this.#injector.injectConnection(socket);
  }

  #frames(socket: TLSSocket): void {
    const splitter = new FrameSplitter(FRAME_BYTES_MAX);
    const certificate = socket.getPeerCertificate();
    const refuse = (error: unknown): void => {
      const reason = messageOf(error);
      this.#logRefusal({ subject: certificate.subject, peer: socket.remoteAddress ?? '' }, reason);
      socket.off('data', take);
      socket.end(framed(Buffer.from(reason).subarray(0, REFUSAL_BYTES_MAX)));
    };
    let nodeId = '';
    const take = (piece: Buffer): void => {
      try {
        for (const bytes of splitter.push(piece)) {
          if (bytes.length > 0) this.#take(decodeFrame(bytes), nodeId);
          // Who asks without reading the answers is not answered.
          else if (socket.writableLength === 0) socket.write(framed(EMPTY));
        }
      } catch (error) {
        refuse(error);
      }
    };
    socket.setNoDelay(true);
    socket.setKeepAlive(true, INCOMING_KEEPALIVE_MS);
    try {
      nodeId = this.#nodeOf(certificate);
    } catch (error) {
      refuse(error);
      return;
    }
    socket.on('data', take);
    socket.write(framed(EMPTY));
  }

  #take(frame: Frame, nodeId: string): void {
    if (frame.sender !== undefined) this.#meet(decodeMember(frame.sender), nodeId);
    for (const message of messagesOf(frame)) {
      this.#check(message, nodeId);
      this.#ports.receiver.receive(message);
    }
  }

  #messages(call: ServerDuplexStream<Frame, Accepted>): void {
    let refused = false;
    const refuse = (error: unknown): void => {
      if (refused) return;
      refused = true;
      const { subject } = call.getAuthContext().sslPeerCertificate ?? {};
      this.#logRefusal({ subject, peer: call.getPeer() }, messageOf(error));
      // Not `destroy`: gRPC would never tell the caller.
      call.emit('error', Object.assign(new Error(messageOf(error)), statusOf(error)));
    };
    try {
      const nodeId = this.#nodeOf(call.getAuthContext().sslPeerCertificate);
      call.write({});
      call.on('data', (frame: Frame) => {
        if (refused) return;
        try {
          this.#take(frame, nodeId);
        } catch (error) {
          refuse(error);
        }
      });
      call.on('end', () => call.end());
    } catch (error) {
      refuse(error);
    }
  }

  /** It speaks of itself only; whether it may speak at all is seen with its messages. */
  #meet(peer: Member, nodeId: string): void {
    const { receiver } = this.#ports;
    if (peer.nodeId === nodeId && receiver.mayBe(peer.raftId, nodeId)) receiver.met(peer);
  }

  async #snapshot(call: ServerReadableStream<SnapshotPart, Accepted>): Promise<void> {
    const nodeId = this.#nodeOf(call.getAuthContext().sslPeerCertificate);
    const parts = call[Symbol.asyncIterator]() as AsyncIterator<SnapshotPart>;
    const first = await parts.next();
    const head = first.done === true ? undefined : first.value.head;
    if (head === undefined) throw new SwarmError('invalid', 'snapshot without a head');
    const message = decodeMessage(head);
    this.#check(message, nodeId);
    await this.#ports.receiver.receiveSnapshot(message, chunksOf(parts));
  }

  #logRefusal({ subject, peer }: { subject: unknown; peer: string }, reason: string): void {
    const who = `${JSON.stringify(subject)} ${reason}`;
    if (this.#refused.has(who) || this.#refused.size >= REFUSED_PEERS_MAX) return;
    this.#refused.add(who);
    this.#ports.logger.warn({ peer, subject, reason }, 'peer refused');
  }

  #nodeOf(certificate: PeerCertificate | undefined): string {
    const nodeId = nodeOf(certificate, this.#ports.tls.clusterId);
    if (nodeId !== undefined) return nodeId;
    throw new SwarmError('denied', 'only managers of this cluster may speak raft');
  }

  /** For each message: a member may be removed while its connection lasts. */
  #check(message: Message, nodeId: string): void {
    const { receiver, selfId } = this.#ports;
    if (!receiver.mayBe(message.from, nodeId)) {
      throw new SwarmError('denied', `node ${nodeId} is not raft member ${message.from}`);
    }
    if (message.to !== selfId) {
      throw new SwarmError('invalid', `this is raft member ${selfId}, not ${message.to}`);
    }
  }
}

async function* chunksOf(parts: AsyncIterator<SnapshotPart>): AsyncGenerator<Uint8Array> {
  for (let part = await parts.next(); part.done !== true; part = await parts.next()) {
    if (part.value.chunk !== undefined) yield part.value.chunk;
  }
}

function statusOf(error: unknown): { code: number; details: string } {
  const code = error instanceof SwarmError ? error.grpcStatus : status.INTERNAL;
  return { code, details: messageOf(error) };
}
