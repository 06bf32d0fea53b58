// Reads the JSON body of a request, up to a bound. Images and backups are streams and not read here.
import type { IncomingMessage } from 'node:http';
import { SwarmError, parseJson } from '../../base/index.ts';

/** The largest body is a config: 1000 KiB, as base64. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;
const BODY_DEPTH_MAX = 64;
const JSON_TYPE = /^application\/json[ \t]*(?:;.*)?$/i;

/** An object; `{}` when there is no body. Raises `invalid`, `tooLarge`. */
export async function readJson(raw: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readBody(raw);
  if (bytes.length === 0) return {};
  const type = raw.headers['content-type'] ?? '';
  if (type !== '' && !JSON_TYPE.test(type)) {
    throw new SwarmError(
      'invalid',
      `unsupported Content-Type header (${type}): must be 'application/json'`,
    );
  }
  const value = parseJson(bytes, 'the request body', { depth: BODY_DEPTH_MAX });
  if (value === null) return {};
  if (!isRecord(value)) throw new SwarmError('invalid', 'the request body must be a JSON object');
  return value;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What comes after the bound is thrown away by Node, so that the client gets to read the answer. */
function readBody(raw: IncomingMessage): Promise<Buffer> {
  const tooLarge = new SwarmError(
    'tooLarge',
    `the request body is larger than ${BODY_BYTES_MAX} bytes`,
  );
  if (Number(raw.headers['content-length'] ?? 0) > BODY_BYTES_MAX) return Promise.reject(tooLarge);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= BODY_BYTES_MAX) {
        chunks.push(chunk);
        return;
      }
      raw.off('data', take);
      chunks.length = 0;
      reject(tooLarge);
    };
    raw.on('data', take);
    raw.once('end', () => resolve(Buffer.concat(chunks)));
    const cut = (): void => reject(new SwarmError('invalid', 'the request body ended early'));
    raw.once('error', cut);
    raw.once('close', cut);
  });
}
