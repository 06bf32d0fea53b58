// One end of a tunnel: bytes both ways over a connection of frames. Each side may send WINDOW_BYTES that
// the other one's reader has not taken up, so that a slow reader costs that much and no more; either
// direction ends by itself (a program that has read its input to the end goes on talking).
import { SwarmError, type Connection } from '../../base/index.ts';
import { deferred, type Deferred } from '../../base/async/index.ts';

/** Bytes on the way or unread, in each direction. */
export const WINDOW_BYTES = 256 * 1024;
/** Bytes of one frame; a smaller one counts as FRAME_BYTES_MIN, so that the window bounds frames, too. */
export const FRAME_BYTES_MAX = 32 * 1024;
export const FRAME_BYTES_MIN = 1024;

/** Exactly one field is there. */
export interface TunnelFrame {
  readonly target?: { readonly kind: string; readonly request: string };
  readonly data?: Uint8Array;
  readonly end?: object;
  readonly taken?: number;
}

export type FrameConnection = Connection<TunnelFrame, TunnelFrame>;

/** Bytes both ways. */
export interface Tunnel {
  /** What the other side sends, until it ends. Raises why the tunnel broke. To be read once. */
  readonly input: AsyncIterable<Uint8Array>;
  /** Resolves when there is room for more. Raises why the tunnel broke. */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing more is written. */
  end(): void;
  /** Ends both directions at once; the other side hears `reason`. */
  close(reason?: Error): void;
  /** Aborts when the tunnel is over, however it ended. */
  readonly signal: AbortSignal;
}

/** Serves one tunnel. `request` is JSON of the kind's own shape, undecoded. */
export type TunnelHandler = (request: string, tunnel: Tunnel) => Promise<void>;
export type TunnelHandlers = Readonly<Record<string, TunnelHandler>>;

export class TunnelEnd implements Tunnel {
  readonly #connection: FrameConnection;
  readonly #serving: boolean;
  readonly #over = new AbortController();
  readonly #unread: Uint8Array[] = [];
  #unreadBytes = 0;
  /** Bytes that may still be sent. */
  #credit = WINDOW_BYTES;
  #ended = false;
  #inputEnded = false;
  #failure: Error | undefined;
  /** Settled and replaced whenever something changes. */
  #changed: Deferred<void> = deferred();

  /** `serving`: this side closes the connection once both directions have ended. */
  constructor(connection: FrameConnection, serving: boolean) {
    this.#connection = connection;
    this.#serving = serving;
    connection.onClose((reason) => this.#finish(this.#cutShort(reason)));
  }

  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get input(): AsyncIterable<Uint8Array> {
    return this.#read();
  }

  /** A frame of the other side. Raises `invalid` for one that may not come now. */
  take(frame: TunnelFrame): void {
    if (frame.taken !== undefined && frame.taken > 0) {
      if (this.#credit + frame.taken > WINDOW_BYTES) throw broken('more was taken than was sent');
      this.#credit += frame.taken;
    } else if (frame.data !== undefined && frame.data.length > 0) {
      this.#unreadBytes += costOf(frame.data);
      if (this.#inputEnded || this.#unreadBytes > WINDOW_BYTES) throw broken('unexpected data');
      this.#unread.push(frame.data);
    } else if (frame.end !== undefined) this.#inputEnded = true;
    else throw broken('an empty frame');
    this.#wake();
    this.#closeWhenDone();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#ended) throw new Error('invariant broken: written after the end');
    for (let at = 0; at < bytes.length;) {
      await this.#until(() => this.#credit >= FRAME_BYTES_MIN);
      const data = bytes.subarray(at, at + Math.min(FRAME_BYTES_MAX, this.#credit));
      this.#credit -= costOf(data);
      this.#connection.send({ data });
      at += data.length;
    }
  }

  end(): void {
    if (this.#ended || this.signal.aborted) return;
    this.#ended = true;
    this.#connection.send({ end: {} });
    this.#wake();
    this.#closeWhenDone();
  }

  close(reason?: Error): void {
    if (this.signal.aborted) return;
    this.#finish(this.#cutShort(reason));
    this.#connection.close(reason);
  }

  async *#read(): AsyncIterable<Uint8Array> {
    for (;;) {
      await this.#until(() => this.#unread.length > 0 || this.#inputEnded);
      const bytes = this.#unread.shift();
      if (bytes === undefined) return;
      yield bytes;
      this.#unreadBytes -= costOf(bytes);
      if (!this.signal.aborted) this.#connection.send({ taken: costOf(bytes) });
    }
  }

  #closeWhenDone(): void {
    if (!this.#serving || !this.#ended || !this.#inputEnded || this.signal.aborted) return;
    this.#finish(undefined);
    this.#connection.close();
  }

  /** Why it broke; undefined: both directions had ended. What was not ended is not whole. */
  #cutShort(reason: Error | undefined): Error | undefined {
    if (this.#inputEnded && this.#ended) return undefined;
    return reason ?? new SwarmError('unavailable', 'the connection to the other node was lost');
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.signal.aborted) throw new SwarmError('unavailable', 'the tunnel is closed');
      await this.#changed.promise;
    }
  }

  #finish(failure: Error | undefined): void {
    this.#failure ??= failure;
    this.#over.abort();
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = deferred();
  }
}

const costOf = (data: Uint8Array): number => Math.max(FRAME_BYTES_MIN, data.length);

function broken(what: string): SwarmError {
  return new SwarmError('invalid', `tunnel: ${what}`);
}
