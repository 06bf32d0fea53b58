// Reads the documents behind an image (index, manifest, configuration) from the content store and
// keeps the latest ones in memory: they never change under their digest.
import { SwarmError } from '../../base/index.ts';
import {
  MAX_DOCUMENT_BYTES,
  chainIds,
  choosePlatform,
  isIndex,
  mediaTypeOf,
  parseImageFile,
  parseIndex,
  parseManifest,
  type Descriptor,
  type ImageFile,
  type Platform,
} from './manifest.ts';
import type { ImageBackend } from './ports.ts';

/** How many images' documents are kept in memory. */
const CACHED_IMAGES = 256;

export interface Documents {
  /** Digest of the configuration. */
  readonly id: string;
  readonly manifest: Descriptor;
  readonly file: ImageFile;
  /** Compressed layers, lowest first. */
  readonly layers: readonly Descriptor[];
  /** Snapshots of the layers, lowest first. */
  readonly chain: readonly string[];
  /** Bytes of all blobs. */
  readonly size: number;
}

export class DocumentReader {
  readonly #backend: ImageBackend;
  readonly #platform: Platform;
  readonly #cache = new Map<string, Documents>();

  constructor(backend: ImageBackend, platform: Platform) {
    this.#backend = backend;
    this.#platform = platform;
  }

  /** What is behind a manifest or index; `notFound` or `dataLoss` when it can't be read. */
  async read(target: Descriptor): Promise<Documents> {
    const cached = this.#cache.get(target.digest);
    if (cached !== undefined) return cached;
    const documents = await this.readManifest(await this.#manifestOf(target));
    const oldest = this.#cache.keys().next();
    if (this.#cache.size >= CACHED_IMAGES && oldest.done !== true) this.#cache.delete(oldest.value);
    this.#cache.set(target.digest, documents);
    return documents;
  }

  /** The same for one manifest, uncached. */
  async readManifest(manifest: Descriptor): Promise<Documents> {
    const { config, layers } = parseManifest(await this.#document(manifest));
    const file = parseImageFile(await this.#document(config));
    const diffIds = file.rootfs.diff_ids;
    if (diffIds.length !== layers.length) {
      throw new SwarmError('dataLoss', `damaged image ${manifest.digest}: layers do not match`);
    }
    const chain = chainIds(diffIds, (text) => this.#backend.sha256(text));
    const size = layers.reduce((sum, layer) => sum + layer.size, config.size + manifest.size);
    return { id: config.digest, manifest, file, layers, chain, size };
  }

  forget(target: Descriptor): void {
    this.#cache.delete(target.digest);
  }

  /** The manifest for this host, or for whichever platform was fetched. */
  async #manifestOf(target: Descriptor): Promise<Descriptor> {
    const bytes = await this.#document(target);
    if (!isIndex(mediaTypeOf(bytes, target.mediaType))) return target;
    const present: Descriptor[] = [];
    for (const entry of parseIndex(bytes)) {
      if ((await this.#backend.blobSize(entry.digest)) !== undefined) present.push(entry);
    }
    const chosen = choosePlatform(present, this.#platform) ?? present[0];
    if (chosen === undefined) {
      throw new SwarmError('notFound', `no manifest of ${target.digest} is on this host`);
    }
    return chosen;
  }

  #document(descriptor: Descriptor): Promise<Uint8Array> {
    return this.#backend.readBlob(descriptor.digest, MAX_DOCUMENT_BYTES);
  }
}
