// Hears of the end of processes: one stream of containerd's events for all containers. Events get
// lost while the stream is down, so after each connection and every now and then it looks for
// itself.
import {
  SwarmError,
  backoffMs,
  messageOf,
  sleep,
  type Clock,
  type Logger,
  type Random,
} from '../../base/index.ts';
import { isNotFound, type ContainerdClient } from './client.ts';
import type { Envelope, Timestamp } from './messages.ts';

/** How often it looks even without a reason. */
const LOOK_INTERVAL_MS = 30_000;
const RECONNECT = { minMs: 50, maxMs: 2_000 };
/** Containers whose lack of memory was told and not asked for yet. */
const MAX_OOM_IDS = 10_000;

/** How a process ended; `lost` when containerd knows nothing of it any more. */
export interface ProcessEnd {
  readonly exitStatus: number;
  /** Milliseconds since 1970. */
  readonly exitedAt: number;
  readonly lost: boolean;
}

interface Waiter {
  readonly containerId: string;
  readonly processId: string;
  readonly resolve: (end: ProcessEnd) => void;
}

/** What the exit status of a process is when nobody saw it end (Docker's number). */
const UNKNOWN_STATUS = 255;

export interface ExitWatchPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called when the stream broke: brings containerd back if it is gone. */
  readonly revive: () => Promise<void>;
}

export class ExitWatch {
  readonly #client: ContainerdClient;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #revive: () => Promise<void>;
  readonly #waiters = new Set<Waiter>();
  readonly #oom = new Set<string>();
  readonly #closing = new AbortController();

  constructor(client: ContainerdClient, ports: ExitWatchPorts) {
    this.#client = client;
    this.#clock = ports.clock;
    this.#random = ports.random;
    this.#logger = ports.logger;
    this.#revive = ports.revive;
    void this.#follow();
    void this.#lookRegularly();
  }

  /**
   * The end of a container's first process, or of one executed in it; rejects when `signal`
   * aborts.
   */
  wait(containerId: string, processId: string, signal: AbortSignal): Promise<ProcessEnd> {
    return new Promise((resolve, reject) => {
      const gaveUp = (): void => {
        this.#waiters.delete(waiter);
        reject(new SwarmError('unavailable', 'stopped waiting for the process to end'));
      };
      const waiter: Waiter = {
        containerId,
        processId,
        resolve: (end) => {
          this.#waiters.delete(waiter);
          signal.removeEventListener('abort', gaveUp);
          resolve(end);
        },
      };
      if (signal.aborted) return gaveUp();
      signal.addEventListener('abort', gaveUp);
      this.#waiters.add(waiter);
      // It may have ended before anybody listened.
      void this.#lookAt(waiter);
    });
  }

  /**
   * True when the kernel killed one of the container's processes for want of memory, as far as
   * told.
   */
  wasOutOfMemory(containerId: string): boolean {
    return this.#oom.has(containerId);
  }

  /** Forgets what is known of a removed container. */
  forget(containerId: string): void {
    this.#oom.delete(containerId);
  }

  close(): void {
    this.#closing.abort();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#listen(() => (attempt = 0));
      } catch (error) {
        if (signal.aborted) return;
        this.#logger.warn({ error: messageOf(error) }, 'the stream of events broke');
        await this.#revive().catch((failure: unknown) => {
          this.#logger.error({ error: messageOf(failure) }, 'containerd does not come back');
        });
      }
      await sleep(this.#clock, backoffMs(attempt, RECONNECT, this.#random), signal);
    }
  }

  async #listen(onConnected: () => void): Promise<void> {
    const filters = ['/tasks/exit', '/tasks/oom'].map(
      (topic) => `namespace==${this.#client.namespace},topic=="${topic}"`,
    );
    const stream = this.#client.events.subscribe({ filters });
    const cancel = (): void => stream.cancel();
    this.#closing.signal.addEventListener('abort', cancel);
    try {
      void this.#lookAfterConnecting(onConnected);
      for await (const envelope of stream as AsyncIterable<Envelope>) this.#take(envelope);
    } finally {
      this.#closing.signal.removeEventListener('abort', cancel);
      stream.cancel();
    }
  }

  /** A call on the same connection is answered after the subscription before it was taken in. */
  async #lookAfterConnecting(onConnected: () => void): Promise<void> {
    try {
      await this.#client.version({});
      onConnected();
      await this.#look();
    } catch {
      // The stream tells of the same failure.
    }
  }

  #take(envelope: Envelope): void {
    const event = envelope.event;
    if (event === null) return;
    if (envelope.topic === '/tasks/oom') {
      if (this.#oom.size < MAX_OOM_IDS) {
        this.#oom.add(this.#client.decodeTaskOom(event.value).containerId);
      }
      return;
    }
    const exit = this.#client.decodeTaskExit(event.value);
    this.#settle(exit.containerId, exit.id, {
      exitStatus: exit.exitStatus,
      exitedAt: milliseconds(exit.exitedAt) ?? this.#clock.now(),
      lost: false,
    });
  }

  #settle(containerId: string, processId: string, end: ProcessEnd): void {
    for (const waiter of this.#waiters) {
      if (waiter.containerId === containerId && waiter.processId === processId) waiter.resolve(end);
    }
  }

  async #lookRegularly(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await sleep(this.#clock, LOOK_INTERVAL_MS, signal);
      if (!signal.aborted) await this.#look();
    }
  }

  async #look(): Promise<void> {
    for (const waiter of this.#waiters) await this.#lookAt(waiter);
  }

  async #lookAt(waiter: Waiter): Promise<void> {
    const { containerId, processId } = waiter;
    const execId = processId === containerId ? '' : processId;
    try {
      const { process } = await this.#client.tasks.get({ containerId, execId });
      if (process?.status !== 'STOPPED') return;
      const { exitStatus } = process;
      const exitedAt = milliseconds(process.exitedAt) ?? this.#clock.now();
      waiter.resolve({ exitStatus, exitedAt, lost: false });
    } catch (error) {
      if (!isNotFound(error)) return;
      waiter.resolve({ exitStatus: UNKNOWN_STATUS, exitedAt: this.#clock.now(), lost: true });
    }
  }
}

/** Milliseconds since 1970 of a time that was set. */
export function milliseconds(time: Timestamp | null | undefined): number | undefined {
  // Go's zero time is the year 1: negative seconds.
  if (time === null || time === undefined || time.seconds <= 0) return undefined;
  return time.seconds * 1000 + Math.floor(time.nanos / 1e6);
}
