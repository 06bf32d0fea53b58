// A connection to a peer that speaks frames (peer-frames.ts). The kernel looks after one on which nothing
// is said; one on which something is said asks now and then, along with it, whether the peer is there.
import { connect, type TLSSocket } from 'node:tls';
import { SwarmError, type Clock, type Timer } from '../../../base/index.ts';
import { KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIME_MS, REFUSAL_BYTES_MAX } from '../contract/index.ts';
import { endpointOf } from './peer-address.ts';
import { FRAMES_PROTOCOL, FrameSplitter, GRPC_PROTOCOL, framed } from './peer-frames.ts';
import { encodeFrame } from './peer-service.ts';
import type { PeerStream, PeerStreamEvents, PeerStreamOptions } from './peer-stream.ts';

const EMPTY = new Uint8Array(0);
/** A cut link is noticed after as long. */
const SILENT_MS = KEEPALIVE_TIME_MS + KEEPALIVE_TIMEOUT_MS;

/** Begins a connection; what is written before it is made waits. */
export function openFrameStream(options: PeerStreamOptions): PeerStream {
  return new FrameStream(options);
}

class FrameStream implements PeerStream {
  readonly #socket: TLSSocket;
  readonly #events: PeerStreamEvents;
  readonly #clock: Clock;
  /** Until it is accepted. */
  readonly #patience: Timer;
  readonly #answers = new FrameSplitter(REFUSAL_BYTES_MAX);
  #askedAt: number;
  #isAnswered = false;
  #over = false;

  constructor({ peer, tls, events, clock }: PeerStreamOptions) {
    this.#events = events;
    this.#clock = clock;
    // It is accepted unasked.
    this.#askedAt = clock.monotonicMs();
    this.#patience = clock.after(SILENT_MS, () => this.#end(silent()));
    const socket = connect({
      ...endpointOf(peer.address),
      ...tls.clientContext(peer.nodeId),
      ALPNProtocols: [FRAMES_PROTOCOL, GRPC_PROTOCOL],
    });
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_TIME_MS);
    socket.once('secureConnect', () => {
      if (socket.alpnProtocol === FRAMES_PROTOCOL || this.#over) return;
      this.close();
      events.unknownProtocol();
    });
    socket.on('data', (piece: Buffer) => this.#receive(piece));
    socket.on('drain', () => {
      if (!this.#over) events.drained();
    });
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end());
  }

  write(frame: { messages: readonly Uint8Array[]; sender?: Uint8Array }): boolean {
    const body = encodeFrame(frame);
    const sinceAsked = this.#clock.monotonicMs() - this.#askedAt;
    if (this.#isAnswered && sinceAsked > KEEPALIVE_TIME_MS) {
      this.#askedAt += sinceAsked;
      this.#isAnswered = false;
      return this.#socket.write(framed(body, EMPTY));
    }
    if (!this.#isAnswered && sinceAsked > SILENT_MS) queueMicrotask(() => this.#end(silent()));
    return this.#socket.write(framed(body));
  }

  close(): void {
    this.#over = true;
    this.#patience.cancel();
    this.#socket.destroy();
  }

  #receive(piece: Buffer): void {
    if (this.#over) return;
    try {
      for (const answer of this.#answers.push(piece)) {
        if (answer.length > 0) throw new SwarmError('denied', answer.toString());
        this.#isAnswered = true;
        this.#patience.cancel();
        this.#events.accepted();
      }
    } catch (error) {
      this.#end(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #end(error?: Error): void {
    if (this.#over) return;
    this.close();
    this.#events.ended(error);
  }
}

function silent(): SwarmError {
  return new SwarmError('unavailable', `the peer was silent for ${SILENT_MS} ms`);
}
