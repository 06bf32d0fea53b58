// The images of one host: pulled from registries or loaded from archives into the content store,
// unpacked into snapshots, named, listed and removed. An image's id is the digest of its
// configuration, as in Docker.
import { SwarmError, messageOf, type Clock, type Logger, type Random } from '../../base/index.ts';
import { KeyedOnce, unlessAborted } from '../../base/async/index.ts';
import { loadArchive } from './archive.ts';
import { DocumentReader } from './documents.ts';
import {
  isIndex,
  parseImageFile,
  parseIndex,
  parseManifest,
  type Descriptor,
  type ImageFile,
  type Platform,
} from './manifest.ts';
import type { ImageBackend, ImageRecord } from './ports.ts';
import { pullImage, type PullOptions } from './pull.ts';
import {
  canonicalName,
  familiarName,
  familiarRepository,
  isDigest,
  parseReference,
  tryParse,
  type ImageReference,
} from './reference.ts';
import type { RegistryClient } from './registry-client.ts';

/** Label of records whose image came from that registry (only those have repository digests). */
export const PULLED_LABEL = 'tsswarm.pulled';

/** What a name stands for on this host. */
export interface Image {
  /** Digest of the configuration. */
  readonly id: string;
  /** The manifest or index that the name points to. */
  readonly target: Descriptor;
  readonly manifest: Descriptor;
  readonly file: ImageFile;
  /** Compressed layers, lowest first. */
  readonly layers: readonly Descriptor[];
  /** Snapshot of the whole file system; '' for an image without layers. */
  readonly chainId: string;
  /** Bytes of all blobs. */
  readonly size: number;
  /** As Docker shows them: "nginx:latest". */
  readonly repoTags: readonly string[];
  /** As Docker shows them: "nginx@sha256:…". */
  readonly repoDigests: readonly string[];
  /** When the first of its names was given, milliseconds since 1970. */
  readonly taggedAt: number;
}

export interface LoadedImage {
  readonly id: string;
  /** As Docker shows them; empty for an image without a name. */
  readonly names: readonly string[];
}

export interface RemovedImage {
  readonly untagged?: string;
  readonly deleted?: string;
}

/** For `GET /distribution/{name}/json`. */
export interface DistributionInfo {
  readonly descriptor: Descriptor;
  readonly platforms: readonly Platform[];
}

export interface ImageStore {
  /**
   * Fetches an image and unpacks it; calls for one name and platform at one time share the work.
   */
  pull(reference: string, options?: PullOptions): Promise<Image>;
  load(archive: AsyncIterable<Uint8Array>): Promise<readonly LoadedImage[]>;
  list(): Promise<readonly Image[]>;
  /** By name, id or prefix of an id; throws `notFound` "No such image: …". */
  inspect(reference: string): Promise<Image>;
  /** Like `inspect`, but undefined when there is none. */
  resolve(reference: string): Promise<Image | undefined>;
  tag(source: string, target: string): Promise<void>;
  remove(reference: string, options?: { force?: boolean }): Promise<readonly RemovedImage[]>;
  /** Asks the registry what a name stands for now, without fetching it. `auth`: X-Registry-Auth. */
  resolveDigest(reference: string, auth?: string): Promise<DistributionInfo>;
  /** Makes sure that the snapshots of an image exist (they are made again if they were lost). */
  unpack(image: Image): Promise<void>;
}

export interface ImageStoreOptions {
  readonly backend: ImageBackend;
  readonly registry: RegistryClient;
  readonly platform: Platform;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
  /** Id of a container that uses the image, if there is one: it can't be removed then. */
  readonly userOf: (imageId: string) => Promise<string | undefined>;
}

/** The store over its ports; holds no state that is not in the backend, except a cache. */
export function createImageStore(options: ImageStoreOptions): ImageStore {
  return new ContentImageStore(options);
}

class ContentImageStore implements ImageStore {
  readonly #options: ImageStoreOptions;
  readonly #backend: ImageBackend;
  readonly #documents: DocumentReader;
  readonly #pulls = new KeyedOnce<Image>();
  readonly #layers = new KeyedOnce<void>();
  readonly #downloads = new KeyedOnce<void>();

  constructor(options: ImageStoreOptions) {
    this.#options = options;
    this.#backend = options.backend;
    this.#documents = new DocumentReader(options.backend, options.platform);
  }

  async pull(reference: string, options: PullOptions = {}): Promise<Image> {
    const parsed = parseReference(reference);
    const name = canonicalName(parsed);
    const platform = options.platform ?? this.#options.platform;
    const key = `${name} ${platform.os}/${platform.architecture}/${platform.variant ?? ''}`;
    return this.#pulls.run(
      key,
      options.onProgress,
      (onProgress, signal) =>
        this.#pull(parsed, name, { ...options, platform, onProgress, signal }),
      options.signal,
    );
  }

  async #pull(
    reference: ImageReference,
    name: string,
    options: PullOptions & { platform: Platform },
  ): Promise<Image> {
    return this.#backend.withLease('pull', async (lease) => {
      const before = await this.#backend.getRecord(name);
      const target = await pullImage(reference, options, {
        backend: this.#backend,
        session: this.#options.registry.session(reference, {
          auth: options.auth,
          signal: options.signal,
        }),
        signal: options.signal,
        lease,
        clock: this.#options.clock,
        random: this.#options.random,
        downloads: this.#downloads,
        unpack: (manifest) =>
          this.#unpackManifest(manifest, lease, options.onProgress, options.signal),
      });
      await this.#backend.putRecord({ name, target, labels: { [PULLED_LABEL]: 'true' } });
      const fresh = before?.target.digest !== target.digest;
      const status = fresh ? 'Downloaded newer image for' : 'Image is up to date for';
      options.onProgress?.({ status: `Digest: ${target.digest}` });
      options.onProgress?.({ status: `Status: ${status} ${familiarName(reference)}` });
      return this.inspect(name);
    });
  }

  async load(archive: AsyncIterable<Uint8Array>): Promise<readonly LoadedImage[]> {
    return this.#backend.withLease('load', async (lease) => {
      const loaded: LoadedImage[] = [];
      for (const image of await loadArchive(archive, this.#backend, lease)) {
        const documents = await this.#documents.read(image.target);
        await this.#unpackManifest(documents.manifest, lease);
        // A record keeps the content alive: an image without a name is recorded under its digest.
        const names = image.names.length > 0 ? image.names : [anonymousName(image.target)];
        for (const name of names) {
          await this.#backend.putRecord({ name, target: image.target, labels: {} });
        }
        loaded.push({
          id: documents.id,
          names: image.names.map((name) => familiarName(parseReference(name))),
        });
      }
      return loaded;
    });
  }

  async list(): Promise<readonly Image[]> {
    const byTarget = new Map<string, ImageRecord[]>();
    for (const record of await this.#backend.listRecords()) {
      const group = byTarget.get(record.target.digest) ?? [];
      group.push(record);
      byTarget.set(record.target.digest, group);
    }
    const images: Image[] = [];
    for (const records of byTarget.values()) {
      try {
        images.push(await this.#image(records));
      } catch (error) {
        if (error instanceof SwarmError && error.temporary) throw error;
        // One damaged image must not hide the others.
        const name = records[0]?.name;
        this.#options.logger.warn({ name, error: messageOf(error) }, 'image cannot be read');
      }
    }
    return images;
  }

  async inspect(reference: string): Promise<Image> {
    const image = await this.resolve(reference);
    if (image === undefined) throw new SwarmError('notFound', `No such image: ${reference}`);
    return image;
  }

  async resolve(text: string): Promise<Image | undefined> {
    if (isDigest(text)) return this.#byId(text);
    if (/^[a-f0-9]{64}$/.test(text)) return this.#byId(`sha256:${text}`);
    const reference = tryParse(text);
    const name = reference === undefined ? undefined : canonicalName(reference);
    const record = name === undefined ? undefined : await this.#backend.getRecord(name);
    if (record !== undefined) return this.#image(await this.#siblings(record.target.digest));
    if (reference?.digest !== undefined) {
      const records = await this.#siblings(reference.digest);
      return records.length > 0 ? this.#image(records) : undefined;
    }
    return /^[a-f0-9]{4,63}$/.test(text) ? this.#byPrefix(text) : undefined;
  }

  async tag(source: string, target: string): Promise<void> {
    const image = await this.inspect(source);
    const reference = parseReference(target);
    if (reference.digest !== undefined) {
      throw new SwarmError('invalid', 'refusing to create a tag with a digest reference');
    }
    const name = canonicalName(reference);
    await this.#backend.putRecord({ name, target: image.target, labels: {} });
  }

  async remove(
    reference: string,
    options: { force?: boolean } = {},
  ): Promise<readonly RemovedImage[]> {
    const image = await this.inspect(reference);
    const records = await this.#siblings(image.target.digest);
    const parsed = tryParse(reference);
    const named = parsed === undefined ? undefined : canonicalName(parsed);
    const chosen = records.filter((record) => record.name === named);
    const doomed = chosen.length > 0 ? chosen : records;
    if (doomed.length === records.length) await this.#checkUnused(image, reference, options.force);
    if (chosen.length === 0 && image.repoTags.length > 1 && options.force !== true) {
      throw new SwarmError(
        'conflict',
        `conflict: unable to delete ${shortId(image.id)} (must be forced) - image is referenced in multiple repositories`,
      );
    }
    const removed: RemovedImage[] = [];
    for (const record of doomed) {
      await this.#backend.deleteRecord(record.name);
      const shown = shownName(record);
      if (shown !== undefined) removed.push({ untagged: shown });
    }
    if (doomed.length === records.length) {
      this.#documents.forget(image.target);
      removed.push({ deleted: image.id });
    }
    return removed;
  }

  async resolveDigest(reference: string, auth?: string): Promise<DistributionInfo> {
    const parsed = parseReference(reference);
    const session = this.#options.registry.session(parsed, { auth });
    const { descriptor, bytes } = await session.manifest();
    if (isIndex(descriptor.mediaType)) {
      const entries = parseIndex(bytes);
      const platforms = entries.flatMap((entry) => (entry.platform ? [entry.platform] : []));
      return { descriptor, platforms };
    }
    const { config } = parseManifest(bytes);
    const file = parseImageFile(await session.document(config));
    const { architecture, os, variant } = file;
    const platform = { architecture, os, ...(variant !== undefined ? { variant } : {}) };
    return { descriptor, platforms: [platform] };
  }

  async unpack(image: Image): Promise<void> {
    if (image.chainId === '' || (await this.#backend.hasSnapshot(image.chainId))) return;
    await this.#backend.withLease('unpack', (lease) => this.#unpackManifest(image.manifest, lease));
  }

  async #unpackManifest(
    manifest: Descriptor,
    lease: string,
    onProgress?: PullOptions['onProgress'],
    signal?: AbortSignal,
  ): Promise<void> {
    const { id, file, layers, chain } = await this.#documents.readManifest(manifest);
    for (const [i, blob] of layers.entries()) {
      unlessAborted(signal, 'unpacking');
      const chainId = chain[i] ?? '';
      const diffId = file.rootfs.diff_ids[i] ?? '';
      const parent = chain[i - 1] ?? '';
      onProgress?.({ id: shortId(blob.digest), status: 'Extracting' });
      await this.#layers.run(chainId, undefined, async () => {
        if (await this.#backend.hasSnapshot(chainId)) return;
        await this.#backend.unpackLayer({ blob, diffId, chainId, parent, lease });
      });
      onProgress?.({ id: shortId(blob.digest), status: 'Pull complete' });
    }
    const last = chain.at(-1);
    if (last === undefined) return;
    await this.#backend.labelBlob(id, this.#backend.snapshotLabel(last));
  }

  async #checkUnused(image: Image, reference: string, force = false): Promise<void> {
    const user = await this.#options.userOf(image.id);
    if (user === undefined) return;
    const hint = force ? 'cannot be forced' : 'must force';
    throw new SwarmError(
      'conflict',
      `conflict: unable to remove repository reference "${reference}" (${hint}) - container ${user.slice(0, 12)} is using its referenced image ${shortId(image.id)}`,
    );
  }

  async #siblings(targetDigest: string): Promise<ImageRecord[]> {
    const records = await this.#backend.listRecords();
    return records.filter((record) => record.target.digest === targetDigest);
  }

  async #byId(id: string): Promise<Image | undefined> {
    // A manifest's digest names an image as well: nodes hand images to one another by it.
    const images = await this.list();
    return images.find((image) => image.id === id || image.target.digest === id);
  }

  async #byPrefix(prefix: string): Promise<Image | undefined> {
    const images = await this.list();
    const found = images.filter((image) => image.id.startsWith(`sha256:${prefix}`));
    if (new Set(found.map((image) => image.id)).size > 1) {
      throw new SwarmError('invalid', `ambiguous image id ${prefix}: give more digits`);
    }
    return found[0];
  }

  async #image(records: readonly ImageRecord[]): Promise<Image> {
    const [first] = records;
    if (first === undefined) throw new SwarmError('internal', 'image without a record');
    const documents = await this.#documents.read(first.target);
    const repoTags: string[] = [];
    const repoDigests = new Set<string>();
    for (const record of records) {
      const reference = tryParse(record.name);
      if (reference === undefined || isAnonymous(record.name)) continue;
      if (reference.digest === undefined) repoTags.push(familiarName(reference));
      if (record.labels[PULLED_LABEL] !== undefined) {
        repoDigests.add(`${familiarRepository(reference)}@${first.target.digest}`);
      }
    }
    const taggedAt = Math.min(...records.map((record) => record.createdAt));
    const { chain, ...rest } = documents;
    return {
      ...rest,
      chainId: chain.at(-1) ?? '',
      target: first.target,
      repoTags: repoTags.toSorted(),
      repoDigests: [...repoDigests],
      taggedAt,
    };
  }
}

// Records of images without a name: the domain can't be one of a registry that anybody pulls from.
const ANONYMOUS_REPOSITORY = 'unnamed.invalid/image';

function anonymousName(target: Descriptor): string {
  return `${ANONYMOUS_REPOSITORY}@${target.digest}`;
}

function isAnonymous(name: string): boolean {
  return name.startsWith(`${ANONYMOUS_REPOSITORY}@`);
}

function shownName(record: ImageRecord): string | undefined {
  if (isAnonymous(record.name)) return undefined;
  const reference = tryParse(record.name);
  return reference === undefined ? record.name : familiarName(reference);
}

function shortId(digest: string): string {
  return digest.replace('sha256:', '').slice(0, 12);
}
