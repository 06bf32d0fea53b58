// The port of connections over a local socket: one JSON message a line.
import { createInterface } from 'node:readline';
import type { Socket } from 'node:net';
import type { Connection } from '../base/index.ts';

/** For sockets to our own processes only: what comes in is not checked. */
export function jsonLines<Out, In>(socket: Socket): Connection<Out, In> {
  let reason: Error | undefined;
  socket.on('error', (error) => (reason = error));
  return {
    send: (message) => socket.write(`${JSON.stringify(message)}\n`),
    onMessage: (handler) => {
      createInterface({ input: socket }).on('line', (line) => handler(JSON.parse(line) as In));
    },
    onDrain: (handler) => void socket.on('drain', handler),
    onClose: (handler) => void socket.on('close', () => handler(reason)),
    close: () => void socket.destroy(),
  };
}
