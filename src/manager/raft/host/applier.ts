// Hands committed entries to the state machine, one call at a time, and restores of it in between.
import type { Entry, Message } from 'raft-ts';
import { messageOf } from '../../../base/index.ts';
import { UNAPPLIED_BYTES_MAX } from '../contract/index.ts';
import { stopping } from './proposals.ts';

/** What the applier works on. */
export interface ApplierPorts {
  /** Applies entries; then everything that follows from them. */
  apply(entries: readonly Entry[]): Promise<void>;
  respond(responses: readonly Message[]): void;
  failed(error: unknown): void;
}

type Job =
  | { readonly kind: 'apply'; readonly work: Message }
  | { readonly kind: 'call'; readonly call: () => Promise<void>; reject(error: Error): void };

/** A queue of jobs in order. */
export class Applier {
  readonly #ports: ApplierPorts;
  readonly #queue: Job[] = [];
  #busy = false;
  #running: Promise<void> = Promise.resolve();
  /** Why it takes nothing any more. */
  #ended: Error | undefined;

  constructor(ports: ApplierPorts) {
    this.#ports = ports;
  }

  /** Takes an order (MsgStorageApply). */
  push(work: Message): void {
    this.#enqueue({ kind: 'apply', work });
  }

  /** Runs something between two batches; resolves when it is done, rejects when it never will be. */
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
      this.#enqueue({ kind: 'call', call: wrapped, reject });
    });
  }

  /** Takes no further job and drops what waits; resolves when the one under way is done. */
  async stop(): Promise<void> {
    this.#end(stopping());
    await this.#running;
  }

  #enqueue(job: Job): void {
    if (this.#ended !== undefined) {
      if (job.kind === 'call') job.reject(this.#ended);
      return;
    }
    this.#queue.push(job);
    if (this.#busy) return;
    this.#busy = true;
    this.#running = this.#run().catch((error: unknown) => {
      this.#end(error instanceof Error ? error : new Error(messageOf(error)));
      this.#ports.failed(error);
    });
  }

  #end(reason: Error): void {
    this.#ended ??= reason;
    for (const job of this.#queue.splice(0)) if (job.kind === 'call') job.reject(this.#ended);
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
    // In the same step in which the queue was seen empty.
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
