// Hands committed entries to the state machine, one call at a time, and restores of it in between.
import type { Entry, Message } from 'raft-ts';
import { UNAPPLIED_BYTES_MAX } from './limits.ts';

/** What the applier works on. */
export interface ApplierPorts {
  /** Applies entries; then everything that follows from them. */
  apply(entries: readonly Entry[]): Promise<void>;
  respond(responses: readonly Message[]): void;
  failed(error: unknown): void;
}

type Job =
  | { readonly kind: 'apply'; readonly work: Message }
  | { readonly kind: 'call'; readonly call: () => Promise<void> };

/** A queue of jobs in order. */
export class Applier {
  readonly #ports: ApplierPorts;
  #queue: Job[] = [];
  #busy = false;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(ports: ApplierPorts) {
    this.#ports = ports;
  }

  /** Takes an order (MsgStorageApply). */
  push(work: Message): void {
    this.#enqueue({ kind: 'apply', work });
  }

  /** Runs something between two batches; resolves when it is done. */
  between(call: () => Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const wrapped = async (): Promise<void> => {
        try {
          await call();
          resolve();
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      this.#enqueue({ kind: 'call', call: wrapped });
    });
  }

  /** Takes no further job; resolves when the one under way is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#queue = [];
    await this.#running;
  }

  #enqueue(job: Job): void {
    if (this.#stopped) return;
    this.#queue.push(job);
    if (this.#busy) return;
    this.#busy = true;
    this.#running = this.#run().catch((error: unknown) => this.#ports.failed(error));
  }

  async #run(): Promise<void> {
    for (let job = this.#queue[0]; job !== undefined; job = this.#queue[0]) {
      if (job.kind === 'call') {
        this.#queue.shift();
        await job.call();
        continue;
      }
      const works = this.#takeWorks();
      await this.#ports.apply(works.flatMap((work) => work.entries));
      for (const work of works) this.#ports.respond(work.responses);
    }
    // In the same step in which the queue was seen empty; after a failure it stays busy for ever.
    this.#busy = false;
  }

  /** Several orders in one call of the state machine. */
  #takeWorks(): Message[] {
    const works: Message[] = [];
    let bytes = 0;
    for (const job of this.#queue) {
      if (job.kind !== 'apply' || bytes >= UNAPPLIED_BYTES_MAX) break;
      for (const entry of job.work.entries) bytes += entry.data.length;
      works.push(job.work);
    }
    this.#queue.splice(0, works.length);
    return works;
  }
}
