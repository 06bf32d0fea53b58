// The owner's side of the channel: Consensus for the store, whatever is at the other end.
import { messageOf, SwarmError, type Logger } from '../../../base/index.ts';
import { ChunkStreams } from './chunk-streams.ts';
import {
  PROPOSALS_PENDING_MAX,
  type Consensus,
  type ConsensusHandler,
  type ConsensusStatus,
  type Member,
  type TlsMaterial,
} from '../contract/index.ts';
import {
  committedEntries,
  pack,
  plainError,
  realError,
  type Channel,
  type HostCall,
  type HostCommand,
  type HostEvent,
} from './thread-protocol.ts';

interface Waiter<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

/** Consensus over a channel. */
export class ConsensusFront implements Consensus {
  readonly #channel: Channel<HostCommand, HostEvent>;
  readonly #handler: ConsensusHandler;
  readonly #logger: Logger;
  readonly #streams: ChunkStreams;
  readonly #proposals = new Map<number, Waiter<number>>();
  readonly #calls = new Map<number, Waiter<void>>();
  #outbox: { token: number; payload: Uint8Array }[] = [];
  #outboxTerm = 0;
  #nextToken = 1;
  #status: ConsensusStatus | undefined;
  #started: Waiter<void> | undefined;
  #ended: Error | undefined;
  readonly #closed: () => Promise<void>;

  /** `closed` is called at the end of `close`, to take down what holds the other end. */
  constructor(
    channel: Channel<HostCommand, HostEvent>,
    handler: ConsensusHandler,
    logger: Logger,
    closed: () => Promise<void>,
  ) {
    this.#closed = closed;
    this.#channel = channel;
    this.#handler = handler;
    this.#logger = logger;
    this.#streams = new ChunkStreams((message, transfer) => channel.post(message, transfer));
    channel.onMessage((event) => this.#handle(event));
  }

  /** Resolves when the other end has opened its log; rejects with why it could not. */
  started(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#started = { resolve, reject };
    });
  }

  get status(): ConsensusStatus {
    if (this.#status === undefined) throw new SwarmError('unavailable', 'raft has not started');
    return this.#status;
  }

  propose(payload: Uint8Array): Promise<number> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#proposals.size >= PROPOSALS_PENDING_MAX) {
      const full = 'too many changes wait to be committed: retry later';
      return Promise.reject(new SwarmError('exhausted', full));
    }
    return new Promise((resolve, reject) => {
      const token = this.#nextToken++;
      this.#proposals.set(token, { resolve, reject });
      this.#outbox.push({ token, payload });
      if (this.#outbox.length > 1) return;
      // What is proposed within one turn crosses, and is logged, together.
      this.#outboxTerm = this.#status?.term ?? 0;
      queueMicrotask(() => this.#flush());
    });
  }

  barrier(): Promise<void> {
    return this.#call({ name: 'barrier' });
  }

  addMember(member: Member): Promise<void> {
    return this.#call({ name: 'addMember', member });
  }

  removeMember(...raftIds: number[]): Promise<void> {
    return this.#call({ name: 'removeMember', raftIds });
  }

  transferLeadership(to?: number): Promise<void> {
    return this.#call({ name: 'transferLeadership', to });
  }

  updateTls(tls: TlsMaterial): void {
    if (this.#ended === undefined) this.#channel.post({ kind: 'updateTls', tls });
  }

  async close(): Promise<void> {
    try {
      if (this.#ended === undefined) await this.#call({ name: 'close' });
    } finally {
      this.end(new SwarmError('unavailable', 'raft was closed'));
      await this.#closed();
    }
  }

  /** Nothing comes from the other end any more. */
  end(error: Error): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#started?.reject(error);
    for (const waiter of this.#proposals.values()) waiter.reject(error);
    for (const waiter of this.#calls.values()) waiter.reject(error);
    this.#proposals.clear();
    this.#calls.clear();
  }

  /** The other end has failed: the owner is told, once. */
  fail(error: Error): void {
    if (this.#ended !== undefined) return;
    const starting = this.#started !== undefined;
    this.end(error);
    // A member that cannot apply must not go on leading the others.
    void this.#closed();
    if (!starting) this.#handler.failed(error);
  }

  #call(call: HostCall): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const token = this.#nextToken++;
      this.#calls.set(token, { resolve, reject });
      this.#channel.post({ kind: 'call', token, call });
    });
  }

  #flush(): void {
    const items = this.#outbox;
    this.#outbox = [];
    if (this.#ended !== undefined) return;
    const payloads = pack(items.map((item) => item.payload));
    const tokens = items.map((item) => item.token);
    const term = this.#outboxTerm;
    this.#channel.post({ kind: 'propose', term, tokens, payloads }, [payloads.bytes.buffer]);
  }

  #handle(event: HostEvent): void {
    switch (event.kind) {
      case 'apply':
        this.#apply(event);
        return;
      case 'proposalFailed':
        this.#take(this.#proposals, event.token)?.reject(realError(event.error));
        return;
      case 'answer':
        this.#answered(event.token, event.error === undefined ? undefined : realError(event.error));
        return;
      case 'status':
        this.#statusChanged(event.status);
        return;
      case 'takeSnapshot':
        this.#streams.serve(event.stream, this.#handler.snapshot(), { early: true });
        return;
      case 'restore':
        this.#restore(event.stream, event.index);
        return;
      case 'started':
        this.#status = event.status;
        this.#started?.resolve();
        this.#started = undefined;
        return;
      case 'startFailed':
      case 'failed':
        this.fail(realError(event.error));
        return;
      case 'log':
        this.#logger[event.level](event.fields, event.message);
        return;
      default:
        this.#streams.handle(event);
    }
  }

  #apply(event: Extract<HostEvent, { kind: 'apply' }>): void {
    if (this.#ended !== undefined) return;
    try {
      this.#handler.apply(committedEntries(event));
    } catch (error) {
      // The store no longer is what the log says.
      this.fail(error instanceof Error ? error : new Error(messageOf(error)));
      return;
    }
    const appliedIndex = event.indexes.at(-1);
    if (this.#status !== undefined && appliedIndex !== undefined) {
      this.#status = { ...this.#status, appliedIndex };
    }
    for (const { token, index } of event.completed) {
      this.#take(this.#proposals, token)?.resolve(index);
    }
    this.#channel.post({ kind: 'applied' });
  }

  #restore(stream: number, index: number): void {
    this.#handler.restore(index, this.#streams.read(stream)).then(
      () => {
        if (this.#status !== undefined) this.#status = { ...this.#status, appliedIndex: index };
        this.#channel.post({ kind: 'restored', error: undefined });
      },
      (error: unknown) => this.#channel.post({ kind: 'restored', error: plainError(error) }),
    );
  }

  #statusChanged(status: ConsensusStatus): void {
    // The owner's own view of what it has applied is the newer one.
    const appliedIndex = Math.max(this.#status?.appliedIndex ?? 0, status.appliedIndex);
    this.#status = { ...status, appliedIndex };
    this.#handler.statusChanged(this.#status);
  }

  #answered(token: number, error: Error | undefined): void {
    const waiter = this.#take(this.#calls, token);
    if (error === undefined) waiter?.resolve();
    else waiter?.reject(error);
  }

  #take<T>(waiters: Map<number, Waiter<T>>, token: number): Waiter<T> | undefined {
    const waiter = waiters.get(token);
    waiters.delete(token);
    return waiter;
  }
}
