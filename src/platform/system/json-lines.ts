// The port of connections over a local socket: one JSON message a line, decoded as it comes in. A line
// that is too long or no message ends the connection, not the process.
import type { Socket } from 'node:net';
import { messageOf, type Connection } from '../../base/index.ts';

const LINE_FEED = 0x0a;

/** `decode` raises for what is no message. */
export function jsonLines<Out, In>(
  socket: Socket,
  decode: (line: string) => In,
  maxBytes: number,
): Connection<Out, In> {
  let reason: Error | undefined;
  socket.on('error', (error) => (reason = error));
  return {
    send: (message) => socket.write(`${JSON.stringify(message)}\n`),
    onMessage: (handler) => onLines(socket, maxBytes, (line) => handler(decode(line))),
    onDrain: (handler) => void socket.on('drain', handler),
    onClose: (handler) => void socket.on('close', () => handler(reason)),
    close: () => void socket.destroy(),
  };
}

/** Whole lines, without their ends; what `handler` raises ends the connection with that error. */
export function onLines(socket: Socket, maxBytes: number, handler: (line: string) => void): void {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    if (length > maxBytes) throw new Error(`a line of more than ${maxBytes} bytes`);
    parts.push(part);
  };
  socket.on('data', (data: Buffer) => {
    try {
      let start = 0;
      for (let end = data.indexOf(LINE_FEED); end >= 0; end = data.indexOf(LINE_FEED, start)) {
        take(data.subarray(start, end));
        const line = Buffer.concat(parts).toString();
        [parts, length, start] = [[], 0, end + 1];
        handler(line);
        if (socket.destroyed) return;
      }
      take(data.subarray(start));
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(messageOf(error)));
    }
  });
}
