// The links between members: each message may be lost, repeated, late or out of order, and links can
// be cut in one direction or in both.
import type { EventQueue, Prng } from 'sim';
import type { Message } from '../../src/index.ts';
import type { NetworkOptions } from './options.ts';

const CALM: NetworkOptions = {
  minDelay: 1,
  maxDelay: 4,
  loss: 0,
  repeat: 0,
  late: 0,
  lateMs: 0,
  ordered: true,
};

/** What becomes of messages. */
export interface Receiver {
  deliver(message: Message): void;
  /** A message will never arrive; its sender may find out. */
  lost(message: Message): void;
}

/** Carries messages between members, known by their numbers. */
export class Network {
  readonly #queue: EventQueue;
  readonly #prng: Prng;
  readonly #receiver: Receiver;
  readonly #cuts = new Set<number>();
  readonly #lastArrival = new Map<number, number>();
  #options: NetworkOptions;

  constructor(queue: EventQueue, prng: Prng, options: NetworkOptions, receiver: Receiver) {
    this.#queue = queue;
    this.#prng = prng;
    this.#options = options;
    this.#receiver = receiver;
  }

  send(message: Message): void {
    const { loss, repeat } = this.#options;
    if (this.isCut(message.from, message.to) || (loss > 0 && this.#prng.chance(loss))) {
      this.#receiver.lost(message);
      return;
    }
    this.#carry(message);
    if (repeat > 0 && this.#prng.chance(repeat)) this.#carry(message);
  }

  #carry(message: Message): void {
    const { minDelay, maxDelay, late, lateMs, ordered } = this.#options;
    const { now } = this.#queue;
    let arrival = now + this.#prng.between(minDelay, maxDelay);
    if (late > 0 && this.#prng.chance(late)) arrival += this.#prng.between(0, lateMs);
    else if (ordered) arrival = this.#behindTheLast(message, arrival);
    this.#queue.after(arrival - now, () => {
      // A cut also takes what is on the wire.
      if (this.isCut(message.from, message.to)) this.#receiver.lost(message);
      else this.#receiver.deliver(message);
    });
  }

  #behindTheLast(message: Message, arrival: number): number {
    const link = linkOf(message.from, message.to);
    const behind = Math.max(arrival, this.#lastArrival.get(link) ?? 0);
    this.#lastArrival.set(link, behind);
    return behind;
  }

  /** Cuts one direction. */
  cut(from: number, to: number): void {
    this.#cuts.add(linkOf(from, to));
  }

  mend(): void {
    this.#cuts.clear();
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(linkOf(from, to));
  }

  /** From now on nothing is lost, and everything is fast. */
  calm(): void {
    this.mend();
    this.#options = CALM;
  }
}

function linkOf(from: number, to: number): number {
  return from * 1000 + to;
}
