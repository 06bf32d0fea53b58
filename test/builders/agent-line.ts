// An agent's end of a session for tests: keeps the set that it was told, by whole sets as an agent does,
// and what came in which message.
import type { Connection } from '../../src/base/index.ts';
import type { AgentMessage, AssignmentItem, DispatcherMessage } from '../../src/model/index.ts';

export class AgentLine implements Connection<DispatcherMessage, unknown> {
  readonly sent: DispatcherMessage[] = [];
  /** Of the newest whole set: bodies by kind and key. */
  items = new Map<string, string>();
  /** Of the newest whole set. */
  index = 0;
  closed = false;
  refused: Error | undefined;
  /** False: it does not read. */
  reads = true;
  #staged: Map<string, string> | undefined;
  #number = 0;
  #handler: (message: unknown) => void = () => {};
  #drain: () => void = () => {};
  readonly #closes: ((reason?: Error) => void)[] = [];

  send(message: DispatcherMessage): boolean {
    this.sent.push(message);
    const { assignments } = message;
    if (assignments === undefined) return this.reads;
    const { complete, appliesTo, resultsIn, index, updates, removes } = assignments;
    if (!complete && appliesTo !== this.#number) throw new Error('a set is missing');
    this.#number = resultsIn;
    const staged = complete ? new Map<string, string>() : (this.#staged ?? new Map(this.items));
    for (const { kind, key, body } of updates) staged.set(`${kind}\n${key}`, body);
    for (const { kind, key } of removes) staged.delete(`${kind}\n${key}`);
    this.#staged = staged;
    if (index > 0) {
      this.items = staged;
      this.index = index;
      this.#staged = undefined;
    }
    return this.reads;
  }

  onMessage(handler: (message: unknown) => void): void {
    this.#handler = handler;
  }

  onDrain(handler: () => void): void {
    this.#drain = handler;
  }

  onClose(handler: (reason?: Error) => void): void {
    this.#closes.push(handler);
  }

  close(reason?: Error): void {
    if (this.closed) return;
    this.closed = true;
    this.refused = reason;
    for (const close of this.#closes) close(reason);
  }

  says(message: AgentMessage): void {
    if (!this.closed) this.#handler(message);
  }

  /** Reads again what it did not read. */
  readOn(): void {
    this.reads = true;
    this.#drain();
  }

  /** Lists of items in the order of their coming. */
  get lists(): readonly (readonly AssignmentItem[])[] {
    return this.sent.flatMap(({ assignments }) => (assignments ? [assignments.updates] : []));
  }
}
