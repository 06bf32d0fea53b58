// A map whose frozen views cost nothing: entries live in chunks, a view shares all of them, and a
// later write copies only the chunk it touches. This is what lets a snapshot stream out slowly while
// the store goes on.

const CHUNKS = 1024;

interface Chunk<V> {
  entries: Map<string, V>;
  /** Generation that may write in place; older generations are shared with a view. */
  generation: number;
}

function chunkOf(key: string): number {
  let hash = 2166136261;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 16777619);
  return (hash >>> 0) % CHUNKS;
}

export class ChunkedMap<V> {
  /** By number; only those that ever held something, so that walking a small table is cheap. */
  readonly #chunks = new Map<number, Chunk<V>>();
  #generation = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    return this.#chunks.get(chunkOf(key))?.entries.get(key);
  }

  set(key: string, value: V): void {
    const chunk = this.#writable(chunkOf(key));
    if (!chunk.entries.has(key)) this.#size++;
    chunk.entries.set(key, value);
  }

  delete(key: string): void {
    if (this.get(key) === undefined) return;
    this.#writable(chunkOf(key)).entries.delete(key);
    this.#size--;
  }

  *values(): Generator<V> {
    for (const chunk of this.#chunks.values()) yield* chunk.entries.values();
  }

  /** The content as it is now; later writes to this map don't show in it. Costs one array copy. */
  freeze(): Iterable<V> {
    const chunks = [...this.#chunks.values()];
    this.#generation++;
    return {
      *[Symbol.iterator]() {
        for (const chunk of chunks) yield* chunk.entries.values();
      },
    };
  }

  #writable(index: number): Chunk<V> {
    let chunk = this.#chunks.get(index);
    if (chunk === undefined || chunk.generation !== this.#generation) {
      chunk = { entries: new Map(chunk?.entries), generation: this.#generation };
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }
}
