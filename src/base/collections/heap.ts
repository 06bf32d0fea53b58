// A binary heap: the least of many, again and again, without looking at all of them.

/** `less(a, b)`: whether `a` comes before `b`; a strict order. */
export type Less<T> = (a: T, b: T) => boolean;

export class Heap<T> {
  readonly #items: T[];
  readonly #less: Less<T>;

  /** Holds what `items` gives, and orders it at once: in time that grows with their number. */
  constructor(less: Less<T>, items: Iterable<T> = []) {
    this.#less = less;
    this.#items = [...items];
    for (let i = (this.#items.length >> 1) - 1; i >= 0; i--) this.#down(i);
  }

  get size(): number {
    return this.#items.length;
  }

  /** The least one; undefined when there is none. */
  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = items[parent];
      if (above === undefined || !this.#less(item, above)) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  /** Takes the least one out; undefined when there is none. */
  pop(): T | undefined {
    const least = this.#items[0];
    const last = this.#items.pop();
    if (last !== undefined && this.#items.length > 0) {
      this.#items[0] = last;
      this.#down(0);
    }
    return least;
  }

  /** The least one was changed in place, and may not be the least any more. */
  topChanged(): void {
    if (this.#items.length > 1) this.#down(0);
  }

  clear(): void {
    this.#items.length = 0;
  }

  #down(from: number): void {
    const items = this.#items;
    const item = items[from];
    if (item === undefined) return;
    let at = from;
    for (;;) {
      let next = 2 * at + 1;
      let child = items[next];
      if (child === undefined) break;
      const other = items[next + 1];
      if (other !== undefined && this.#less(other, child)) {
        child = other;
        next++;
      }
      if (!this.#less(child, item)) break;
      items[at] = child;
      at = next;
    }
    items[at] = item;
  }
}
