// gRPC's two-way streams as the `Connection` of src/base. What is sent to a side that does not read is
// counted, and the stream ends when it is too much: a paused peer costs a fixed amount of memory.
import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js';
import { SwarmError, codeFromGrpc, messageOf, type Connection } from '../../base/index.ts';

/**
 * Messages that wait for a slow reader. Senders of large ones wait for `onDrain` long before (after
 * 16); what reaches this are heartbeats to a side that writes and does not read.
 */
export const UNREAD_MESSAGES_MAX = 1_000;

type AnyDuplex<In, Out> = ServerDuplexStream<In, Out> | ClientDuplexStream<Out, In>;

/**
 * The server's end: closing it ends the stream with status OK, or with the reason. What is still to be
 * read comes first, so a side that does not read is hung up on: `hangUp` ends its connections.
 */
export function serverConnection<In, Out>(
  call: ServerDuplexStream<In, Out>,
  hangUp: () => void,
): Connection<Out, In> {
  const close = (reason?: Error): void => {
    if (reason === undefined) call.end();
    else call.emit('error', statusOf(reason));
  };
  return connection(call, close, hangUp);
}

/** The client's end: closing it cancels the stream, so that it ends even if the peer is silent. */
export function clientConnection<In, Out>(call: ClientDuplexStream<Out, In>): Connection<Out, In> {
  const close = (): void => call.cancel();
  return connection(call, close, close);
}

/** An error as gRPC sends it to the caller. */
export function statusOf(error: Error): Error & { code: number; details: string } {
  const code = error instanceof SwarmError ? error.grpcStatus : INTERNAL;
  return Object.assign(new Error(messageOf(error)), { code, details: messageOf(error) });
}

const INTERNAL = 13;

function connection<In, Out>(
  call: AnyDuplex<In, Out>,
  close: (reason?: Error) => void,
  hangUp: () => void,
): Connection<Out, In> {
  const stream = call as NodeJS.ReadWriteStream & {
    write(message: Out, written: () => void): boolean;
  };
  let closed = false;
  let unread = 0;
  let reason: Error | undefined;
  const closeHandlers: ((reason?: Error) => void)[] = [];
  const finish = (error?: Error): void => {
    if (closed) return;
    closed = true;
    reason = error;
    for (const handler of closeHandlers) handler(reason);
  };
  const end = (why?: Error): void => {
    if (!closed) close(why);
    finish(why);
  };
  stream.on('error', (error: Error & { code?: number; details?: string }) => {
    const code = typeof error.code === 'number' ? codeFromGrpc(error.code) : 'unavailable';
    finish(new SwarmError(code, error.details ?? error.message));
  });
  stream.on('end', () => {
    // A server has to answer the client's end with its own, or the stream stays half open.
    if (!closed) close();
    finish();
  });
  stream.on('cancelled', () => finish(new SwarmError('unavailable', 'the other side went away')));
  return {
    send: (message) => {
      if (closed) return false;
      if (unread >= UNREAD_MESSAGES_MAX) {
        finish(
          new SwarmError('exhausted', `${unread} messages wait: the other side does not read`),
        );
        hangUp();
        return false;
      }
      unread++;
      return stream.write(message, () => unread--);
    },
    onMessage: (handler) => {
      stream.on('data', handler);
    },
    onDrain: (handler) => {
      stream.on('drain', handler);
    },
    onClose: (handler) => {
      if (closed) handler(reason);
      else closeHandlers.push(handler);
    },
    close: end,
  };
}
