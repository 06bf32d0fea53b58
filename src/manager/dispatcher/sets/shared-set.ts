// A set of items that many sessions are told alike, with a list of its changes: what a session has is a
// version, and all that have the same one share one difference. Its arrays are never changed once they
// were given out, so that whoever encodes them for the wire may do so once.
import type { AssignmentItem } from '../../../model/index.ts';
import type { ItemSet } from './assignments.ts';
import { itemId } from './assignment-items.ts';
import { CHANGES_KEPT_MIN, ITEMS_PER_MESSAGE, ITEM_BYTES_PER_MESSAGE } from './limits.ts';

/** Items of one message. */
export type ItemList = readonly AssignmentItem[];
/** Names an item of a set. */
export type ItemKey = Pick<AssignmentItem, 'kind' | 'key'>;

/** What leads from one version to another. */
export interface SetDifference {
  readonly updates: readonly ItemList[];
  readonly removes: readonly ItemKey[];
}

const NO_DIFFERENCE: SetDifference = { updates: [], removes: [] };

interface Change {
  readonly id: string;
  readonly before: AssignmentItem | undefined;
}

/** A versioned set of items that many sessions are told alike. */
export class SharedSet<Follower> {
  readonly name: string;
  /** Who is to hear of changes. */
  readonly followers = new Set<Follower>();
  readonly #items = new Map<string, AssignmentItem>();
  /** The newest changes, in order, and the version before the first of them. */
  #changes: Change[] = [];
  #first = 0;
  /** Of the present version. */
  #whole: readonly ItemList[] | undefined;
  readonly #differences = new Map<number, SetDifference>();

  constructor(name: string, items: ItemSet) {
    this.name = name;
    for (const [id, item] of items) this.#items.set(id, item);
  }

  get version(): number {
    return this.#first + this.#changes.length;
  }

  get size(): number {
    return this.#items.size;
  }

  has(key: ItemKey): boolean {
    return this.#items.has(itemId(key));
  }

  /** Puts an item in or replaces it; false when it says what is known. */
  put(item: AssignmentItem): boolean {
    const id = itemId(item);
    const before = this.#items.get(id);
    if (before === item || before?.body === item.body) return false;
    this.#items.set(id, item);
    this.#changed(id, before);
    return true;
  }

  /** False when it is not there. */
  remove(key: ItemKey): boolean {
    const id = itemId(key);
    const before = this.#items.get(id);
    if (before === undefined) return false;
    this.#items.delete(id);
    this.#changed(id, before);
    return true;
  }

  /** Becomes `items`; false when it is that already. */
  replace(items: ItemSet): boolean {
    const { version } = this;
    for (const [id, item] of this.#items) if (!items.has(id)) this.remove(item);
    for (const item of items.values()) this.put(item);
    return this.version !== version;
  }

  /** All of it, in lists that fit a message each. */
  whole(): readonly ItemList[] {
    return (this.#whole ??= inMessages(this.#items.values()));
  }

  /** What differs since `version`; undefined: that is too long ago, the whole set has to be told. */
  since(version: number): SetDifference | undefined {
    if (version === this.version) return NO_DIFFERENCE;
    const known = this.#differences.get(version);
    if (known !== undefined) return known;
    const firsts = this.#firstsSince(version);
    if (firsts === undefined) return undefined;
    const updates: AssignmentItem[] = [];
    const removes: ItemKey[] = [];
    for (const [id, before] of firsts) {
      const after = this.#items.get(id);
      if (after !== undefined && after.body !== before?.body) updates.push(after);
      else if (after === undefined && before !== undefined) removes.push(keyOf(before));
    }
    const made = { updates: inMessages(updates), removes };
    this.#differences.set(version, made);
    return made;
  }

  /** What was in it at `version`; undefined: that is too long ago to be known. */
  keysAt(version: number): ItemKey[] | undefined {
    const firsts = this.#firstsSince(version);
    if (firsts === undefined) return undefined;
    const keys: ItemKey[] = [];
    for (const [id, item] of this.#items) if (!firsts.has(id)) keys.push(keyOf(item));
    for (const before of firsts.values()) if (before !== undefined) keys.push(keyOf(before));
    return keys;
  }

  /** What each item that has changed since was at `version`. */
  #firstsSince(version: number): Map<string, AssignmentItem | undefined> | undefined {
    if (version < this.#first) return undefined;
    const firsts = new Map<string, AssignmentItem | undefined>();
    for (let at = version - this.#first; at < this.#changes.length; at++) {
      const change = this.#changes[at];
      if (change !== undefined && !firsts.has(change.id)) firsts.set(change.id, change.before);
    }
    return firsts;
  }

  #changed(id: string, before: AssignmentItem | undefined): void {
    this.#whole = undefined;
    this.#differences.clear();
    this.#changes.push({ id, before });
    const most = Math.max(CHANGES_KEPT_MIN, 2 * this.#items.size);
    if (this.#changes.length <= most) return;
    // The older half: who is that far behind gets the whole set, which is not much more.
    const dropped = this.#changes.length >> 1;
    this.#changes = this.#changes.slice(dropped);
    this.#first += dropped;
  }
}

function keyOf({ kind, key }: AssignmentItem): ItemKey {
  return { kind, key };
}

/** Of lists that many are told: worked out once. */
const listBytes = new WeakMap<ItemList, number>();

/** Bytes of the bodies, about. */
export function bytesOf(list: ItemList): number {
  let bytes = listBytes.get(list);
  if (bytes === undefined) {
    bytes = list.reduce((sum, { body }) => sum + body.length, 0);
    listBytes.set(list, bytes);
  }
  return bytes;
}

/** Items in lists of a size that the wire takes; none for no items. */
export function inMessages(items: Iterable<AssignmentItem>): readonly ItemList[] {
  const lists: AssignmentItem[][] = [];
  let list: AssignmentItem[] | undefined;
  let bytes = 0;
  for (const item of items) {
    const size = item.body.length;
    const full = (list?.length ?? 0) >= ITEMS_PER_MESSAGE || bytes + size > ITEM_BYTES_PER_MESSAGE;
    if (list === undefined || full) {
      lists.push((list = []));
      bytes = 0;
    }
    list.push(item);
    bytes += size;
  }
  return lists;
}
