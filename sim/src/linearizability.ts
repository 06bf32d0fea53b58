// Is a history of concurrent operations on registers explained by some order in which each took
// effect at one instant between its call and its answer? Search after Wing and Gong (1993), with the
// memory of visited configurations that Lowe added (2017), one register at a time.

/** What a client asked of a register, and what it was told. Values are numbers; 0 stands for unset. */
export type RegisterOperation =
  | { readonly kind: 'write'; readonly value: number }
  | { readonly kind: 'read'; readonly value: number }
  | {
      readonly kind: 'cas';
      readonly expected: number;
      readonly value: number;
      readonly succeeded: boolean;
    };

/** One operation. */
export interface HistoryEntry {
  readonly client: string;
  readonly key: string;
  readonly operation: RegisterOperation;
  /** Instants on one clock that no two events share. */
  readonly called: number;
  /**
   * Undefined when no answer came: the operation may take effect at any time after its call, or
   * never. What such an operation says about its own result is ignored.
   */
  readonly answered: number | undefined;
}

/** A register whose history nothing explains. */
export interface Anomaly {
  readonly key: string;
  /** The first operation (by its answer) up to which no order can be found. */
  readonly entry: HistoryEntry;
  /** How many operations could be put in order at best. */
  readonly explained: number;
}

/** The history of one key could not be decided within the limit. */
export class SearchLimit extends Error {
  constructor(key: string, configurations: number) {
    super(`history of ${key} not decided after ${configurations} configurations`);
    this.name = 'SearchLimit';
  }
}

/** Configurations of one register that are looked at before the search gives up. */
const MAX_CONFIGURATIONS = 1_000_000;

/**
 * The first register (in order of its name) whose history is not linearizable; undefined if all are.
 * Throws `SearchLimit` when a history is too tangled to be decided.
 */
export function findAnomaly(history: readonly HistoryEntry[]): Anomaly | undefined {
  const byKey = new Map<string, HistoryEntry[]>();
  for (const entry of history) {
    const entries = byKey.get(entry.key);
    if (entries === undefined) byKey.set(entry.key, [entry]);
    else entries.push(entry);
  }
  for (const key of [...byKey.keys()].sort()) {
    const entries = withoutIrrelevant(byKey.get(key) ?? []);
    const outcome = new Search(key, entries).run();
    if (outcome !== undefined) return outcome;
  }
  return undefined;
}

/** The history's entries as text, one a line, in the order of their calls: for a failure's report. */
export function describeHistory(history: readonly HistoryEntry[]): string[] {
  return [...history].sort((a, b) => a.called - b.called).map(describeEntry);
}

/** E.g. `[12, 20] c1 cas(x, 3 → 7) ok`. */
export function describeEntry(entry: HistoryEntry): string {
  const { operation, answered, key } = entry;
  const span = `[${entry.called}, ${answered ?? '?'}] ${entry.client}`;
  if (operation.kind === 'write') return `${span} write(${key}, ${operation.value})`;
  if (operation.kind === 'read') return `${span} read(${key}) = ${operation.value}`;
  const result = answered === undefined ? '?' : operation.succeeded ? 'ok' : 'refused';
  return `${span} cas(${key}, ${operation.expected} → ${operation.value}) ${result}`;
}

/**
 * Leaves out what cannot decide anything: unanswered reads, and unanswered changes to a value that
 * nobody ever saw, unless a refused cas may be owed to them.
 */
function withoutIrrelevant(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const seen = new Set<number>();
  let refusals = false;
  for (const { operation } of entries) {
    if (operation.kind === 'read') seen.add(operation.value);
    if (operation.kind !== 'cas') continue;
    seen.add(operation.expected);
    if (!operation.succeeded) refusals = true;
  }
  return entries.filter(({ operation, answered }) => {
    if (answered !== undefined) return true;
    if (operation.kind === 'read') return false;
    return refusals || seen.has(operation.value);
  });
}

/** A call or an answer in the list of what is still to be explained. */
interface Node {
  readonly entry: HistoryEntry;
  readonly position: number;
  /** The answer to this call; undefined for an answer, and for a call without one. */
  answer: Node | undefined;
  readonly isCall: boolean;
  previous: Node | undefined;
  next: Node | undefined;
}

/** One step of the search: the call that was put in order, and those that may follow it. */
interface Frame {
  readonly taken: Node | undefined;
  readonly valueBefore: number;
  readonly candidates: readonly Node[];
  next: number;
}

/** One register's search: takes calls out of the list as they are put in order, and back again. */
class Search {
  readonly #key: string;
  readonly #head: Node;
  /** Calls without an answer, in the order they were made. */
  readonly #unanswered: readonly Node[];
  readonly #visited = new Set<string>();
  readonly #taken: Uint32Array;
  #answersLeft: number;
  #value = 0;

  constructor(key: string, entries: readonly HistoryEntry[]) {
    this.#key = key;
    const nodes = entries.map((entry, position) => nodeOf(entry, position, true));
    this.#head = listOf(nodes);
    this.#unanswered = nodes.filter(({ entry }) => entry.answered === undefined);
    this.#taken = new Uint32Array((entries.length + 31) >>> 5);
    this.#answersLeft = entries.length - this.#unanswered.length;
  }

  run(): Anomaly | undefined {
    const stack: Frame[] = [this.#frame(undefined, 0)];
    let explained = 0;
    let stuckAt = this.#firstAnswer()?.entry;
    while (this.#answersLeft > 0) {
      const frame = stack.at(-1);
      if (frame === undefined) {
        if (stuckAt === undefined) throw new Error('a search without answers cannot get stuck');
        return { key: this.#key, entry: stuckAt, explained };
      }
      const node = frame.candidates[frame.next++];
      if (node === undefined) {
        stack.pop();
        this.#undo(frame, stack.at(-1));
        continue;
      }
      const before = this.#value;
      if (!this.#take(node)) continue;
      stack.push(this.#frame(node, before));
      if (stack.length - 1 <= explained) continue;
      explained = stack.length - 1;
      stuckAt = this.#firstAnswer()?.entry;
    }
    return undefined;
  }

  #firstAnswer(): Node | undefined {
    let at = this.#head.next;
    while (at?.isCall === true) at = at.next;
    return at;
  }

  /** Calls that may come next: all that were made before the first answer still to be explained. */
  #frame(taken: Node | undefined, valueBefore: number): Frame {
    const pure: Node[] = [];
    const changing: Node[] = [];
    let at = this.#head.next;
    for (; at?.isCall === true; at = at.next) (mayChange(at.entry) ? changing : pure).push(at);
    const before = at?.entry.answered ?? Infinity;
    const answered = [...pure, ...changing];
    const open = this.#unanswered.filter(
      (node) => node.entry.called < before && !this.#isTaken(node),
    );
    const useful = open.filter((node) => this.#isUseful(node, answered, open));
    return { taken, valueBefore, candidates: [...answered, ...useful], next: 0 };
  }

  /**
   * An operation without an answer need not have happened. It is worth a place in the order only if
   * the next one there shows its effect: whatever merely replaces it does as well without it.
   */
  #isUseful(node: Node, answered: readonly Node[], open: readonly Node[]): boolean {
    const after = effect(node.entry, this.#value);
    if (after === undefined || after === this.#value) return false;
    const shows = ({ entry }: Node): boolean => {
      const { operation } = entry;
      if (operation.kind === 'write') return false;
      if (operation.kind === 'read') return operation.value === after;
      if (entry.answered === undefined || operation.succeeded) return operation.expected === after;
      return operation.expected === this.#value;
    };
    return answered.some(shows) || open.some((other) => other !== node && shows(other));
  }

  #isTaken({ position }: Node): boolean {
    return ((this.#taken[position >>> 5] ?? 0) & (1 << (position & 31))) !== 0;
  }

  #mark({ position }: Node): void {
    const word = position >>> 5;
    this.#taken[word] = (this.#taken[word] ?? 0) ^ (1 << (position & 31));
  }

  /** Puts a call next in the order, if its result fits and the configuration is a new one. */
  #take(node: Node): boolean {
    const next = effect(node.entry, this.#value);
    if (next === undefined) return false;
    this.#mark(node);
    const configuration = `${next}:${this.#taken.join()}`;
    if (this.#visited.has(configuration)) {
      this.#mark(node);
      return false;
    }
    if (this.#visited.size >= MAX_CONFIGURATIONS) {
      throw new SearchLimit(this.#key, MAX_CONFIGURATIONS);
    }
    this.#visited.add(configuration);
    this.#value = next;
    if (node.answer === undefined) return true;
    unlink(node);
    unlink(node.answer);
    this.#answersLeft--;
    return true;
  }

  /** Takes back what led to a frame that came to nothing. */
  #undo(frame: Frame, parent: Frame | undefined): void {
    const { taken, valueBefore } = frame;
    if (taken === undefined) return;
    this.#value = valueBefore;
    this.#mark(taken);
    if (taken.answer === undefined) return;
    relink(taken.answer);
    relink(taken);
    this.#answersLeft++;
    // What changes nothing stands in nobody's way: another choice would not have gone better.
    if (parent !== undefined && !mayChange(taken.entry)) parent.next = parent.candidates.length;
  }
}

/** The register after the operation; undefined when its answer does not fit. */
function effect({ operation, answered }: HistoryEntry, value: number): number | undefined {
  if (operation.kind === 'write') return operation.value;
  if (operation.kind === 'read') return operation.value === value ? value : undefined;
  const succeeds = operation.expected === value;
  if (answered !== undefined && succeeds !== operation.succeeded) return undefined;
  return succeeds ? operation.value : value;
}

function mayChange({ operation, answered }: HistoryEntry): boolean {
  if (operation.kind === 'read') return false;
  return operation.kind === 'write' || answered === undefined || operation.succeeded;
}

/** The list of all calls that were answered, and their answers, in the order of time. */
function listOf(calls: readonly Node[]): Node {
  const nodes: { at: number; node: Node }[] = [];
  for (const call of calls) {
    const { called, answered } = call.entry;
    if (answered === undefined) continue;
    call.answer = nodeOf(call.entry, call.position, false);
    nodes.push({ at: called, node: call }, { at: answered, node: call.answer });
  }
  nodes.sort((a, b) => a.at - b.at);
  const head = nodeOf(NOTHING, 0, false);
  let last = head;
  for (const { node } of nodes) {
    node.previous = last;
    last.next = node;
    last = node;
  }
  return head;
}

const NOTHING: HistoryEntry = {
  client: '',
  key: '',
  operation: { kind: 'read', value: 0 },
  called: 0,
  answered: undefined,
};

function nodeOf(entry: HistoryEntry, position: number, isCall: boolean): Node {
  return { entry, position, isCall, answer: undefined, previous: undefined, next: undefined };
}

function unlink(node: Node): void {
  if (node.previous !== undefined) node.previous.next = node.next;
  if (node.next !== undefined) node.next.previous = node.previous;
}

/** Undoes `unlink`; nodes come back in the reverse order of their going. */
function relink(node: Node): void {
  if (node.previous !== undefined) node.previous.next = node;
  if (node.next !== undefined) node.next.previous = node;
}
