// The HTTP server of the Engine API, on unix sockets: versions, errors as {"message"}, Docker's
// headers. Streaming routes write their responses themselves, so all of Node's time limits are off.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { chmod, unlink } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ifPresent, SwarmError, messageOf, type Logger } from '../base/index.ts';
import { OPERATOR, authorize } from '../manager/index.ts';
import type { EngineBackend } from './backend/index.ts';
import {
  API_VERSION,
  Router,
  TakenConnections,
  ignoreUpgrade,
  parseTarget,
  readJson,
  splitVersion,
  type Reply,
  type Request,
} from './http/index.ts';
import { ROUTES } from './routes/index.ts';

/** As Go's servers have it: credentials and filters travel in headers and addresses. */
const HEADER_BYTES_MAX = 256 * 1024;

export class EngineApiServer {
  readonly #backend: EngineBackend;
  readonly #logger: Logger;
  readonly #router = new Router(ROUTES);
  readonly #servers: Server[] = [];
  readonly #taken = new TakenConnections();

  constructor(backend: EngineBackend, logger: Logger) {
    this.#backend = backend;
    this.#logger = logger;
  }

  /** Listens on a unix socket of mode 0660; a left-over socket file is replaced. */
  async listen(path: string): Promise<void> {
    await ifPresent(unlink(path));
    const server = createServer(
      {
        keepAliveTimeout: 0,
        requestTimeout: 0,
        headersTimeout: 0,
        maxHeaderSize: HEADER_BYTES_MAX,
      },
      (request, response) => {
        void this.#serve(request, response);
      },
    );
    server.on('upgrade', (request, socket, head) => {
      // It is what this server listens on, whatever the type says.
      this.#upgrade(server, request, socket as Socket, head);
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      refuseMalformed(error, socket);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(path, () => resolve());
    });
    await chmod(path, 0o660);
    this.#servers.push(server);
  }

  async close(): Promise<void> {
    await Promise.all(
      this.#servers.map(
        (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
            server.closeAllConnections();
            this.#taken.closeAll();
          }),
      ),
    );
  }

  #upgrade(server: Server, raw: IncomingMessage, socket: Socket, head: Buffer): void {
    if (!this.#upgrades(raw)) return ignoreUpgrade(server, raw, socket, head);
    const { response, takeOver } = this.#taken.take(raw, socket);
    void this.#serve(raw, response, takeOver);
  }

  #upgrades(raw: IncomingMessage): boolean {
    try {
      const { path } = splitVersion(parseTarget(raw.url ?? '/').path);
      return this.#router.find(raw.method ?? 'GET', path)?.upgrades === true;
    } catch {
      // The ordinary way says what is wrong with it.
      return false;
    }
  }

  async #serve(
    raw: IncomingMessage,
    response: ServerResponse,
    takeOver?: () => Duplex,
  ): Promise<void> {
    this.#setHeaders(response);
    try {
      const reply = await this.#route(raw, response, takeOver);
      if (reply !== 'handled') send(response, reply, raw.method === 'HEAD');
    } catch (error) {
      this.#sendError(raw, response, error);
    }
  }

  async #route(
    raw: IncomingMessage,
    response: ServerResponse,
    takeOver: (() => Duplex) | undefined,
  ): Promise<Reply> {
    const target = parseTarget(raw.url ?? '/');
    const { path, version } = splitVersion(target.path);
    const method = raw.method ?? 'GET';
    const found = this.#router.find(method, path);
    if (found === undefined) throw new SwarmError('notFound', 'page not found');
    // Who can open the socket is root.
    const principal = OPERATOR;
    authorize(principal, found.permission);
    const request: Request = {
      method,
      path,
      version,
      query: target.query,
      params: found.params,
      raw,
      backend: this.#backend,
      principal,
      json: () => readJson(raw),
      header: (name) => {
        const value = raw.headers[name];
        return Array.isArray(value) ? value[0] : value;
      },
      ...(takeOver === undefined ? {} : { takeOver }),
    };
    return found.handler(request, response);
  }

  #setHeaders(response: ServerResponse): void {
    response.setHeader('Server', `Docker/${this.#backend.facts.version} (linux)`);
    response.setHeader('Api-Version', API_VERSION);
    response.setHeader('Ostype', 'linux');
    response.setHeader('Docker-Experimental', 'false');
  }

  #sendError(raw: IncomingMessage, response: ServerResponse, error: unknown): void {
    const known = error instanceof SwarmError;
    if (!known) {
      const stack = error instanceof Error ? error.stack : undefined;
      this.#logger.error(
        { method: raw.method, url: raw.url, error: messageOf(error), stack },
        'request failed',
      );
    }
    if (response.headersSent) {
      response.destroy();
      return;
    }
    send(
      response,
      { status: known ? error.httpStatus : 500, body: { message: messageOf(error) } },
      false,
    );
  }
}

/** What Node could not read as HTTP: it has no request for it, and no answer of its own in our shape. */
function refuseMalformed({ code, message }: NodeJS.ErrnoException, socket: Duplex): void {
  if (code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
  const body = `${JSON.stringify({ message: `malformed request: ${message}` })}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

function send(response: ServerResponse, reply: Exclude<Reply, 'handled'>, head: boolean): void {
  for (const [name, value] of Object.entries(reply.headers ?? {})) response.setHeader(name, value);
  if (reply.body === undefined) {
    response.writeHead(reply.status, { 'Content-Length': '0' });
    response.end();
    return;
  }
  const text = typeof reply.body === 'string' ? reply.body : `${JSON.stringify(reply.body)}\n`;
  if (!response.hasHeader('Content-Type')) response.setHeader('Content-Type', 'application/json');
  response.writeHead(reply.status, { 'Content-Length': Buffer.byteLength(text) });
  response.end(head ? undefined : text);
}
