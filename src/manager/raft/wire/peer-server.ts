// The listener for peers. It takes managers of our cluster only, and lets each speak for itself only.
import {
  experimental,
  Server,
  status,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Message } from 'raft-ts';
import { messageOf, SwarmError, type Logger } from '../../../base/index.ts';
import { REFUSED_PEERS_MAX, type Member, type TransportReceiver } from '../contract/index.ts';
import { decodeMember } from './membership.ts';
import { decodeMessage } from './message-codec.ts';
import { channelOptions } from './peer-link.ts';
import {
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

type Call = Pick<ServerDuplexStream<Frame, Accepted>, 'getAuthContext' | 'getPeer'>;

/** Listens on one address. */
export class PeerServer {
  readonly #ports: PeerServerPorts;
  readonly #server = new Server(channelOptions);
  readonly #refused = new Set<string>();

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
    this.#server.addService(raftService as ServiceDefinition, implementation);
  }

  /** Rejects with `unavailable` when the address cannot be had. */
  listen(address: string): Promise<void> {
    const { tls } = this.#ports;
    // Without a certificate of our CA there is not even a connection.
    const credentials = experimental.createCertificateProviderServerCredentials(tls, tls, true);
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, credentials, (error) => {
        if (error === null) resolve();
        else reject(new SwarmError('unavailable', `cannot listen on ${address}: ${error.message}`));
      });
    });
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #messages(call: ServerDuplexStream<Frame, Accepted>): void {
    let refused = false;
    const refuse = (error: unknown): void => {
      if (refused) return;
      refused = true;
      this.#logRefusal(call, messageOf(error));
      // Not `destroy`: gRPC would never tell the caller.
      call.emit('error', Object.assign(new Error(messageOf(error)), statusOf(error)));
    };
    try {
      const nodeId = this.#identify(call);
      call.write({});
      call.on('data', (frame: Frame) => {
        if (refused) return;
        try {
          if (frame.sender !== undefined) this.#meet(decodeMember(frame.sender), nodeId);
          for (const message of messagesOf(frame)) {
            this.#check(message, nodeId);
            this.#ports.receiver.receive(message);
          }
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
    const nodeId = this.#identify(call);
    const parts = call[Symbol.asyncIterator]() as AsyncIterator<SnapshotPart>;
    const first = await parts.next();
    const head = first.done === true ? undefined : first.value.head;
    if (head === undefined) throw new SwarmError('invalid', 'snapshot without a head');
    const message = decodeMessage(head);
    this.#check(message, nodeId);
    await this.#ports.receiver.receiveSnapshot(message, chunksOf(parts));
  }

  #logRefusal(call: Call, reason: string): void {
    const { subject } = call.getAuthContext().sslPeerCertificate ?? {};
    const who = `${JSON.stringify(subject)} ${reason}`;
    if (this.#refused.has(who) || this.#refused.size >= REFUSED_PEERS_MAX) return;
    this.#refused.add(who);
    this.#ports.logger.warn({ peer: call.getPeer(), subject, reason }, 'peer refused');
  }

  #identify(call: Call): string {
    const certificate = call.getAuthContext().sslPeerCertificate;
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
