// Two ends of a connection within one process: what one side sends the other gets, in order, in a later
// microtask, as the same object. Nothing waits in between, so there is no queue to bound.
import type { Connection } from './connection.ts';

/** `caller` sends what `callee` receives, and the other way round. */
export function localConnection<Out, In>(): {
  readonly caller: Connection<Out, In>;
  readonly callee: Connection<In, Out>;
} {
  const caller = new End<Out, In>();
  const callee = new End<In, Out>();
  caller.other = callee;
  callee.other = caller;
  return { caller, callee };
}

class End<Out, In> implements Connection<Out, In> {
  other: End<In, Out> | undefined;
  readonly #messageHandlers: ((message: In) => void)[] = [];
  readonly #closeHandlers: ((reason?: Error) => void)[] = [];
  #ended: { readonly reason: Error | undefined } | undefined;

  send(message: Out): boolean {
    if (this.#ended !== undefined) return false;
    queueMicrotask(() => this.other?.take(message));
    return true;
  }

  onMessage(handler: (message: In) => void): void {
    this.#messageHandlers.push(handler);
  }

  /** The other side always reads. */
  onDrain(): void {
    return;
  }

  onClose(handler: (reason?: Error) => void): void {
    if (this.#ended === undefined) this.#closeHandlers.push(handler);
    // Whoever asks is not ready to be called back within this call.
    else queueMicrotask(() => handler(this.#ended?.reason));
  }

  close(reason?: Error): void {
    if (this.#ended !== undefined) return;
    this.end(reason);
    // After what was sent before.
    queueMicrotask(() => this.other?.end(reason));
  }

  /** A message of the other side. */
  take(message: In): void {
    if (this.#ended !== undefined) return;
    for (const handler of this.#messageHandlers) handler(message);
  }

  /** One of the sides has closed. */
  end(reason: Error | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    for (const handler of this.#closeHandlers) handler(reason);
  }
}
