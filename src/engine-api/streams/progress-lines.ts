// Progress of something that takes a while, as lines of JSON. A client that does not read them holds up
// nothing: it misses what a later line says better, and is dropped when too much waits for it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { SwarmError, messageOf } from '../../base/index.ts';
import type { ImageProgress } from '../backend/index.ts';
import type { Reply } from '../http/index.ts';

/** Of lines that wait for the client: more than any pull or load writes altogether. */
export const PROGRESS_UNREAD_BYTES_MAX = 1024 * 1024;

/** A failure comes in-band, since the status is sent already. */
export async function streamed(
  response: ServerResponse,
  work: (progress: (line: ImageProgress) => void) => Promise<void>,
): Promise<Reply> {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.flushHeaders();
  const write = (line: object): void => {
    if (response.destroyed) return;
    if (response.writableLength > PROGRESS_UNREAD_BYTES_MAX) response.destroy();
    else response.write(`${JSON.stringify(line)}\r\n`);
  };
  try {
    await work((line) => {
      const isOutdatedSoon = line.progressDetail !== undefined;
      if (!isOutdatedSoon || !response.writableNeedDrain) write(line);
    });
  } catch (error) {
    const code = error instanceof SwarmError ? error.httpStatus : 500;
    write({ errorDetail: { code, message: messageOf(error) }, error: messageOf(error) });
  }
  response.end();
  return 'handled';
}

/** The body of a request whose connection is still needed, for the answer, when nobody reads on. */
export function bodyOf(raw: IncomingMessage): AsyncIterable<Uint8Array> {
  return raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
}
