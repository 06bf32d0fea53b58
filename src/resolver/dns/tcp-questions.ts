// Questions over one TCP connection of a task, one after another: the next one is read when the answer to
// the one before is with the task. Who does not read its answers is hung up on.
import type { Socket } from 'node:net';
import { framed } from './forwarder.ts';

/** A connection on which nothing moves is closed after this. */
export const IDLE_MS = 10_000;

/** `answer` gives undefined where nothing is to be said. */
export function serveQuestions(
  connection: Socket,
  answer: (message: Buffer) => Promise<Buffer | undefined>,
  idleMs = IDLE_MS,
): void {
  connection.setTimeout(idleMs, () => connection.destroy());
  connection.on('error', () => connection.destroy());
  serve(connection, answer).catch(() => connection.destroy());
}

async function serve(
  connection: Socket,
  answer: (message: Buffer) => Promise<Buffer | undefined>,
): Promise<void> {
  let received: Buffer = Buffer.alloc(0);
  for await (const data of connection as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, data]);
    while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
      const end = received.readUInt16BE(0) + 2;
      const message = Buffer.from(received.subarray(2, end));
      received = received.subarray(end);
      const reply = await answer(message);
      if (reply !== undefined) await written(connection, framed(reply));
    }
  }
}

/** Raises when the connection ends before. */
function written(connection: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.write(bytes, (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
}
