// Says when to look at the kernel: soon after it has told of a change in a namespace of ours, and every
// now and then in any case. Our own changes are told as well; the look that follows finds what it expects.
import { messageOf, type Clock, type Logger, type Timer } from '../base/index.ts';
import {
  CHECK_INTERVAL_MS,
  FULL_LOOK_INTERVAL_MS,
  LOOK_AFTER_CHANGE_MS,
  LOOK_SPACING_MS,
} from './contract/index.ts';
import type { Kernel, KernelWatch } from './kernel/index.ts';

/** What it works on. */
export interface KernelWatchesPorts {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A look is due. */
  readonly look: () => void;
  /** Something of others that nobody tells of has to be looked at often. */
  readonly mustLookOften: () => boolean;
}

/** The watches over the namespaces of one host. */
export class KernelWatches {
  readonly #ports: KernelWatchesPorts;
  /** Undefined while one is being begun, or where it can't be. */
  readonly #watches = new Map<string, KernelWatch | undefined>();
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #lookedAt: number;
  #changed = false;
  /** When a look is due for a reason that only the engine knows (ms since 1970). */
  #dueAt: number | undefined;
  #stopped = true;

  constructor(ports: KernelWatchesPorts) {
    this.#ports = ports;
    this.#lookedAt = ports.clock.monotonicMs();
  }

  /** From now on looks are asked for. */
  start(): void {
    this.#stopped = false;
    this.#schedule();
  }

  /** Watches these namespaces and no others; a look is due at `dueAt` (ms since 1970) at the latest. */
  keep(namespaces: Iterable<string>, dueAt: number | undefined): void {
    if (this.#stopped) return;
    const wanted = new Set(namespaces);
    for (const [namespace, watch] of this.#watches) {
      if (wanted.has(namespace)) continue;
      watch?.close();
      this.#watches.delete(namespace);
    }
    for (const namespace of wanted) if (!this.#watches.has(namespace)) this.#begin(namespace);
    this.#dueAt = dueAt;
    this.#schedule();
  }

  /** The namespace is gone: one of the same name will be another one. */
  forget(namespace: string): void {
    this.#watches.get(namespace)?.close();
    this.#watches.delete(namespace);
  }

  /** A look begins: what was told until now is seen by it. */
  lookBegins(): void {
    this.#lookedAt = this.#ports.clock.monotonicMs();
    this.#changed = false;
    for (const watch of this.#watches.values()) watch?.rearm();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const watch of this.#watches.values()) watch?.close();
    this.#watches.clear();
  }

  #begin(namespace: string): void {
    const { kernel, logger } = this.#ports;
    this.#watches.set(namespace, undefined);
    const begun = kernel.watch?.(namespace, () => this.#noticed());
    begun?.then(
      (watch) => {
        if (this.#stopped || !this.#watches.has(namespace)) return watch.close();
        this.#watches.set(namespace, watch);
        // What changed before it was watched.
        this.#noticed();
      },
      (error: unknown) => {
        logger.debug({ namespace, error: messageOf(error) }, 'the kernel does not tell of changes');
      },
    );
  }

  #noticed(): void {
    this.#changed = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#stopped) return;
    const { clock, look, mustLookOften } = this.#ports;
    const now = clock.monotonicMs();
    const isTold = [...this.#watches.values()].every((watch) => watch !== undefined);
    const seldom = isTold && !mustLookOften();
    let at = this.#lookedAt + (seldom ? FULL_LOOK_INTERVAL_MS : CHECK_INTERVAL_MS);
    if (this.#dueAt !== undefined) at = Math.min(at, now + this.#dueAt - clock.now());
    const afterChange = Math.max(now + LOOK_AFTER_CHANGE_MS, this.#lookedAt + LOOK_SPACING_MS);
    if (this.#changed) at = Math.min(at, this.#timerAt, afterChange);
    if (at === this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = at;
    this.#timer = clock.after(Math.max(0, at - now), () => {
      this.#timerAt = Infinity;
      // Until the look begins: one that is held up is not asked for again and again.
      this.#lookedAt = clock.monotonicMs();
      if ((this.#dueAt ?? Infinity) <= clock.now()) this.#dueAt = undefined;
      look();
      this.#schedule();
    });
  }
}
