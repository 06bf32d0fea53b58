// The CLI's side of the Engine API: requests over the daemon's unix socket (or TCP), errors as the
// daemon words them.
import { request, type IncomingMessage } from 'node:http';
import { parseJson } from '../../base/index.ts';

export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** A body that is streamed as it is. */
  readonly stream?: NodeJS.ReadableStream;
}

const DEFAULT_SOCKET = '/run/tsswarm.sock';
/** Every task of a large cluster fits. */
const ANSWER_LENGTH_MAX = 512 * 1024 * 1024;
const API_PREFIX = '/v1.44';

interface Target {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
}

/** `unix:///path`, `tcp://host:port` or a bare path. */
export function parseHost(text: string | undefined): Target {
  if (text === undefined || text === '') return { socketPath: DEFAULT_SOCKET };
  const tcp = /^(?:tcp|http):\/\/([^/:]+):(\d+)\/?$/.exec(text);
  if (tcp?.[1] !== undefined && tcp[2] !== undefined) return { host: tcp[1], port: Number(tcp[2]) };
  return { socketPath: text.replace(/^unix:\/\//, '') };
}

export class ApiClient {
  readonly #target: Target;

  constructor(host: string | undefined) {
    this.#target = parseHost(host);
  }

  async get<T>(path: string, query: RequestOptions['query'] = {}): Promise<T> {
    return (await this.#json('GET', path, { query })) as T;
  }

  async post<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return (await this.#json('POST', path, options)) as T;
  }

  async delete(path: string, query: RequestOptions['query'] = {}): Promise<void> {
    await this.#json('DELETE', path, { query });
  }

  /** The response as a stream, once its status is known to be good. */
  async stream(
    method: string,
    path: string,
    options: RequestOptions = {},
  ): Promise<IncomingMessage> {
    const response = await this.#send(method, path, options);
    const status = response.statusCode ?? 500;
    if (status < 400) return response;
    throw new ApiError(status, messageOf(await readText(response)));
  }

  async #json(method: string, path: string, options: RequestOptions): Promise<unknown> {
    const text = await readText(await this.stream(method, path, options));
    if (text === '') return undefined;
    try {
      return parseJson(text, 'answer', { length: ANSWER_LENGTH_MAX });
    } catch {
      return text;
    }
  }

  #send(method: string, path: string, options: RequestOptions): Promise<IncomingMessage> {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) query.set(key, String(value));
    }
    const text = options.body === undefined ? '' : JSON.stringify(options.body);
    const headers: Record<string, string | number> = { Host: 'tsswarm', ...options.headers };
    if (text !== '') {
      headers['Content-Type'] = 'application/json';
      headers['Content-Length'] = Buffer.byteLength(text);
    }
    const search = query.size > 0 ? `?${query.toString()}` : '';
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { ...this.#target, method, path: `${API_PREFIX}${path}${search}`, headers, agent: false },
        resolve,
      );
      outgoing.on('error', (error: NodeJS.ErrnoException) => reject(this.#unreachable(error)));
      if (options.stream === undefined) outgoing.end(text);
      else options.stream.pipe(outgoing);
    });
  }

  #unreachable(error: NodeJS.ErrnoException): Error {
    const { socketPath, host, port } = this.#target;
    const where = socketPath === undefined ? `tcp://${host}:${port}` : `unix://${socketPath}`;
    if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') {
      return new Error(`Cannot connect to the tsswarm daemon at ${where}. Is tsswarmd running?`);
    }
    if (error.code === 'EACCES') return new Error(`permission denied while connecting to ${where}`);
    return error;
  }
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8').trim();
}

function messageOf(text: string): string {
  try {
    const value = parseJson(text, 'answer', { length: ANSWER_LENGTH_MAX });
    if (typeof value === 'object' && value !== null && 'message' in value)
      return String(value.message);
  } catch {
    // The daemon always sends JSON; something between us and it did not.
  }
  return text;
}
