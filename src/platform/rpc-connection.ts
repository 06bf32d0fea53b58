// gRPC's two-way streams as the `Connection` of src/base.
import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js';
import { SwarmError, codeFromGrpc, type Connection } from '../base/index.ts';

type AnyDuplex<In, Out> = ServerDuplexStream<In, Out> | ClientDuplexStream<Out, In>;

/** The server's end: closing it ends the stream with status OK. */
export function serverConnection<In, Out>(call: ServerDuplexStream<In, Out>): Connection<Out, In> {
  return connection(call, () => call.end());
}

/** The client's end: closing it cancels the stream, so that it ends even if the peer is silent. */
export function clientConnection<In, Out>(call: ClientDuplexStream<Out, In>): Connection<Out, In> {
  return connection(call, () => call.cancel());
}

function connection<In, Out>(call: AnyDuplex<In, Out>, close: () => void): Connection<Out, In> {
  const stream = call as NodeJS.ReadWriteStream & { write(message: Out): boolean };
  let closed = false;
  let reason: Error | undefined;
  const closeHandlers: ((reason?: Error) => void)[] = [];
  const finish = (error?: Error): void => {
    if (closed) return;
    closed = true;
    reason = error;
    for (const handler of closeHandlers) handler(reason);
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
    send: (message) => !closed && stream.write(message),
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
    close: () => {
      if (!closed) close();
      finish();
    },
  };
}
