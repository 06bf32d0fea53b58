// The link to one peer: a bounded queue of messages, one connection, and new tries with growing pauses
// when it breaks.
import type { Client } from '@grpc/grpc-js';
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
  FRAME_GATHER_BYTES,
  PEER_QUEUE_BYTES_MAX,
  PEER_QUEUE_MESSAGES_MAX,
  RECONNECT_MAX_MS,
  RECONNECT_MIN_MS,
  STABLE_CONNECTION_MS,
  type Member,
} from '../contract/index.ts';
import { openFrameStream } from './frame-stream.ts';
import { grpcClient, openGrpcStream } from './grpc-stream.ts';
import { encodeMember } from './membership.ts';
import { encodeMessage } from './message-codec.ts';
import { raftService, type Accepted, type SnapshotPart } from './peer-service.ts';
import type { PeerStream } from './peer-stream.ts';
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

/** Sends to one peer; receives nothing but its consent. */
export class PeerLink {
  readonly peer: Member;
  readonly #ports: PeerLinkPorts;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #stream: PeerStream | undefined;
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
    const client = grpcClient(this.peer, this.#ports.tls);
    try {
      await streamSnapshot(client, encodeMessage(head), chunks);
    } finally {
      client.close();
    }
  }

  close(): void {
    this.#closed = true;
    this.#retry?.cancel();
    this.#stream?.close();
    this.#queue = [];
  }

  #connect(open = openFrameStream): void {
    this.#writable = true;
    const stream = open({
      peer: this.peer,
      tls: this.#ports.tls,
      clock: this.#ports.clock,
      events: {
        accepted: () => {
          this.#acceptedAt ??= this.#ports.clock.monotonicMs();
        },
        drained: () => {
          this.#writable = true;
          this.#flush();
        },
        ended: (error) => this.#disconnected(error),
        // A peer of an earlier release; when it comes back it may be a newer one.
        unknownProtocol: () => {
          this.#connect(openGrpcStream);
          this.#ports.lost(this.peer.raftId, false);
        },
      },
    });
    this.#stream = stream;
    stream.write({ messages: [], sender: encodeMember(this.#ports.self) });
  }

  #disconnected(error: Error | undefined): void {
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
