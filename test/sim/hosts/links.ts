// Connections between the simulated managers: messages as bytes, in order or not, delayed, lost with
// the connection or one by one; snapshots piece by piece, broken off with the connection.
import type { Message } from 'raft-ts';
import type { Prng, VirtualClock } from 'sim';
import { SwarmError } from '../../../src/base/index.ts';
import type { Member, PeerTransport, TransportReceiver } from '../../../src/manager/raft/index.ts';
import { decodeMessage, encodeMessage } from '../../../src/manager/raft/wire/message-codec.ts';
import type { SimulatedProcess } from '../cluster/process.ts';

/** How bad the network is; probabilities per message. */
export interface LinkCondition {
  delayMsMax: number;
  loss: number;
  repeat: number;
}

interface Listening {
  readonly process: SimulatedProcess;
  readonly self: Member;
  readonly receiver: TransportReceiver;
}

/** A link is dead after this long without a sign, as the real one's keep-alive says. */
const KEEPALIVE_MS = 3500;

/** All connections. */
export class Links {
  readonly condition: LinkCondition;
  readonly #clock: VirtualClock;
  readonly #prng: Prng;
  readonly #inOrder: boolean;
  readonly #listening = new Map<number, Listening>();
  readonly #cuts = new Set<string>();
  /** Counts the breaks of a link: what belongs to an earlier count is lost. */
  readonly #breaks = new Map<string, number>();
  readonly #arriving = new Map<string, number>();
  readonly #brokenOff = new Set<{ readonly link: string; readonly fail: () => void }>();

  constructor(clock: VirtualClock, prng: Prng, inOrder: boolean, condition: LinkCondition) {
    this.#clock = clock;
    this.#prng = prng;
    this.#inOrder = inOrder;
    this.condition = condition;
  }

  /** For one process; `sent` sees all that it sends. */
  transport(
    process: SimulatedProcess,
    self: Member,
    sent: (message: Message) => void,
  ): PeerTransport {
    let peers = new Map<number, Member>();
    return {
      start: async (receiver) => {
        this.#listening.set(self.raftId, { process, self, receiver });
        process.onKilled(() => this.#close(self.raftId, process));
      },
      setPeers: (members) => {
        peers = new Map(members.map((member) => [member.raftId, member]));
      },
      send: (message) => {
        if (!process.alive) return;
        sent(message);
        if (peers.has(message.to)) this.#send(self, message);
      },
      sendSnapshot: (message, chunks) => this.#sendSnapshot(process, self, message, chunks),
      updateTls: () => {},
      close: async () => this.#close(self.raftId, process),
    };
  }

  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** The connection is reset: what is on its way is lost, and both ends hear of it. */
  break(a: number, b: number): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const link = `${from}>${to}`;
      this.#breaks.set(link, (this.#breaks.get(link) ?? 0) + 1);
      for (const transfer of this.#brokenOff) if (transfer.link === link) transfer.fail();
      const end = this.#listening.get(from);
      end?.process.enter(() => end.receiver.unreachable(to));
    }
  }

  #close(raftId: number, process: SimulatedProcess): void {
    if (this.#listening.get(raftId)?.process !== process) return;
    this.#listening.delete(raftId);
    for (const other of this.#listening.keys()) this.break(raftId, other);
  }

  #send(self: Member, message: Message): void {
    const { loss, repeat } = this.condition;
    const { to } = message;
    if (this.#prng.chance(loss)) return;
    const bytes = encodeMessage(message);
    this.#deliverLater(self, to, bytes);
    if (this.#prng.chance(repeat)) this.#deliverLater(self, to, bytes);
  }

  #deliverLater(self: Member, to: number, bytes: Uint8Array): void {
    const link = `${self.raftId}>${to}`;
    const breaks = this.#breaks.get(link) ?? 0;
    let at = this.#clock.monotonicMs() + this.#delay();
    if (this.#inOrder) at = Math.max(at, this.#arriving.get(link) ?? 0);
    this.#arriving.set(link, at);
    this.#clock.after(at - this.#clock.monotonicMs(), () => {
      if (this.#cuts.has(link) || breaks !== (this.#breaks.get(link) ?? 0)) return;
      const end = this.#listening.get(to);
      end?.process.enter(() => {
        if (end.receiver.mayBe(self.raftId, self.nodeId)) {
          // On a real connection this comes first, and each message may be on a new one.
          end.receiver.met(self);
          end.receiver.receive(decodeMessage(bytes));
        }
      });
    });
  }

  async #sendSnapshot(
    process: SimulatedProcess,
    self: Member,
    message: Message,
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const { to } = message;
    const link = `${self.raftId}>${to}`;
    const end = this.#listening.get(to);
    if (end === undefined || !end.receiver.mayBe(self.raftId, self.nodeId)) {
      throw lost(link);
    }
    let fail = (): void => {};
    const broken = new Promise<never>((_, reject) => {
      fail = () => reject(lost(link));
    });
    broken.catch(() => {});
    const transfer = { link, fail };
    this.#brokenOff.add(transfer);
    const iterator = chunks[Symbol.asyncIterator]();
    // Each side works within its own process: a chunk crosses, then the receiver asks for the next.
    const hop = (): Promise<void> => Promise.race([this.#hop(link, transfer.fail), broken]);
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      for (;;) {
        await hop();
        const next = await Promise.race([iterator.next(), broken]);
        if (next.done === true) return;
        yield next.value.slice();
      }
    };
    try {
      const head = decodeMessage(encodeMessage(message));
      await process.result(
        Promise.race([end.receiver.receiveSnapshot(head, within(end.process, pieces())), broken]),
      );
    } finally {
      this.#brokenOff.delete(transfer);
    }
  }

  async #hop(link: string, fail: () => void): Promise<void> {
    const wait = (delayMs: number): Promise<void> =>
      new Promise((resolve) => {
        this.#clock.after(delayMs, resolve);
      });
    await wait(this.#delay());
    if (!this.#cuts.has(link)) return;
    await wait(KEEPALIVE_MS);
    if (this.#cuts.has(link)) fail();
  }

  #delay(): number {
    return this.#prng.between(1, this.condition.delayMsMax);
  }
}

function lost(link: string): SwarmError {
  return new SwarmError('unavailable', `connection ${link} was lost`);
}

/** The pieces as they enter a process, which may be paused or dead. */
function within(
  process: SimulatedProcess,
  pieces: AsyncGenerator<Uint8Array>,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]: () => ({
      next: () => process.result(pieces.next()),
      return: async () => {
        await pieces.return(undefined);
        return { done: true, value: undefined };
      },
    }),
  };
}
