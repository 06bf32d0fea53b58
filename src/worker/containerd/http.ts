// HTTP for the registry client, over Node's own clients: one exchange at a time, no redirects.
import * as http from 'node:http';
import * as https from 'node:https';
import { SwarmError, messageOf } from '../../base/index.ts';
import type { HttpRequest, HttpResponse, HttpTransport } from '../images/index.ts';

/** Silence of the other side for this long ends the exchange. */
const IDLE_TIMEOUT_MS = 60_000;
/** Of an answer that nobody wants. */
const MAX_DISCARDED_BYTES = 64 * 1024;
/** Connections kept open to one host. */
const MAX_SOCKETS = 8;

/** A transport with its own pools of connections; `close` ends the idle ones. */
export function createHttpTransport(userAgent: string): HttpTransport & { close(): void } {
  const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
  const plain = new http.Agent(options);
  const verified = new https.Agent(options);
  const unverified = new https.Agent({ ...options, rejectUnauthorized: false });
  return {
    request(request) {
      const url = new URL(request.url);
      const secure = url.protocol === 'https:';
      const agent = secure ? (request.insecure ? unverified : verified) : plain;
      return exchange(request, url, agent, userAgent);
    },
    close() {
      for (const agent of [plain, verified, unverified]) agent.destroy();
    },
  };
}

function exchange(
  request: HttpRequest,
  url: URL,
  agent: http.Agent,
  userAgent: string,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      const text = `${request.method} "${url.origin}${url.pathname}": ${messageOf(error)}`;
      reject(new SwarmError('unavailable', text, { cause: error }));
    };
    const send = url.protocol === 'https:' ? https.request : http.request;
    const sent = send(
      url,
      {
        method: request.method,
        agent,
        headers: { 'user-agent': userAgent, ...request.headers },
        timeout: IDLE_TIMEOUT_MS,
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      },
      (response) => resolve(wrap(response)),
    );
    const { limitMs } = request;
    if (limitMs !== undefined) {
      const late = new Error(`it takes longer than ${limitMs / 1000} s`);
      const timer = setTimeout(() => sent.destroy(late), limitMs);
      sent.on('close', () => clearTimeout(timer));
    }
    sent.on('timeout', () =>
      sent.destroy(new Error(`no answer within ${IDLE_TIMEOUT_MS / 1000} s`)),
    );
    sent.on('error', fail);
    sent.end(request.body);
  });
}

function wrap(response: http.IncomingMessage): HttpResponse {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return {
    status: response.statusCode ?? 0,
    headers,
    body: readBody(response),
    discard: () => discard(response),
  };
}

/** What is small is read, so that the connection can be used again; nobody reads what may never end. */
function discard(response: http.IncomingMessage): void {
  response.on('error', () => undefined);
  const length = Number(response.headers['content-length'] ?? Number.NaN);
  if (length <= MAX_DISCARDED_BYTES) response.resume();
  else response.destroy();
}

async function* readBody(response: http.IncomingMessage): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    throw new SwarmError('unavailable', `connection broke: ${messageOf(error)}`, { cause: error });
  }
}
