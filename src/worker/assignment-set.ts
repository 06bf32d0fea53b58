// The agent's copy of its assignments: replaced by a complete message, changed by a difference. Maps
// are replaced, never changed, so that whoever holds one sees one moment, and an unchanged kind keeps
// its object; a difference costs what it changes, not what there is.
import { LayeredMap, SwarmError, decoder, messageOf, type Decoder } from '../base/index.ts';
import {
  ASSIGNMENT_KINDS,
  checkedAssignment,
  type AssignmentKind,
  type AssignmentKinds,
  type AssignmentTables,
  type AssignmentsMessage,
} from '../model/index.ts';

const KINDS: readonly AssignmentKind[] = [
  'task',
  'revision',
  'network',
  'host',
  'serviceEndpoint',
  'taskEndpoint',
  'payload',
];

const DECODERS: { readonly [K in AssignmentKind]: Decoder<AssignmentKinds[K]> } = {
  task: decoder(ASSIGNMENT_KINDS.task, 'task'),
  revision: decoder(ASSIGNMENT_KINDS.revision, 'revision'),
  network: decoder(ASSIGNMENT_KINDS.network, 'network'),
  host: decoder(ASSIGNMENT_KINDS.host, 'host'),
  serviceEndpoint: decoder(ASSIGNMENT_KINDS.serviceEndpoint, 'endpoint of a service'),
  taskEndpoint: decoder(ASSIGNMENT_KINDS.taskEndpoint, 'endpoint of a task'),
  payload: decoder(ASSIGNMENT_KINDS.payload, 'payload'),
};

function checked<K extends AssignmentKind>(kind: K, item: AssignmentKinds[K]): AssignmentKinds[K] {
  return checkedAssignment(kind, item);
}

/** Changes of one kind, collected over the parts of a set. */
interface Staged {
  readonly set: Map<string, unknown>;
  readonly removed: Set<string>;
}

export function emptyTables(): AssignmentTables {
  return tablesFrom({}, () => {});
}

/** Collects the parts of one set and says when it is whole. */
export class AssignmentReceiver {
  #tables: AssignmentTables;
  #number = 0;
  #staged: { readonly complete: boolean; readonly kinds: Map<AssignmentKind, Staged> } | undefined;

  readonly #onProblem: (problem: string) => void;

  /** `onProblem` hears of items that do not fit; the others of their set count all the same. */
  constructor(tables: AssignmentTables, onProblem: (problem: string) => void) {
    this.#tables = tables;
    this.#onProblem = onProblem;
  }

  /** Forgets numbers, not content: a new session begins with a complete set. */
  newSession(): void {
    this.#number = 0;
    this.#staged = undefined;
  }

  /**
   * Takes one message; gives the new tables once the last part has come (`index` > 0), and whether they
   * are a whole set that was sent, in however many parts. Raises `outOfSequence` for a difference to a set
   * that we don't have: the session must begin anew.
   */
  receive(
    message: AssignmentsMessage,
  ): { readonly tables: AssignmentTables; readonly complete: boolean } | undefined {
    if (!message.complete && message.appliesTo !== this.#number) {
      throw new SwarmError(
        'outOfSequence',
        `assignments apply to set ${message.appliesTo}, this agent has ${this.#number}`,
      );
    }
    if (message.complete) this.#staged = { complete: true, kinds: new Map() };
    const staged = (this.#staged ??= { complete: false, kinds: new Map() });
    for (const { kind, key, body } of message.updates) {
      if (isKind(kind)) this.#stage(stage(staged.kinds, kind), kind, key, body);
    }
    for (const { kind, key } of message.removes) {
      if (!isKind(kind)) continue;
      stage(staged.kinds, kind).set.delete(key);
      stage(staged.kinds, kind).removed.add(key);
    }
    this.#number = message.resultsIn;
    if (message.index === 0) return undefined;
    this.#tables = changedTables(this.#tables, staged.kinds, staged.complete);
    this.#staged = undefined;
    return { tables: this.#tables, complete: staged.complete };
  }

  /** What does not fit is as if it had been removed: the old body is not true any more. */
  #stage(staged: Staged, kind: AssignmentKind, key: string, body: string): void {
    try {
      staged.set.set(key, checked(kind, DECODERS[kind].json(body)));
    } catch (error) {
      this.#onProblem(`${kind} ${key}: ${messageOf(error)}`);
      staged.set.delete(key);
      staged.removed.add(key);
    }
  }
}

/** Tables from what was stored; `onProblem` hears of items that do not fit, which are left out. */
export function tablesFrom(
  stored: Partial<Record<AssignmentKind, readonly (readonly [string, unknown])[]>>,
  onProblem: (problem: string) => void,
): AssignmentTables {
  const sound = (kind: AssignmentKind): Map<string, unknown> => {
    const items = new Map<string, unknown>();
    for (const [key, value] of stored[kind] ?? []) {
      try {
        items.set(key, checked(kind, DECODERS[kind](value)));
      } catch (error) {
        onProblem(`${kind} ${key}: ${messageOf(error)}`);
      }
    }
    return items;
  };
  const tables = Object.fromEntries(KINDS.map((kind) => [kind, LayeredMap.of(sound(kind))]));
  return tables as unknown as AssignmentTables;
}

function isKind(kind: string): kind is AssignmentKind {
  return (KINDS as readonly string[]).includes(kind);
}

function stage(kinds: Map<AssignmentKind, Staged>, kind: AssignmentKind): Staged {
  const known = kinds.get(kind);
  if (known !== undefined) return known;
  const made = { set: new Map<string, unknown>(), removed: new Set<string>() };
  kinds.set(kind, made);
  return made;
}

/**
 * What says the same keeps its object, and a kind without a change its map, so that `===` tells their
 * readers. In a `complete` set only what is in it is left.
 */
function changedTables(
  before: AssignmentTables,
  kinds: ReadonlyMap<AssignmentKind, Staged>,
  complete: boolean,
): AssignmentTables {
  const entries = KINDS.map((kind): [AssignmentKind, ReadonlyMap<string, unknown>] => {
    const old = LayeredMap.of<unknown>(before[kind]);
    const { set = new Map<string, unknown>(), removed = new Set<string>() } = kinds.get(kind) ?? {};
    const gone = complete ? [...old.keys()].filter((key) => !set.has(key)) : removed;
    const changed = [...set].filter(([key, value]) => !saysTheSame(old.get(key), value));
    return [
      kind,
      old.with(
        changed,
        [...gone].filter((key) => !set.has(key)),
      ),
    ];
  });
  return Object.fromEntries(entries) as unknown as AssignmentTables;
}

function saysTheSame(known: unknown, value: unknown): boolean {
  return known !== undefined && JSON.stringify(known) === JSON.stringify(value);
}
