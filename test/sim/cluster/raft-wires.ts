// Raft's connections between simulated managers: each message is checked as the real server checks
// it; messages may be lost or overtake each other; snapshots travel piece by piece and break with
// their link.
import type { Message } from 'raft-ts';
import { SwarmError } from '../../../src/base/index.ts';
import type { Member, PeerTransport, TransportReceiver } from '../../../src/manager/raft/index.ts';
import type { SimulatedWires } from './network.ts';
import type { SimulatedProcess } from './process.ts';

const CHUNK_TIMEOUT_MS = 3_000;
const SNAPSHOT_TIMEOUT_MS = 20_000;

interface Listening {
  readonly process: SimulatedProcess;
  readonly raftId: number;
  readonly receiver: TransportReceiver;
}

/** Probability that a message is lost. */
export interface RaftLoss {
  chance: number;
}

/** All members that listen now, by host. */
export class RaftWires {
  readonly #wires: SimulatedWires;
  readonly #listening = new Map<string, Listening>();
  readonly loss: RaftLoss = { chance: 0 };
  readonly #seen: (message: Message, from: string, to: string) => void;

  constructor(wires: SimulatedWires, seen: (message: Message, from: string, to: string) => void) {
    this.#wires = wires;
    this.#seen = seen;
  }

  /** For one start of one member; `nodeId` is what its certificate says. */
  transport(
    process: SimulatedProcess,
    host: string,
    raftId: number,
    nodeId: string,
  ): PeerTransport {
    let peers = new Map<number, Member>();
    let own: TransportReceiver | undefined;
    const hostOf = (to: number): string | undefined => peers.get(to)?.address.split(':')[0];
    return {
      start: async (receiver) => {
        own = receiver;
        this.#listening.set(host, { process, raftId, receiver });
      },
      setPeers: (members) => {
        peers = new Map(members.map((member) => [member.raftId, member]));
      },
      send: (message) => {
        const to = hostOf(message.to);
        if (to === undefined || !process.alive) return;
        if (this.#wires.isCut(host, to) || this.#wires.random.chance(this.loss.chance)) {
          const { to: lost } = message;
          queueMicrotask(() => process.enter(() => own?.unreachable(lost)));
          return;
        }
        this.#wires.clock.after(this.#wires.delayMs(host, to), () => {
          if (this.#wires.isCut(host, to)) return;
          this.#arrive(message, host, to, nodeId);
          const { to: peer } = message;
          const refused = this.#listening.get(to)?.process.alive === false;
          if (refused) process.enter(() => own?.unreachable(peer, true));
        });
      },
      sendSnapshot: (message, chunks) => {
        const to = hostOf(message.to);
        if (to === undefined) {
          return Promise.reject(new SwarmError('unavailable', `no address of ${message.to}`));
        }
        return this.#sendSnapshot(message, chunks, { process, host, nodeId }, to);
      },
      updateTls: () => {},
      close: async () => {
        if (this.#listening.get(host)?.process === process) this.#listening.delete(host);
      },
    };
  }

  #arrive(message: Message, from: string, to: string, nodeId: string): void {
    const target = this.#listening.get(to);
    if (target === undefined || !accepts(target, message, nodeId)) return;
    target.process.enter(() => {
      this.#seen(message, from, to);
      target.receiver.met({ raftId: message.from, nodeId, address: `${from}:2378` });
      target.receiver.receive(message);
    });
  }

  async #sendSnapshot(
    message: Message,
    chunks: AsyncIterable<Uint8Array>,
    sender: { process: SimulatedProcess; host: string; nodeId: string },
    to: string,
  ): Promise<void> {
    const source = chunks[Symbol.asyncIterator]();
    const pull = (receiver: SimulatedProcess): Promise<IteratorResult<Uint8Array>> =>
      this.#wires.call(
        receiver,
        to,
        sender.host,
        (server) =>
          server === sender.process
            ? source.next()
            : Promise.reject(new SwarmError('unavailable', 'the sender has begun anew')),
        CHUNK_TIMEOUT_MS,
      );
    await this.#wires.call(
      sender.process,
      sender.host,
      to,
      async (server) => {
        const target = this.#listening.get(to);
        if (target?.process !== server || !accepts(target, message, sender.nodeId)) {
          throw new SwarmError('unavailable', `${to} takes no snapshot from ${sender.nodeId}`);
        }
        await target.receiver.receiveSnapshot(
          message,
          pulled(() => pull(server)),
        );
      },
      SNAPSHOT_TIMEOUT_MS,
    );
  }
}

function accepts(target: Listening, message: Message, nodeId: string): boolean {
  return target.raftId === message.to && target.receiver.mayBe(message.from, nodeId);
}

async function* pulled(
  next: () => Promise<IteratorResult<Uint8Array>>,
): AsyncGenerator<Uint8Array> {
  for (let part = await next(); part.done !== true; part = await next()) yield part.value;
}
