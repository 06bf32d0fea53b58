// The TLS side of a node's gRPC port: takes connections, reads who is at the other end from the
// certificate, and hands each to what serves callers of that kind. Somebody without a certificate
// costs little: few connections, for a short time.
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { SwarmError, type Peer } from '../../base/index.ts';
import { parseListen } from './listen-address.ts';
import type { TlsIdentity, TlsPems } from './identity.ts';

/** Connections without a certificate: in all, from one address, and how long each may last. */
export const STRANGERS_MAX = 256;
export const STRANGERS_PER_ADDRESS_MAX = 16;
const STRANGER_LIFETIME_MS = 30_000;
/** Connections that one node may hold: its session, calls, logs, and those of its last life. */
export const CONNECTIONS_PER_NODE_MAX = 256;
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** Handshakes under way; more wait in the kernel's queue or are refused. */
const BACKLOG = 1_024;

/** `undefined`: no valid certificate of the cluster's root. */
export type TakeConnection = (socket: TLSSocket, peer: Peer | undefined) => void;

export class RpcPort {
  readonly #server: Server;
  readonly #identity: TlsIdentity;
  readonly #take: TakeConnection;
  readonly #members = new Map<string, Set<TLSSocket>>();
  /** In the order of their coming. */
  readonly #strangers = new Map<TLSSocket, string>();
  readonly #all = new Set<TLSSocket>();
  readonly #update: (pems: TlsPems) => void;

  constructor(identity: TlsIdentity, take: TakeConnection) {
    this.#identity = identity;
    this.#take = take;
    this.#server = createServer({
      ...contextOf(identity.pems),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    });
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    this.#update = (pems) => this.#server.setSecureContext(contextOf(pems));
    identity.onUpdate(this.#update);
  }

  /** Binds host:port; returns the port. Raises `unavailable` with the reason when it is taken. */
  listen(address: string): Promise<number> {
    const { host, port } = parseListen(address);
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) =>
        reject(new SwarmError('unavailable', `cannot listen on ${address}: ${error.message}`)),
      );
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  /** Ends every connection of a node, with all that runs over them. */
  disconnect(nodeId: string): void {
    for (const socket of this.#members.get(nodeId) ?? []) socket.destroy();
  }

  close(): void {
    this.#identity.offUpdate(this.#update);
    this.#server.close();
    for (const socket of this.#all) socket.destroy();
  }

  #accept(socket: TLSSocket): void {
    const peer = peerOf(socket);
    socket.on('error', () => {});
    this.#all.add(socket);
    socket.once('close', () => this.#all.delete(socket));
    const admitted = peer === undefined ? this.#admit(socket) : this.#join(socket, peer.nodeId);
    if (admitted) this.#take(socket, peer);
    else socket.destroy();
  }

  #join(socket: TLSSocket, nodeId: string): boolean {
    const sockets = this.#members.get(nodeId) ?? new Set();
    if (sockets.size >= CONNECTIONS_PER_NODE_MAX) return false;
    this.#members.set(nodeId, sockets.add(socket));
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0) this.#members.delete(nodeId);
    });
    return true;
  }

  /** When there are too many the oldest goes: a right joiner is quick. */
  #admit(socket: TLSSocket): boolean {
    const address = socket.remoteAddress ?? '';
    const same = [...this.#strangers.values()].filter((other) => other === address).length;
    if (same >= STRANGERS_PER_ADDRESS_MAX) return false;
    if (this.#strangers.size >= STRANGERS_MAX) {
      const [oldest] = this.#strangers.keys();
      oldest?.destroy();
    }
    this.#strangers.set(socket, address);
    const timer = setTimeout(() => socket.destroy(), STRANGER_LIFETIME_MS);
    socket.once('close', () => {
      clearTimeout(timer);
      this.#strangers.delete(socket);
    });
    return true;
  }
}

function contextOf({ certificate, key, rootCertificates }: TlsPems): {
  cert: string;
  key: string;
  ca: string;
} {
  return { cert: certificate, key, ca: rootCertificates };
}

function peerOf(socket: TLSSocket): Peer | undefined {
  if (!socket.authorized) return undefined;
  return peerOfSubject(socket.getPeerCertificate().subject);
}

/** Undefined for a subject that no certificate of ours has. */
export function peerOfSubject(subject: unknown): Peer | undefined {
  if (typeof subject !== 'object' || subject === null) return undefined;
  const { CN, OU, O } = subject as Readonly<Record<string, unknown>>;
  if (typeof CN !== 'string' || typeof O !== 'string') return undefined;
  if (OU !== 'swarm-manager' && OU !== 'swarm-worker') return undefined;
  return { nodeId: CN, role: OU === 'swarm-manager' ? 'manager' : 'worker', clusterId: O };
}
