// The wire between the processes of bench/scale.ts when it is not gRPC: one socket on loopback, in it the
// messages of all agents as protobuf, each behind its length, kind and the number of its agent.
import type { Socket } from 'node:net';
import type { Connection } from '../src/base/index.ts';
import type { NodeDescription } from '../src/model/index.ts';

export const SESSION_PATH = '/tsswarm.v1.Dispatcher/Session';
export const CLUSTER_ID = 'bench';

export const OPEN = 1;
export const DATA = 2;
export const CLOSE = 3;
const HEAD_BYTES = 9;
/** Bytes in the socket from which senders are asked to wait. */
const FULL_BYTES = 16 * 1024 * 1024;
/** Frames above this are written as they are, not copied. */
const COPIED_BYTES = 16 * 1024;

export interface Frame {
  readonly kind: number;
  readonly agent: number;
  readonly payload: Buffer;
}

/** One side of the socket. */
export class Link {
  readonly #socket: Socket;
  readonly #drains = new Map<number, () => void>();
  #corked = false;
  sentBytes = 0;

  constructor(socket: Socket, take: (frame: Frame) => void) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('drain', () => {
      const waiting = [...this.#drains.values()];
      this.#drains.clear();
      for (const drain of waiting) drain();
    });
    let chunks: Buffer[] = [];
    let bytes = 0;
    let needed = HEAD_BYTES;
    socket.on('data', (data: Buffer) => {
      chunks.push(data);
      bytes += data.length;
      // A large frame is put together once, when all of it is there.
      if (bytes < needed) return;
      const all = chunks.length === 1 ? data : Buffer.concat(chunks);
      let at = 0;
      for (needed = HEAD_BYTES; all.length - at >= needed; needed = HEAD_BYTES) {
        const end = at + HEAD_BYTES + all.readUInt32BE(at);
        needed = end - at;
        if (all.length < end) break;
        const payload = all.subarray(at + HEAD_BYTES, end);
        take({ kind: all[at + 4] ?? 0, agent: all.readUInt32BE(at + 5), payload });
        at = end;
      }
      chunks = [all.subarray(at)];
      bytes = all.length - at;
    });
  }

  /** False: the agent's side has to wait for `drained`. */
  send(kind: number, agent: number, payload: Uint8Array, drained?: () => void): boolean {
    if (!this.#corked) {
      this.#corked = true;
      this.#socket.cork();
      setImmediate(() => {
        this.#corked = false;
        this.#socket.uncork();
      });
    }
    const copied = payload.length <= COPIED_BYTES;
    const head = Buffer.allocUnsafe(HEAD_BYTES + (copied ? payload.length : 0));
    head.writeUInt32BE(payload.length, 0);
    head[4] = kind;
    head.writeUInt32BE(agent, 5);
    if (copied) head.set(payload, HEAD_BYTES);
    this.#socket.write(head);
    if (!copied) this.#socket.write(payload);
    this.sentBytes += HEAD_BYTES + payload.length;
    if (drained === undefined || this.#socket.writableLength < FULL_BYTES) return true;
    this.#drains.set(agent, drained);
    return false;
  }
}

/** One agent's stream within the link. */
export class LinkConnection<Out, In> implements Connection<Out, In> {
  readonly #send: (kind: number, payload: Uint8Array, drained?: () => void) => boolean;
  readonly #encode: (message: Out) => Uint8Array;
  readonly #closes: ((reason?: Error) => void)[] = [];
  #message: (message: In) => void = () => {};
  #drain: () => void = () => {};
  closed = false;

  constructor(link: Link, agent: number, encode: (message: Out) => Uint8Array) {
    this.#send = (kind, payload, drained) => link.send(kind, agent, payload, drained);
    this.#encode = encode;
  }

  send(message: Out): boolean {
    if (this.closed) return false;
    return this.#send(DATA, this.#encode(message), () => this.#drain());
  }

  onMessage(handler: (message: In) => void): void {
    this.#message = handler;
  }

  onDrain(handler: () => void): void {
    this.#drain = handler;
  }

  onClose(handler: (reason?: Error) => void): void {
    this.#closes.push(handler);
  }

  close(): void {
    if (this.closed) return;
    this.#send(CLOSE, new Uint8Array());
    this.ended();
  }

  /** What came from the other side. */
  received(message: In): void {
    if (!this.closed) this.#message(message);
  }

  ended(): void {
    if (this.closed) return;
    this.closed = true;
    for (const close of this.#closes) close();
  }
}

/** What each node says of itself. */
export function description(id: string): NodeDescription {
  return {
    hostname: id,
    platform: { architecture: 'x86_64', os: 'linux' },
    resources: { nanoCpus: 64e9, memoryBytes: 256e9 },
    engine: { version: 'bench', labels: {}, plugins: [] },
    featureLevel: 1,
  };
}
