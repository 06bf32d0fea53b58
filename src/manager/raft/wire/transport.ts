// Connections to the other managers: TLS with certificates on both sides, one listener, one outgoing
// link per member.
import type { Message } from 'raft-ts';
import { SwarmError, type Clock, type Logger, type Random } from '../../../base/index.ts';
import type { Member, PeerTransport, TlsMaterial, TransportReceiver } from '../contract/index.ts';
import { PeerLink } from './peer-link.ts';
import { PeerServer } from './peer-server.ts';
import { TlsSource } from './peer-tls.ts';

/** What the connections need. */
export interface TlsTransportOptions {
  readonly self: Member;
  readonly listenAddress: string;
  readonly tls: TlsMaterial;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** The real `PeerTransport`. */
export class TlsTransport implements PeerTransport {
  readonly #options: TlsTransportOptions;
  readonly #tls: TlsSource;
  readonly #links = new Map<number, PeerLink>();
  #server: PeerServer | undefined;
  #receiver: TransportReceiver | undefined;

  constructor(options: TlsTransportOptions) {
    this.#options = options;
    this.#tls = new TlsSource(options.tls);
  }

  async start(receiver: TransportReceiver): Promise<void> {
    const { self, logger, listenAddress } = this.#options;
    this.#receiver = receiver;
    this.#server = new PeerServer({ selfId: self.raftId, tls: this.#tls, receiver, logger });
    await this.#server.listen(listenAddress);
  }

  setPeers(peers: readonly Member[]): void {
    const wanted = new Map(peers.map((peer) => [peer.raftId, peer]));
    for (const [raftId, link] of this.#links) {
      const peer = wanted.get(raftId);
      const same = peer?.address === link.peer.address && peer.nodeId === link.peer.nodeId;
      if (same) continue;
      link.close();
      this.#links.delete(raftId);
    }
    for (const peer of peers) {
      if (!this.#links.has(peer.raftId)) this.#links.set(peer.raftId, this.#newLink(peer));
    }
  }

  send(message: Message): void {
    this.#links.get(message.to)?.send(message);
  }

  async sendSnapshot(message: Message, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const link = this.#links.get(message.to);
    if (link === undefined) {
      throw new SwarmError('unavailable', `raft member ${message.to} has no known address`);
    }
    await link.sendSnapshot(message, chunks);
  }

  updateTls(tls: TlsMaterial): void {
    this.#tls.update(tls);
  }

  async close(): Promise<void> {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    this.#server?.close();
  }

  #newLink(peer: Member): PeerLink {
    const { self, clock, random, logger } = this.#options;
    return new PeerLink(peer, {
      self,
      tls: this.#tls,
      clock,
      random,
      logger,
      lost: (raftId, refused) => {
        // Not within the call that found it out: raft is busy then.
        queueMicrotask(() => this.#receiver?.unreachable(raftId, refused));
      },
    });
  }
}
