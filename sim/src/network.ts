// A network of machines that loses, delays, repeats and reorders messages, and that can be cut.
import type { Prng } from './prng.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** How bad the network is; probabilities per message. */
export interface NetworkFaults {
  readonly loss: number;
  readonly repeat: number;
  readonly minDelayMs: number;
  readonly maxDelayMs: number;
}

/** A good network. */
export const calmNetwork: NetworkFaults = { loss: 0, repeat: 0, minDelayMs: 1, maxDelayMs: 1 };

/** Carries messages of any kind between machines that are known by a number. */
export class Network<Message> {
  readonly #clock: VirtualClock;
  readonly #prng: Prng;
  readonly #receivers = new Map<number, (message: Message, from: number) => void>();
  readonly #cuts = new Set<string>();
  faults: NetworkFaults = calmNetwork;

  constructor(clock: VirtualClock, prng: Prng) {
    this.#clock = clock;
    this.#prng = prng;
  }

  attach(id: number, receive: (message: Message, from: number) => void): void {
    this.#receivers.set(id, receive);
  }

  /** What is on its way to a detached machine is lost. */
  detach(id: number): void {
    this.#receivers.delete(id);
  }

  send(from: number, to: number, message: Message): void {
    const { loss, repeat } = this.faults;
    if (this.isCut(from, to) || this.#prng.chance(loss)) return;
    this.#deliverLater(from, to, message);
    if (this.#prng.chance(repeat)) this.#deliverLater(from, to, message);
  }

  /** Cuts one direction. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Only machines of the same group can talk to each other. */
  partition(groups: readonly (readonly number[])[]): void {
    this.heal();
    const groupOf = new Map(groups.flatMap((ids, group) => ids.map((id) => [id, group] as const)));
    for (const [a, groupA] of groupOf) {
      for (const [b, groupB] of groupOf) if (groupA !== groupB) this.cut(a, b);
    }
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(from: number, to: number): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  #deliverLater(from: number, to: number, message: Message): void {
    const { minDelayMs, maxDelayMs } = this.faults;
    this.#clock.after(this.#prng.between(minDelayMs, maxDelayMs), () => {
      // A cut also takes what is on the wire.
      if (!this.isCut(from, to)) this.#receivers.get(to)?.(message, from);
    });
  }
}
