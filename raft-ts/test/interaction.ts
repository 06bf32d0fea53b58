// The world of the interaction scripts: members in memory, messages on their way, and the output of
// the current command.
import {
  decodeConfChange,
  describeMessage,
  describeReady,
  LOCAL_APPEND_THREAD,
  MemoryStorage,
  RaftError,
  RawNode,
  type Entry,
  type HardState,
  type Message,
  type MessageType,
  type RaftOptions,
  type Ready,
  type Snapshot,
} from '../src/index.ts';

/** A member with its storage, its state machine's snapshots, and the work of its local threads. */
export interface ScriptMember {
  readonly id: number;
  readonly node: RawNode;
  readonly storage: MemoryStorage;
  readonly async: boolean;
  /** The state machine after every applied entry; the last one is what it can be restored from. */
  readonly history: Snapshot[];
  readonly appendWork: Message[];
  readonly applyWork: Message[];
}

/** Storage whose snapshot is always the state machine's newest. */
class LatestSnapshotStorage extends MemoryStorage {
  latest: (() => Snapshot | undefined) | undefined;

  override snapshot(): Snapshot | undefined {
    return this.latest === undefined ? super.snapshot() : this.latest();
  }
}

/** All members and messages of one script. */
export class Interaction {
  readonly members: ScriptMember[] = [];
  messages: Message[] = [];
  /** With level `none` a command shows nothing, whatever it does. */
  quiet = false;
  #output: string[] = [];
  #indent = '';

  member(id: number): ScriptMember {
    const member = this.members[id - 1];
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  addMember(options: Omit<RaftOptions, 'id' | 'storage'>, snapshot: Snapshot): void {
    const id = this.members.length + 1;
    const storage = new LatestSnapshotStorage();
    const history = [snapshot];
    if (snapshot.index > 0) storage.applySnapshot(snapshot);
    storage.latest = () => history.at(-1);
    const node = new RawNode({ ...options, id, storage, applied: snapshot.index });
    const async = options.asyncStorageWrites === true;
    this.members.push({ id, node, storage, async, history, appendWork: [], applyWork: [] });
  }

  print(text: string): void {
    if (this.quiet) return;
    for (const line of text.split('\n')) this.#output.push(this.#indent + line);
  }

  /** For what is wrong with a command: shown even when nothing else is. */
  printAlways(text: string): void {
    this.#output.push(text);
  }

  withIndent(body: () => void): void {
    const before = this.#indent;
    this.#indent += '  ';
    try {
      body();
    } finally {
      this.#indent = before;
    }
  }

  takeOutput(): string {
    const output = this.#output.length === 0 ? 'ok' : this.#output.join('\n');
    this.#output = [];
    return output;
  }

  /** Does what `ready` says, at once or by giving work to the local threads. */
  processReady(member: ScriptMember): void {
    const ready = member.node.ready();
    this.print(describeReady(ready));
    if (!member.async) this.#processSynchronously(member, ready);
    for (const message of ready.messages) {
      if (message.to >= 0) this.messages.push(message);
      else if (message.to === LOCAL_APPEND_THREAD) member.appendWork.push(message);
      else member.applyWork.push(message);
    }
    if (!member.async) member.node.advance();
  }

  #processSynchronously(member: ScriptMember, ready: Ready): void {
    append(member, ready.hardState, ready.entries, ready.snapshot);
    apply(member, ready.committedEntries);
  }

  processAppendWork(member: ScriptMember): void {
    const message = member.appendWork.shift();
    if (message === undefined) {
      this.print('no append work to perform');
      return;
    }
    const hardState = message.term === 0 ? undefined : message;
    append(member, hardState, message.entries, message.snapshot);
    this.#respond(message);
  }

  processApplyWork(member: ScriptMember): void {
    const message = member.applyWork.shift();
    if (message === undefined) {
      this.print('no apply work to perform');
      return;
    }
    apply(member, message.entries);
    this.#respond(message);
  }

  #respond(work: Message): void {
    this.print(`Processing:\n${describeMessage({ ...work, responses: [] })}\nResponses:`);
    for (const response of work.responses) {
      this.print(describeMessage(response));
      this.messages.push(response);
    }
  }

  /** True when messages for this member are on their way. */
  hasMessagesFor(id: number): boolean {
    return this.messages.some((message) => message.to === id);
  }

  /** Delivers or drops what is on its way to a member now; returns how many messages that was. */
  deliver(id: number, options: { drop?: boolean; type?: MessageType } = {}): number {
    const drop = options.drop === true;
    const wanted = (message: Message): boolean =>
      message.to === id &&
      (options.type === undefined || message.type === options.type) &&
      // What a member tells itself cannot be lost.
      !(drop && (message.from === message.to || message.from < 0));
    const taken = this.messages.filter(wanted);
    this.messages = this.messages.filter((message) => !wanted(message));
    for (const message of taken) {
      this.print(`${drop ? 'dropped: ' : ''}${describeMessage(message)}`);
      if (drop) continue;
      const refusal = refusalOf(() => this.member(id).node.step(message));
      if (refusal !== undefined) this.print(refusal);
    }
    return taken.length;
  }

  /** Shows a refusal of what the script itself wants instead of failing. */
  attempt(body: () => void): void {
    const refusal = refusalOf(body);
    if (refusal !== undefined) this.printAlways(refusal);
  }
}

function refusalOf(body: () => void): string | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    if (!(error instanceof RaftError)) throw error;
    return error.message;
  }
}

function append(
  member: ScriptMember,
  hardState: HardState | undefined,
  entries: readonly Entry[],
  snapshot: Snapshot | undefined,
): void {
  const { storage } = member;
  if (hardState !== undefined) {
    const { term, vote, commit } = hardState;
    storage.setHardState({ term, vote, commit });
  }
  if (snapshot !== undefined) {
    storage.applySnapshot(snapshot);
    member.history.push(snapshot);
  }
  storage.append(entries);
}

/** The state machine of the scripts: all payloads one after another. */
function apply(member: ScriptMember, entries: readonly Entry[]): void {
  for (const entry of entries) {
    const last = member.history.at(-1);
    if (last === undefined) throw new Error('a member without history');
    const change = entry.type === 'normal' ? undefined : decodeConfChange(entry);
    const payload = change === undefined ? entry.data : change.context;
    member.history.push({
      index: entry.index,
      term: entry.term,
      confState: change === undefined ? last.confState : member.node.applyConfChange(change),
      data: payload.length === 0 ? last.data : joined(last.data, payload),
    });
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

/** The state that members start from; undefined for one that says something at too low an index. */
export function startingSnapshot(
  index: number,
  voters: readonly number[],
  learners: readonly number[],
  content: Uint8Array,
): Snapshot | undefined {
  const isEmpty = index === 0 && voters.length + learners.length + content.length === 0;
  if (!isEmpty && index <= 1) return undefined;
  return {
    index,
    term: isEmpty ? 0 : 1,
    confState: { voters, learners, votersOutgoing: [], learnersNext: [], autoLeave: false },
    data: content,
  };
}
