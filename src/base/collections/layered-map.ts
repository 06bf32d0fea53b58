// A map that is never changed, made from another one by a few changes: the large part is shared, so a
// change of one entry among ten thousand costs one entry, and what two of them differ in is known without
// a look at the rest.

const REMOVED = Symbol('removed');

/** Changes on top of the shared part before a new one is made. */
const MAX_CHANGES = 256;

export class LayeredMap<V> implements ReadonlyMap<string, V> {
  readonly #base: ReadonlyMap<string, V>;
  readonly #changes: ReadonlyMap<string, V | typeof REMOVED>;
  readonly size: number;

  private constructor(
    base: ReadonlyMap<string, V>,
    changes: ReadonlyMap<string, V | typeof REMOVED>,
    size: number,
  ) {
    this.#base = base;
    this.#changes = changes;
    this.size = size;
  }

  /** The map itself if it is one of these; a plain map must not be changed afterwards. */
  static of<V>(map: ReadonlyMap<string, V>): LayeredMap<V> {
    return map instanceof LayeredMap
      ? (map as LayeredMap<V>)
      : new LayeredMap(map, new Map<string, V | typeof REMOVED>(), map.size);
  }

  /** The same with some entries set and others removed; `this` when nothing differs. */
  with(set: Iterable<readonly [string, V]>, removed: Iterable<string> = []): LayeredMap<V> {
    const changes = new Map(this.#changes);
    let { size } = this;
    let same = true;
    const change = (key: string, value: V | typeof REMOVED): void => {
      const known = changes.has(key) ? changes.get(key) : this.#inBase(key);
      if (known === value) return;
      same = false;
      size += (value === REMOVED ? 0 : 1) - (known === REMOVED ? 0 : 1);
      changes.set(key, value);
    };
    for (const key of removed) change(key, REMOVED);
    for (const [key, value] of set) change(key, value);
    if (same) return this;
    const next = new LayeredMap(this.#base, changes, size);
    return changes.size > MAX_CHANGES ? LayeredMap.of(new Map(next)) : next;
  }

  get(key: string): V | undefined {
    const changed = this.#changes.get(key);
    if (changed === undefined && !this.#changes.has(key)) return this.#base.get(key);
    return changed === REMOVED ? undefined : changed;
  }

  has(key: string): boolean {
    const changed = this.#changes.get(key);
    if (changed === undefined && !this.#changes.has(key)) return this.#base.has(key);
    return changed !== REMOVED;
  }

  *entries(): MapIterator<[string, V]> {
    for (const entry of this.#base) {
      const changed = this.#changes.get(entry[0]);
      if (changed === undefined && !this.#changes.has(entry[0])) yield entry;
      else if (changed !== REMOVED && changed !== undefined) yield [entry[0], changed];
    }
    for (const [key, value] of this.#changes) {
      if (value !== REMOVED && !this.#base.has(key)) yield [key, value];
    }
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[string, V]> {
    return this.entries();
  }

  forEach(callback: (value: V, key: string, map: ReadonlyMap<string, V>) => void): void {
    for (const [key, value] of this.entries()) callback(value, key, this);
  }

  /** Keys that may differ from `other`; undefined when the two share nothing. */
  keysApart(other: LayeredMap<V>): Set<string> | undefined {
    if (this.#base !== other.#base) return undefined;
    return new Set([...this.#changes.keys(), ...other.#changes.keys()]);
  }

  #inBase(key: string): V | typeof REMOVED {
    const value = this.#base.get(key);
    return value === undefined && !this.#base.has(key) ? REMOVED : (value as V);
  }
}

/** One entry that differs; undefined: it is not there. */
export interface MapChange<V> {
  readonly key: string;
  readonly before: V | undefined;
  readonly after: V | undefined;
}

/** What differs, by identity of the values; quick for maps that were made from one another. */
export function mapChanges<V>(
  before: ReadonlyMap<string, V>,
  after: ReadonlyMap<string, V>,
): MapChange<V>[] {
  if (before === after) return [];
  const shared =
    before instanceof LayeredMap && after instanceof LayeredMap
      ? (before as LayeredMap<V>).keysApart(after as LayeredMap<V>)
      : undefined;
  const changes: MapChange<V>[] = [];
  const compare = (key: string): void => {
    const [old, now] = [before.get(key), after.get(key)];
    if (old !== now) changes.push({ key, before: old, after: now });
  };
  if (shared !== undefined) {
    for (const key of shared) compare(key);
    return changes;
  }
  for (const key of before.keys()) if (!after.has(key)) compare(key);
  for (const [key, value] of after) {
    const old = before.get(key);
    if (old !== value) changes.push({ key, before: old, after: value });
  }
  return changes;
}
