// The connection to one peer: a bounded queue of messages, one stream, and new tries with growing
// pauses when it breaks.
import { Client, type ClientDuplexStream } from '@grpc/grpc-js';
import type { Message } from 'raft-ts';
import {
  backoffMs,
  messageOf,
  SwarmError,
  type Clock,
  type Logger,
  type Random,
  type Timer,
} from '../../../base/index.ts';
import {
  FRAME_BYTES_MAX,
  FRAME_GATHER_BYTES,
  KEEPALIVE_TIMEOUT_MS,
  KEEPALIVE_TIME_MS,
  PEER_QUEUE_BYTES_MAX,
  PEER_QUEUE_MESSAGES_MAX,
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
  STABLE_CONNECTION_MS,
  type Member,
} from '../contract/index.ts';
import { encodeMember } from './membership.ts';
import { encodeMessage } from './message-codec.ts';
import { raftService, type Accepted, type Frame, type SnapshotPart } from './peer-service.ts';
import type { TlsSource } from './peer-tls.ts';

/** What a link needs. */
export interface PeerLinkPorts {
  /** Who speaks. */
  readonly self: Member;
  readonly tls: TlsSource;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Messages were lost; `refused`: nobody listens at the peer's address. */
  lost(raftId: number, refused: boolean): void;
}

/** The machine is there, the process is not. */
const REFUSED = /ECONNREFUSED/u;

/** Options of every connection between managers. */
export const channelOptions = {
  'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
  'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_receive_message_length': FRAME_BYTES_MAX,
  'grpc.max_send_message_length': FRAME_BYTES_MAX,
  // Peers are known by address; what counts is the certificate's subject. TLS wants a name all the same.
  'grpc.ssl_target_name_override': 'swarm-manager',
  'grpc.default_authority': 'swarm-manager',
  // Each client its own connection: with the newest certificate, and not behind a snapshot.
  'grpc.use_local_subchannel_pool': 1,
};

/** Sends to one peer; receives nothing but its consent. */
export class PeerLink {
  readonly peer: Member;
  readonly #ports: PeerLinkPorts;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #client: Client | undefined;
  #stream: ClientDuplexStream<Frame, Accepted> | undefined;
  #writable = false;
  #flushScheduled = false;
  #attempt = 0;
  #acceptedAt: number | undefined;
  #retry: Timer | undefined;
  #closed = false;

  constructor(peer: Member, ports: PeerLinkPorts) {
    this.peer = peer;
    this.#ports = ports;
    this.#connect();
  }

  /** Queues a message; drops it, and says so, when the peer cannot keep up or is away. */
  send(message: Message): void {
    // While there is no connection only the newest few matter: raft repeats what is lost.
    const full =
      this.#queue.length >= PEER_QUEUE_MESSAGES_MAX || this.#queuedBytes >= PEER_QUEUE_BYTES_MAX;
    if (this.#closed || full || this.#stream === undefined) {
      this.#ports.lost(this.peer.raftId, false);
      return;
    }
    const bytes = encodeMessage(message);
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#flushScheduled || !this.#writable) return;
    this.#flushScheduled = true;
    // What is sent within one turn goes in one frame.
    queueMicrotask(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** Sends a snapshot on a connection of its own; resolves when the peer has stored it. */
  async sendSnapshot(head: Message, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const client = this.#newClient();
    try {
      await streamSnapshot(client, encodeMessage(head), chunks);
    } finally {
      client.close();
    }
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#stream?.cancel();
    this.#client?.close();
    this.#queue = [];
  }

  #newClient(): Client {
    const { address, nodeId } = this.peer;
    return new Client(address, this.#ports.tls.clientCredentials(nodeId), channelOptions);
  }

  #connect(): void {
    const client = this.#newClient();
    const { path, requestSerialize, responseDeserialize } = raftService.messages;
    const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
    this.#client = client;
    this.#stream = stream;
    this.#writable = true;
    let over = false;
    const end = (error?: Error): void => {
      if (over) return;
      over = true;
      this.#disconnected(client, error);
    };
    stream.write({ messages: [], sender: encodeMember(this.#ports.self) });
    stream.on('data', () => {
      this.#acceptedAt = this.#ports.clock.monotonicMs();
    });
    stream.on('drain', () => {
      this.#writable = true;
      this.#flush();
    });
    stream.on('error', end);
    stream.on('end', () => end());
  }

  #disconnected(client: Client, error: Error | undefined): void {
    client.close();
    if (this.#closed) return;
    const { logger, clock, random } = this.#ports;
    // A peer that accepts us and then does not want us is not to be asked twenty times a second.
    const heldMs = clock.monotonicMs() - (this.#acceptedAt ?? clock.monotonicMs());
    this.#acceptedAt = undefined;
    if (heldMs > STABLE_CONNECTION_MS) this.#attempt = 0;
    if (this.#attempt === 0) {
      const reason = error === undefined ? 'ended' : messageOf(error);
      logger.info({ peer: this.peer.nodeId, reason }, 'connection to manager lost');
    }
    this.#stream = undefined;
    this.#writable = false;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#ports.lost(this.peer.raftId, error !== undefined && REFUSED.test(messageOf(error)));
    const delay = backoffMs(
      this.#attempt++,
      { minMs: RECONNECT_MIN_MS, maxMs: RECONNECT_MAX_MS },
      random,
    );
    this.#retry = clock.after(delay, () => {
      if (!this.#closed) this.#connect();
    });
  }

  #flush(): void {
    while (this.#writable && this.#queue.length > 0) {
      const messages: Uint8Array[] = [];
      let bytes = 0;
      for (const message of this.#queue) {
        if (messages.length > 0 && bytes + message.length > FRAME_GATHER_BYTES) break;
        messages.push(message);
        bytes += message.length;
      }
      this.#queue.splice(0, messages.length);
      this.#queuedBytes -= bytes;
      this.#writable = this.#stream?.write({ messages }) === true;
    }
  }
}

async function streamSnapshot(
  client: Client,
  head: Uint8Array,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { path, requestSerialize, responseDeserialize } = raftService.sendSnapshot;
  let over = false;
  let drained = (): void => {};
  await new Promise<void>((resolve, reject) => {
    const call = client.makeClientStreamRequest<SnapshotPart, Accepted>(
      path,
      requestSerialize,
      responseDeserialize,
      (error) => {
        over = true;
        drained();
        if (error === null) resolve();
        else reject(new SwarmError('unavailable', messageOf(error), { cause: error }));
      },
    );
    call.on('drain', () => drained());
    const write = async (part: SnapshotPart): Promise<void> => {
      if (over || call.write(part)) return;
      await new Promise<void>((proceed) => {
        drained = proceed;
      });
    };
    const pump = async (): Promise<void> => {
      await write({ head });
      for await (const chunk of chunks) {
        if (over) return;
        await write({ chunk });
      }
      call.end();
    };
    pump().catch((error: unknown) => {
      call.cancel();
      reject(error instanceof Error ? error : new Error(messageOf(error)));
    });
  });
}
