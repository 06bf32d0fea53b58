// One agent's session on this manager: sends the complete set of assignments, then differences. Of the
// sets that it shares with other nodes it remembers a version, of its own items what was sent.
import type { Connection } from '../../base/index.ts';
import type { AssignmentItem, AssignmentsMessage, DispatcherMessage } from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import { SMALL_LIST } from './limits.ts';
import {
  NO_ASSIGNMENTS,
  bytesOf,
  inMessages,
  ownAssignments,
  setsFor,
  type ItemKey,
  type ItemList,
  type OwnAssignments,
  type SharedSet,
  type SharedSets,
} from './sets/index.ts';

/** What an agent says is nothing yet: the dispatcher decodes it. */
export type AgentConnection = Connection<DispatcherMessage, unknown>;

/** A shared set, and the version of it that the agent has; undefined: none yet. */
interface Followed {
  readonly set: SharedSet<AgentSession>;
  version: number | undefined;
}

interface Difference {
  readonly updates: readonly ItemList[];
  readonly removes: readonly ItemKey[];
}

/** One agent’s session: what it was sent, and what is next. */
export class AgentSession {
  readonly nodeId: string;
  readonly epoch: number;
  readonly connection: AgentConnection;
  /** The agent was not told yet what is new of the cluster. */
  infoDue = true;
  /** Questions of this agent that wait for the leader. */
  endpointDrains = 0;
  /** Bytes of statuses that wait for the leader. */
  reportBytes = 0;
  readonly #shared: SharedSets<AgentSession>;
  readonly #followed = new Map<string, Followed>();
  /** Followed no longer, and not taken back from the agent yet. */
  #left: Followed[] = [];
  #own: OwnAssignments = NO_ASSIGNMENTS;
  /** What of `#own` the agent has. */
  #sentOwn: OwnAssignments = NO_ASSIGNMENTS;
  /** The node's own items, or which sets it needs, may have changed since they were worked out. */
  #stale = true;
  #ended = false;
  /** Parts of a set that the agent did not read yet; the next set is worked out after them. */
  #parts: AssignmentsMessage[] = [];
  #writable = true;
  /** The store has changed since the last set. */
  #behind = false;
  #number = 0;
  #complete = false;
  /** Index of the newest set that was sent, and of the newest that was worked out. */
  #sentIndex = 0;
  #knownIndex = 0;
  #appliedIndex = -1;

  /** `readsOn` is called when an agent reads again that has missed something meanwhile. */
  constructor(
    nodeId: string,
    epoch: number,
    connection: AgentConnection,
    shared: SharedSets<AgentSession>,
    readsOn: (session: AgentSession) => void,
  ) {
    this.nodeId = nodeId;
    this.epoch = epoch;
    this.connection = connection;
    this.#shared = shared;
    connection.onDrain(() => {
      this.#writable = true;
      this.#sendParts();
      if (this.#behind && this.#parts.length === 0) readsOn(this);
    });
    connection.onClose(() => this.#end());
  }

  /**
   * Up to which index the host acts on the store: a set that was worked out and did not differ from
   * what the host has needs no word of it.
   */
  get covers(): number {
    return this.isCurrent ? this.#knownIndex : this.#appliedIndex;
  }

  /** Whether its own items name this revision or payload. */
  names(id: string): boolean {
    return this.#own.names.has(id);
  }

  /** What is the node's alone has changed, or which networks are for all. */
  ownChanged(): void {
    this.#stale = true;
  }

  /** Whether it has acknowledged all that it was sent. */
  get isCurrent(): boolean {
    return this.#appliedIndex >= this.#sentIndex;
  }

  /** The agent's word that it has applied the set of `index`. */
  applied(index: number): void {
    this.#appliedIndex = Math.max(this.#appliedIndex, index);
  }

  /**
   * Sends what changed since the last call (everything at the first). While the agent does not read,
   * nothing is worked out: it gets one difference to the newest state when it reads again. Gives the
   * bytes of all bodies.
   */
  sendAssignments(view: StoreView): number {
    if (this.#ended) return 0;
    this.#behind = !this.#writable || this.#parts.length > 0;
    if (this.#behind) return 0;
    if (this.#stale) this.#renew(view);
    const difference = this.#complete ? this.#difference() : undefined;
    const { updates, removes } = difference ?? this.#whole();
    this.#left = [];
    this.#sentOwn = this.#own;
    for (const followed of this.#followed.values()) followed.version = followed.set.version;
    this.#knownIndex = view.index;
    if (difference !== undefined && updates.length === 0 && removes.length === 0) return 0;
    this.#sentIndex = view.index;
    const lists = updates.length === 0 ? [[]] : updates;
    let bytes = 0;
    for (const [at, list] of lists.entries()) {
      const last = at === lists.length - 1;
      this.#number++;
      bytes += bytesOf(list);
      this.#parts.push({
        complete: difference === undefined && at === 0,
        appliesTo: this.#number - 1,
        resultsIn: this.#number,
        index: last ? view.index : 0,
        // Not copied: what many are told is encoded once.
        updates: list as AssignmentItem[],
        removes: last ? [...removes] : [],
      });
    }
    this.#complete = true;
    this.#sendParts();
    return bytes;
  }

  #renew(view: StoreView): void {
    this.#stale = false;
    this.#own = ownAssignments(view, this.nodeId);
    const names = setsFor(this.#own, this.#shared.mesh);
    for (const [name, followed] of this.#followed) {
      if (names.has(name)) continue;
      this.#followed.delete(name);
      this.#shared.unfollow(followed.set, this);
      this.#left.push(followed);
    }
    for (const name of names) {
      if (this.#followed.has(name)) continue;
      this.#followed.set(name, { set: this.#shared.follow(name, this), version: undefined });
    }
  }

  /**
   * Everything, as to an agent that has nothing: in one message if it fits, since agents of release 0.1 look
   * for what is left over from before only when a whole set comes in one.
   */
  #whole(): Difference {
    const lists = [...this.#followed.values()].flatMap(({ set }) => set.whole());
    return { updates: inMessages([...lists.flat(), ...this.#own.items.values()]), removes: [] };
  }

  /** Undefined: the agent is so far behind that it has to be told everything. */
  #difference(): Difference | undefined {
    const lists: ItemList[] = [];
    const removes: ItemKey[] = [];
    for (const { set, version } of this.#followed.values()) {
      if (version === undefined) {
        lists.push(...set.whole());
        continue;
      }
      const since = set.since(version);
      if (since === undefined) return undefined;
      lists.push(...since.updates);
      removes.push(...since.removes);
    }
    for (const { set, version } of this.#left) {
      const keys = version === undefined ? [] : set.keysAt(version);
      if (keys === undefined) return undefined;
      removes.push(...keys);
    }
    const [now, sent] = [this.#own.items, this.#sentOwn.items];
    const own: AssignmentItem[] = [];
    if (now !== sent) {
      for (const [id, item] of now) if (sent.get(id)?.body !== item.body) own.push(item);
      for (const [id, { kind, key }] of sent) if (!now.has(id)) removes.push({ kind, key });
    }
    const gone = removes.length === 0 ? removes : removes.filter((key) => !this.#has(key));
    return { updates: gathered(lists, own), removes: gone };
  }

  /** A host is in several sets, and stays for as long as one of them has it. */
  #has(key: ItemKey): boolean {
    if (key.kind !== 'host') return false;
    if (key.key === this.nodeId && this.#own.items.has(`host\n${key.key}`)) return true;
    for (const { set } of this.#followed.values()) if (set.has(key)) return true;
    return false;
  }

  #end(): void {
    this.#ended = true;
    for (const { set } of this.#followed.values()) this.#shared.unfollow(set, this);
    this.#followed.clear();
    this.#left = [];
    this.#parts = [];
  }

  #sendParts(): void {
    while (this.#writable) {
      const assignments = this.#parts.shift();
      if (assignments === undefined) return;
      this.#writable = this.connection.send({ assignments });
    }
  }
}

/** Short lists in one message with the node's own; long ones as they are, since others get them, too. */
function gathered(
  shared: readonly ItemList[],
  own: readonly AssignmentItem[],
): readonly ItemList[] {
  const filled = shared.filter((list) => list.length > 0);
  if (own.length === 0 && filled.length < 2) return filled;
  const short = filled.filter((list) => list.length <= SMALL_LIST).flat();
  const long = filled.filter((list) => list.length > SMALL_LIST);
  return [...long, ...inMessages([...short, ...own])];
}
