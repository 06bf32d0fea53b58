// Snapshots in pieces across the two threads: the reader asks for each piece, so that no more than
// one is on its way.
import { plainError, realError, type ChunkMessage } from './thread-protocol.ts';

interface Reading {
  resolve(result: IteratorResult<Uint8Array>): void;
  reject(error: Error): void;
}

/** Both ends of all streams of one side. */
export class ChunkStreams {
  readonly #post: (message: ChunkMessage, transfer?: readonly ArrayBuffer[]) => void;
  readonly #served = new Map<number, AsyncIterator<Uint8Array>>();
  // A first piece that was asked for before the reader did.
  readonly #early = new Map<number, Promise<IteratorResult<Uint8Array>>>();
  readonly #readings = new Map<number, Reading>();

  constructor(post: (message: ChunkMessage, transfer?: readonly ArrayBuffer[]) => void) {
    this.#post = post;
  }

  /** Offers pieces; `early` calls the first `next` at once, so that the view is fixed now. */
  serve(stream: number, chunks: AsyncIterable<Uint8Array>, options: { early: boolean }): void {
    const iterator = chunks[Symbol.asyncIterator]();
    this.#served.set(stream, iterator);
    if (!options.early) return;
    const first = iterator.next();
    first.catch(() => {});
    this.#early.set(stream, first);
  }

  /** The pieces that the other side offers. */
  read(stream: number): AsyncIterable<Uint8Array> {
    return {
      [Symbol.asyncIterator]: () => ({
        next: () =>
          new Promise((resolve, reject) => {
            this.#readings.set(stream, { resolve, reject });
            this.#post({ kind: 'pull', stream });
          }),
        return: async () => {
          this.#post({ kind: 'cancel', stream });
          return { done: true, value: undefined };
        },
      }),
    };
  }

  /** Takes a message of the other side. */
  handle(message: ChunkMessage): void {
    if (message.kind === 'chunk') {
      const reading = this.#readings.get(message.stream);
      this.#readings.delete(message.stream);
      if (message.error !== undefined) reading?.reject(realError(message.error));
      else if (message.bytes === undefined) reading?.resolve({ done: true, value: undefined });
      else reading?.resolve({ done: false, value: message.bytes });
    } else if (message.kind === 'pull') {
      void this.#answer(message.stream);
    } else {
      const iterator = this.#served.get(message.stream);
      this.#forget(message.stream);
      // What the source does at its end is no longer of interest.
      iterator?.return?.().catch(() => {});
    }
  }

  async #answer(stream: number): Promise<void> {
    const early = this.#early.get(stream);
    this.#early.delete(stream);
    try {
      const result = await (early ?? this.#served.get(stream)?.next());
      const done = result === undefined || result.done === true;
      if (done) this.#forget(stream);
      const bytes = done ? undefined : result.value.slice();
      this.#post(
        { kind: 'chunk', stream, bytes, error: undefined },
        bytes === undefined ? [] : [bytes.buffer],
      );
    } catch (error) {
      this.#forget(stream);
      this.#post({ kind: 'chunk', stream, bytes: undefined, error: plainError(error) });
    }
  }

  #forget(stream: number): void {
    this.#served.delete(stream);
    this.#early.delete(stream);
  }
}
