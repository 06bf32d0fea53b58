// The agent's copy of its assignments: replaced by a complete message, changed by a difference. Maps
// are replaced, never changed, so that whoever holds one sees one moment, and an unchanged kind keeps
// its object.
import { SwarmError } from '../base/index.ts';
import type { AssignmentKind, AssignmentTables, AssignmentsMessage } from '../model/index.ts';

const KINDS: readonly AssignmentKind[] = [
  'task',
  'revision',
  'network',
  'host',
  'serviceEndpoint',
  'taskEndpoint',
  'payload',
];

type Mutable = Record<AssignmentKind, Map<string, unknown>>;

export function emptyTables(): AssignmentTables {
  return fromMutable(newMutable());
}

/** Collects the parts of one set and says when it is whole. */
export class AssignmentReceiver {
  #tables: AssignmentTables;
  #number = 0;
  #staged: Mutable | undefined;

  constructor(tables: AssignmentTables) {
    this.#tables = tables;
  }

  /** Forgets numbers, not content: a new session begins with a complete set. */
  newSession(): void {
    this.#number = 0;
    this.#staged = undefined;
  }

  /**
   * Takes one message; gives the new tables once the last part has come (`index` > 0). Raises
   * `outOfSequence` for a difference to a set that we don't have: the session must begin anew.
   */
  receive(message: AssignmentsMessage): AssignmentTables | undefined {
    if (!message.complete && message.appliesTo !== this.#number) {
      throw new SwarmError(
        'outOfSequence',
        `assignments apply to set ${message.appliesTo}, this agent has ${this.#number}`,
      );
    }
    if (message.complete) this.#staged = newMutable();
    const staged = (this.#staged ??= copyOf(this.#tables));
    for (const { kind, key, body } of message.updates) {
      if (isKind(kind)) staged[kind].set(key, JSON.parse(body));
    }
    for (const { kind, key } of message.removes) if (isKind(kind)) staged[kind].delete(key);
    this.#number = message.resultsIn;
    if (message.index === 0) return undefined;
    this.#tables = keepUnchanged(this.#tables, staged);
    this.#staged = undefined;
    return this.#tables;
  }
}

/** Tables from what was stored. */
export function tablesFrom(
  stored: Partial<Record<AssignmentKind, readonly (readonly [string, unknown])[]>>,
): AssignmentTables {
  const tables = newMutable();
  for (const kind of KINDS)
    for (const [key, value] of stored[kind] ?? []) tables[kind].set(key, value);
  return fromMutable(tables);
}

function isKind(kind: string): kind is AssignmentKind {
  return (KINDS as readonly string[]).includes(kind);
}

function newMutable(): Mutable {
  return {
    task: new Map(),
    revision: new Map(),
    network: new Map(),
    host: new Map(),
    serviceEndpoint: new Map(),
    taskEndpoint: new Map(),
    payload: new Map(),
  };
}

function copyOf(tables: AssignmentTables): Mutable {
  const copy = newMutable();
  for (const kind of KINDS) copy[kind] = new Map<string, unknown>(tables[kind]);
  return copy;
}

function fromMutable(tables: Mutable): AssignmentTables {
  return tables as unknown as AssignmentTables;
}

/** A kind without a change keeps its old map, so that `===` tells its readers. */
function keepUnchanged(before: AssignmentTables, staged: Mutable): AssignmentTables {
  const result: Mutable = { ...staged };
  for (const kind of KINDS) {
    const old = before[kind] as ReadonlyMap<string, unknown>;
    const next = staged[kind];
    if (old.size !== next.size) continue;
    let same = true;
    for (const [key, value] of next) {
      const known = old.get(key);
      if (known === value) continue;
      if (JSON.stringify(known) !== JSON.stringify(value)) {
        same = false;
        break;
      }
    }
    if (same) result[kind] = old as Map<string, unknown>;
  }
  return fromMutable(result);
}
