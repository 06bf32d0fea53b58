// The wires between simulated machines: delay, cuts in one or both directions, clogged links. What is
// sent over a cut link waits, as TCP makes it wait, until the link is back or the connection is given up.
import type { Prng, VirtualClock } from 'sim';
import { SwarmError } from '../../../src/base/index.ts';
import type { SimulatedProcess } from './process.ts';

/** How good the wires are, in milliseconds. */
export interface WireQuality {
  minDelayMs: number;
  maxDelayMs: number;
}

/** A process that is reached at an address, if any. */
export type ProcessAt = (host: string) => SimulatedProcess | undefined;

/** Between two looks at a cut link. */
const STALL_POLL_MS = 50;

/** Knows who can reach whom, and how fast. */
export class SimulatedWires {
  readonly clock: VirtualClock;
  readonly random: Prng;
  readonly quality: WireQuality = { minDelayMs: 1, maxDelayMs: 2 };
  readonly processAt: ProcessAt;
  readonly #cuts = new Set<string>();
  readonly #clogs = new Map<string, number>();

  constructor(clock: VirtualClock, random: Prng, processAt: ProcessAt) {
    this.clock = clock;
    this.random = random;
    this.processAt = processAt;
  }

  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`);
  }

  mend(from: string, to: string): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  /** Everything on this link takes so much longer; 0 ends it. */
  clog(from: string, to: string, extraMs: number): void {
    if (extraMs > 0) this.#clogs.set(`${from}>${to}`, extraMs);
    else this.#clogs.delete(`${from}>${to}`);
  }

  /** All links are as new. */
  heal(): void {
    this.#cuts.clear();
    this.#clogs.clear();
  }

  isCut(from: string, to: string): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  delayMs(from: string, to: string): number {
    const { minDelayMs, maxDelayMs } = this.quality;
    const extra = this.#clogs.get(`${from}>${to}`) ?? 0;
    const own = from === to ? 0 : this.random.between(minDelayMs, maxDelayMs);
    return own + (extra > 0 ? this.random.below(extra) : 0);
  }

  /** Carries one thing over, however long the link is cut; `arrive` runs at the other end. */
  carry(from: string, to: string, arrive: () => void): void {
    const look = (): void => {
      if (this.isCut(from, to)) this.clock.after(STALL_POLL_MS, look);
      else arrive();
    };
    this.clock.after(this.delayMs(from, to), look);
  }

  /**
   * A call with an answer, made within `caller` on the host `from`. Rejects with `unavailable` when
   * nothing listens there or the process dies, and with `deadline` after `timeoutMs`.
   */
  call<T>(
    caller: SimulatedProcess,
    from: string,
    to: string,
    serve: (server: SimulatedProcess) => Promise<T>,
    timeoutMs: number,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = caller.clock.after(timeoutMs, () =>
        reject(new SwarmError('deadline', `no answer from ${to} in ${timeoutMs} ms`)),
      );
      const back = (settle: () => void): void =>
        this.carry(to, from, () =>
          caller.enter(() => {
            timer.cancel();
            settle();
          }),
        );
      const refuse = (): void =>
        back(() => reject(new SwarmError('unavailable', `${to} does not answer`)));
      this.carry(from, to, () => {
        const server = this.processAt(to);
        if (server === undefined) return refuse();
        const forget = server.onKilled(refuse);
        server.enter(() => {
          served(() => serve(server))
            .then(
              (value) => back(() => resolve(value)),
              (error: unknown) =>
                back(() => reject(error instanceof Error ? error : new Error(String(error)))),
            )
            .finally(forget);
        });
      });
    });
  }
}

async function served<T>(serve: () => Promise<T>): Promise<T> {
  return serve();
}
