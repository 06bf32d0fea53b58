// Loads image archives: `docker save` of all ages and OCI layouts, plain or gzipped. Every file of
// the archive goes straight into the content store, so that its order and size do not matter.
import { SwarmError } from '../../base/index.ts';
import {
  MAX_DOCUMENT_BYTES,
  MEDIA_TYPE,
  indexGcLabels,
  isIndex,
  manifestGcLabels,
  mediaTypeOf,
  parseImageFile,
  parseIndex,
  parseManifest,
  type Descriptor,
  type Manifest,
} from './manifest.ts';
import type { ImageBackend } from './ports.ts';
import { canonicalName, parseReference } from './reference.ts';
import { archiveManifestOf } from './schemas.ts';
import { tarEntries, type TarEntry } from './tar-reader.ts';

/** Most files of one archive; 500 layers with their three files each, and room. */
const MAX_ENTRIES = 10_000;
const GZIP_MAGIC = [0x1f, 0x8b];

/** An image found in an archive; its content is stored, a record is not made yet. */
export interface ArchivedImage {
  readonly target: Descriptor;
  /** Normalised; may be empty. */
  readonly names: readonly string[];
}

interface StoredFile {
  readonly digest: string;
  readonly size: number;
}

interface ArchiveFiles {
  readonly blobs: Map<string, StoredFile>;
  readonly links: Map<string, string>;
  readonly documents: Map<string, Uint8Array>;
}

/**
 * Stores the content of an archive under `lease` and tells which images it holds. Throws `invalid`
 * when the stream is no image archive.
 */
export async function loadArchive(
  stream: AsyncIterable<Uint8Array>,
  backend: ImageBackend,
  lease: string,
): Promise<readonly ArchivedImage[]> {
  const files = await storeFiles(await unzipped(stream), backend, lease);
  const docker = files.documents.get('manifest.json');
  const tags = docker === undefined ? [] : parseDockerManifest(docker);
  const index = files.documents.get('index.json');
  if (index !== undefined) return loadLayout(index, tags, files, backend);
  if (docker === undefined) {
    throw new SwarmError(
      'invalid',
      'not an image archive: it has neither manifest.json (docker save) nor index.json (OCI)',
    );
  }
  const images: ArchivedImage[] = [];
  for (const entry of tags) images.push(await buildManifest(entry, files, backend, lease));
  return images;
}

async function storeFiles(
  stream: AsyncIterable<Uint8Array>,
  backend: ImageBackend,
  lease: string,
): Promise<ArchiveFiles> {
  const files: ArchiveFiles = { blobs: new Map(), links: new Map(), documents: new Map() };
  let count = 0;
  for await (const entry of tarEntries(stream)) {
    if (++count > MAX_ENTRIES) {
      throw new SwarmError('invalid', `image archive has more than ${MAX_ENTRIES} files`);
    }
    await storeEntry(entry, `${lease}-${count}`, files, backend, lease);
  }
  return files;
}

async function storeEntry(
  entry: TarEntry,
  ref: string,
  files: ArchiveFiles,
  backend: ImageBackend,
  lease: string,
): Promise<void> {
  const path = cleanPath(entry.name);
  if (entry.type === 'symlink' || entry.type === 'link') {
    files.links.set(path, linkTarget(path, entry));
  } else if (entry.type === 'file') {
    if (path === 'manifest.json' || path === 'index.json') {
      files.documents.set(path, await collect(entry.body, path));
      return;
    }
    const digest = /^blobs\/sha256\/([a-f0-9]{64})$/.exec(path)?.[1];
    const { size } = entry;
    const expected = digest === undefined ? {} : { digest: `sha256:${digest}` };
    const writer = await backend.openWriter(ref, { lease, total: size, ...expected });
    try {
      for await (const chunk of entry.body) await writer.write(chunk);
      files.blobs.set(path, { digest: await writer.commit({ size, ...expected }), size });
    } finally {
      writer.close();
    }
  }
}

async function collect(body: AsyncIterable<Uint8Array>, path: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_DOCUMENT_BYTES) {
      throw new SwarmError('invalid', `${path} in the archive is larger than 4 MiB`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function unzipped(stream: AsyncIterable<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const iterator = stream[Symbol.asyncIterator]();
  const first = await iterator.next();
  const head = first.done === true ? new Uint8Array(0) : first.value;
  const all = (async function* (): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  })();
  if (head[0] !== GZIP_MAGIC[0] || head[1] !== GZIP_MAGIC[1]) return all;
  return gunzip(all);
}

async function* gunzip(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const zip = new DecompressionStream('gzip');
  const writer = zip.writable.getWriter();
  const writing = (async (): Promise<void> => {
    for await (const chunk of stream) await writer.write(new Uint8Array(chunk));
    await writer.close();
  })();
  writing.catch((error: unknown) => writer.abort(error).catch(() => undefined));
  const reader = zip.readable.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    await writing;
  } finally {
    // Who stops in the middle stops the other end too.
    await reader.cancel().catch(() => undefined);
  }
}

interface DockerManifestEntry {
  readonly config: string;
  readonly layers: readonly string[];
  readonly names: readonly string[];
}

function parseDockerManifest(bytes: Uint8Array): readonly DockerManifestEntry[] {
  return archiveManifestOf(bytes).map(({ Config, Layers, RepoTags = [] }) => ({
    config: cleanPath(Config),
    layers: Layers.map(cleanPath),
    names: RepoTags.map((tag) => canonicalName(parseReference(tag))),
  }));
}

/** `docker save` before version 25 has no registry manifest: this makes the same one everywhere. */
async function buildManifest(
  entry: DockerManifestEntry,
  files: ArchiveFiles,
  backend: ImageBackend,
  lease: string,
): Promise<ArchivedImage> {
  const config = storedFile(entry.config, files);
  const image = parseImageFile(await backend.readBlob(config.digest, MAX_DOCUMENT_BYTES));
  if (image.rootfs.diff_ids.length !== entry.layers.length) {
    throw new SwarmError('invalid', `manifest.json and ${entry.config} differ in their layers`);
  }
  const manifest: Manifest = {
    config: { mediaType: MEDIA_TYPE.dockerConfig, ...config },
    layers: entry.layers.map((path, i) => {
      const file = storedFile(path, files);
      const plain = file.digest === image.rootfs.diff_ids[i];
      return {
        mediaType: plain ? MEDIA_TYPE.dockerLayer : MEDIA_TYPE.dockerLayerGzip,
        ...file,
      };
    }),
  };
  const bytes = new TextEncoder().encode(
    JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPE.dockerManifest, ...manifest }),
  );
  const digest = `sha256:${backend.sha256(bytes)}`;
  const writer = await backend.openWriter(`${lease}-${digest}`, { lease, digest });
  await writer.write(bytes);
  await writer.commit({ digest, size: bytes.length, labels: manifestGcLabels(manifest) });
  return {
    target: { mediaType: MEDIA_TYPE.dockerManifest, digest, size: bytes.length },
    names: entry.names,
  };
}

async function loadLayout(
  index: Uint8Array,
  tags: readonly DockerManifestEntry[],
  files: ArchiveFiles,
  backend: ImageBackend,
): Promise<readonly ArchivedImage[]> {
  const images: ArchivedImage[] = [];
  const paths = new Map([...files.blobs].map(([path, file]) => [file.digest, path]));
  for (const entry of parseIndex(index)) {
    if (!paths.has(entry.digest)) continue;
    const configs = await labelTree(entry, paths, backend, new Set());
    const names = new Set<string>();
    const name = annotatedName(entry);
    if (name !== undefined) names.add(name);
    for (const tagged of tags) {
      const config = files.blobs.get(tagged.config)?.digest;
      if (config === undefined || !configs.includes(config)) continue;
      for (const tag of tagged.names) names.add(tag);
    }
    const bytes = await backend.readBlob(entry.digest, MAX_DOCUMENT_BYTES);
    const target = {
      mediaType: mediaTypeOf(bytes, entry.mediaType),
      digest: entry.digest,
      size: entry.size,
    };
    images.push({ target, names: [...names] });
  }
  if (images.length === 0) {
    throw new SwarmError('invalid', 'index.json of the archive names no image that it holds');
  }
  return images;
}

/** Labels manifests for the garbage collector; returns the digests of the configurations below. */
async function labelTree(
  descriptor: Descriptor,
  present: ReadonlyMap<string, string>,
  backend: ImageBackend,
  seen: Set<string>,
): Promise<readonly string[]> {
  // Once each: an index may name another one a thousand times.
  if (!present.has(descriptor.digest) || seen.has(descriptor.digest)) return [];
  seen.add(descriptor.digest);
  const bytes = await backend.readBlob(descriptor.digest, MAX_DOCUMENT_BYTES);
  if (!isIndex(mediaTypeOf(bytes, descriptor.mediaType))) {
    const manifest = parseManifest(bytes);
    await backend.labelBlob(descriptor.digest, manifestGcLabels(manifest));
    return [manifest.config.digest];
  }
  const manifests = parseIndex(bytes);
  await backend.labelBlob(descriptor.digest, indexGcLabels(manifests));
  const below: string[] = [];
  for (const entry of manifests) below.push(...(await labelTree(entry, present, backend, seen)));
  return below;
}

function annotatedName(entry: Descriptor): string | undefined {
  const full = entry.annotations?.['io.containerd.image.name'];
  const short = entry.annotations?.['org.opencontainers.image.ref.name'];
  const name = full ?? (short !== undefined && /[:/]/.test(short) ? short : undefined);
  return name === undefined ? undefined : canonicalName(parseReference(name));
}

function storedFile(path: string, files: ArchiveFiles): StoredFile {
  const file = files.blobs.get(path) ?? files.blobs.get(files.links.get(path) ?? '');
  if (file === undefined) throw new SwarmError('invalid', `the archive lacks its file ${path}`);
  return file;
}

function cleanPath(path: string): string {
  return path.replace(/^(?:\.?\/)+/, '');
}

/** Old `docker save` writes a layer once and links to it: "../<id>/layer.tar". */
function linkTarget(path: string, entry: TarEntry): string {
  const target = entry.linkname;
  if (entry.type === 'link' || !target.startsWith('.')) return cleanPath(target);
  const parts = path.split('/').slice(0, -1);
  for (const part of target.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
