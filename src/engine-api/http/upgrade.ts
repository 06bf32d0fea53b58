// Connections that leave HTTP: `docker attach` asks with `Upgrade: tcp`. Node gives such a connection
// away with its request; which ones we take, and how the others get back, is here.
import { ServerResponse, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Socket } from 'node:net';

/** The connections that were taken: Node's server no longer knows them when it closes. */
export class TakenConnections {
  readonly #sockets = new Set<Socket>();

  /** A response for the request, and the way to have the connection instead of it. */
  take(
    raw: IncomingMessage,
    socket: Socket,
  ): { readonly response: ServerResponse; readonly takeOver: () => Duplex } {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // Nobody has to know more than that it is closed.
    socket.on('error', () => {});
    const response = new ServerResponse(raw);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => socket.destroySoon());
    const takeOver = (): Duplex => {
      response.detachSocket(socket);
      // A client without input says so by closing its side. That one that is gone altogether looks the
      // same, and shows with the next write.
      socket.resume();
      socket.once('finish', () => socket.destroySoon());
      return socket;
    };
    return { response, takeOver };
  }

  closeAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Any server may ignore that another protocol is asked for: the request is read again without it. */
export function ignoreUpgrade(
  server: Server,
  raw: IncomingMessage,
  socket: Socket,
  head: Buffer,
): void {
  const lines = [`${raw.method ?? 'GET'} ${raw.url ?? '/'} HTTP/${raw.httpVersion}`];
  for (let at = 0; at < raw.rawHeaders.length; at += 2) {
    const name = raw.rawHeaders[at] ?? '';
    if (/^(?:connection|upgrade|http2-settings)$/i.test(name)) continue;
    lines.push(`${name}: ${raw.rawHeaders[at + 1] ?? ''}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}
