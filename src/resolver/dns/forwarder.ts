// Asks the host's resolvers, or a task's own, what is none of our names. How many queries are under way
// at once is bounded.
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFile } from 'node:fs/promises';
import { createConnection, isIPv6 } from 'node:net';
import { ifPresent } from '../../base/index.ts';
import { RCODE, answers } from './dns-message.ts';
import { parseResolvConf } from './resolv-conf.ts';

const DNS_PORT = 53;
/** For one server. */
const TIMEOUT_MS = 2_000;
/** The next server is asked when one has said nothing for so long. */
const NEXT_SERVER_MS = 800;
/** Servers asked for one query; resolv.conf(5) knows no more either. */
const MAX_SERVERS = 3;
/** A burst beyond this is answered with a failure at once. */
const MAX_IN_FLIGHT = 512;
/** How old the read list of servers may be. */
const REREAD_MS = 5_000;

export class Forwarder {
  readonly #path: string;
  #servers: readonly string[] = [];
  #readAt = -Infinity;
  #inFlight = 0;

  constructor(resolvConfPath: string) {
    this.#path = resolvConfPath;
  }

  /**
   * The answer with the query's own number; undefined: nobody answered; null: nobody to ask. `own`
   * servers are asked instead of the host's.
   */
  async ask(
    query: Buffer,
    udp: boolean,
    own: readonly string[] = [],
  ): Promise<Buffer | undefined | null> {
    const servers = own.length > 0 ? own.slice(0, MAX_SERVERS) : await this.#currentServers();
    if (servers.length === 0) return null;
    if (this.#inFlight >= MAX_IN_FLIGHT) return undefined;
    this.#inFlight++;
    try {
      const reply = await askInTurn(servers, (server) => {
        const sent = Buffer.from(query);
        sent.writeUInt16BE(randomInt(0x1_0000), 0);
        return udp ? askUdp(server, sent) : askTcp(server, sent);
      });
      if (reply !== undefined) query.copy(reply, 0, 0, 2);
      return reply;
    } finally {
      this.#inFlight--;
    }
  }

  async #currentServers(): Promise<readonly string[]> {
    const now = performance.now();
    if (now - this.#readAt < REREAD_MS) return this.#servers;
    this.#readAt = now;
    try {
      const text = (await ifPresent(readFile(this.#path, 'utf8'))) ?? '';
      this.#servers = parseResolvConf(text).nameservers.slice(0, MAX_SERVERS);
    } catch {
      // It can't be read just now: the servers stay who they were.
    }
    return this.#servers;
  }
}

/**
 * The next server is asked when the one before fails, or has not answered for a while; then both may
 * still answer, and the first one counts. A failure is the answer only when no server has a better one.
 */
export function askInTurn(
  servers: readonly string[],
  ask: (server: string) => Promise<Buffer | undefined>,
): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let next = 0;
    let waiting = 0;
    let failure: Buffer | undefined;
    let timer: NodeJS.Timeout | undefined;
    const done = (reply: Buffer | undefined): void => {
      clearTimeout(timer);
      next = servers.length;
      resolve(reply);
    };
    const step = (): void => {
      clearTimeout(timer);
      const server = servers[next++];
      if (server === undefined) {
        if (waiting === 0) done(failure);
        return;
      }
      waiting++;
      timer = setTimeout(step, NEXT_SERVER_MS);
      void ask(server).then((reply) => {
        waiting--;
        if (reply !== undefined && !isFailure(reply)) return done(reply);
        failure ??= reply;
        step();
      });
    };
    step();
  });
}

/** The server could not or would not answer: another one may. */
function isFailure(reply: Buffer): boolean {
  const code = (reply[3] ?? 0) & 0x0f;
  return code === RCODE.serverFailure || code === RCODE.refused;
}

/** A socket of its own for each query: its port is random, and only the server is heard. */
function askUdp(server: string, query: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
    const done = (reply: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      socket.close();
      resolve(reply);
    };
    const timer = setTimeout(() => done(undefined), TIMEOUT_MS);
    socket.on('error', () => done(undefined));
    socket.on('message', (reply) => {
      if (answers(reply, query)) done(reply);
    });
    socket.connect(DNS_PORT, server, () => socket.send(query));
  });
}

function askTcp(server: string, query: Buffer): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: server, port: DNS_PORT });
    let received = Buffer.alloc(0);
    const done = (reply: Buffer | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(() => done(undefined), TIMEOUT_MS);
    socket.on('error', () => done(undefined));
    socket.on('close', () => done(undefined));
    socket.on('connect', () => socket.write(framed(query)));
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      const length = received.length < 2 ? Infinity : received.readUInt16BE(0);
      if (received.length < length + 2) return;
      const reply = Buffer.from(received.subarray(2, length + 2));
      done(answers(reply, query) ? reply : undefined);
    });
  });
}

/** Over TCP each message has its length before it. */
export function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}
