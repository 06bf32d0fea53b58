// Brings one image from a registry into the content store: manifest, configuration and layers, each
// by digest, a few at a time, resumed where an earlier try ended.
import {
  SwarmError,
  backoffMs,
  messageOf,
  sleep,
  type Clock,
  type Random,
} from '../../base/index.ts';
import { unlessAborted, type KeyedOnce, type ProgressListener } from '../../base/async/index.ts';
import {
  choosePlatform,
  indexGcLabels,
  isIndex,
  isManifest,
  manifestGcLabels,
  parseIndex,
  parseManifest,
  type Descriptor,
  type Platform,
} from './manifest.ts';
import type { ImageBackend } from './ports.ts';
import { familiarRepository, type ImageReference } from './reference.ts';
import type { RegistrySession } from './registry-client.ts';

/** Layers fetched at once, as Docker's default. */
const PARALLEL_DOWNLOADS = 3;
/** Tries per blob, each going on where the one before ended. */
const MAX_TRIES = 5;
const RETRY = { minMs: 200, maxMs: 5_000 };
/** Progress is told again after this many bytes. */
const PROGRESS_STEP_BYTES = 512 * 1024;

export interface PullOptions {
  /** Value of X-Registry-Auth. */
  readonly auth?: string | undefined;
  /** Default: the platform of this host. */
  readonly platform?: Platform;
  readonly onProgress?: ProgressListener | undefined;
  /** Nobody waits for it any more. */
  readonly signal?: AbortSignal | undefined;
}

export interface PullContext {
  readonly signal?: AbortSignal | undefined;
  readonly backend: ImageBackend;
  readonly session: RegistrySession;
  readonly lease: string;
  readonly clock: Clock;
  readonly random: Random;
  /** Joins downloads of one blob that several images share. */
  readonly downloads: KeyedOnce<void>;
  readonly unpack: (manifest: Descriptor) => Promise<void>;
}

/** Fetches and unpacks; returns what the name is to point to (the index, where there is one). */
export async function pullImage(
  reference: ImageReference,
  options: PullOptions & { readonly platform: Platform },
  context: PullContext,
): Promise<Descriptor> {
  const { session } = context;
  const top = await session.manifest();
  options.onProgress?.({
    id: reference.tag ?? 'digest',
    status: `Pulling from ${familiarRepository(reference)}`,
  });
  if (isIndex(top.descriptor.mediaType)) {
    const entries = parseIndex(top.bytes);
    const chosen = choosePlatform(entries, options.platform);
    if (chosen === undefined) {
      const { os, architecture } = options.platform;
      throw new SwarmError(
        'notFound',
        `no matching manifest for ${os}/${architecture} in the manifest list entries`,
      );
    }
    const manifest = await session.manifest(chosen.digest);
    await fetchManifest(manifest, options, context);
    await storeDocument(top, indexGcLabels(entries), context);
    return top.descriptor;
  }
  if (!isManifest(top.descriptor.mediaType)) {
    throw new SwarmError(
      'invalid',
      `unsupported manifest format ${top.descriptor.mediaType} of ${familiarRepository(reference)}`,
    );
  }
  await fetchManifest(top, options, context);
  return top.descriptor;
}

interface Document {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

async function fetchManifest(
  document: Document,
  options: PullOptions,
  context: PullContext,
): Promise<void> {
  const manifest = parseManifest(document.bytes);
  for (const layer of manifest.layers) {
    options.onProgress?.({ id: shortId(layer), status: 'Pulling fs layer' });
  }
  const waiting = [manifest.config, ...new Map(manifest.layers.map((l) => [l.digest, l])).values()];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const blob = next;
      const quiet = blob === manifest.config;
      await context.downloads.run(
        blob.digest,
        quiet ? undefined : options.onProgress,
        (tell, signal) => fetchBlob(blob, tell, context, signal),
        context.signal,
      );
    }
  };
  const workers = Array.from({ length: PARALLEL_DOWNLOADS }, worker);
  const results = await Promise.allSettled(workers);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  await storeDocument(document, manifestGcLabels(manifest), context);
  await context.unpack(document.descriptor);
}

async function storeDocument(
  { descriptor, bytes }: Document,
  labels: Record<string, string>,
  { backend, lease }: PullContext,
): Promise<void> {
  const { digest, size } = descriptor;
  const writer = await backend.openWriter(`manifest-${digest}`, { lease, total: size, digest });
  try {
    await writer.write(bytes.subarray(writer.offset));
    await writer.commit({ digest, size, labels });
  } finally {
    writer.close();
  }
  // The blob may have been there before, without the labels.
  await backend.labelBlob(digest, labels);
}

async function fetchBlob(
  blob: Descriptor,
  tell: ProgressListener,
  context: PullContext,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await fetchOnce(blob, tell, context, signal);
    } catch (error) {
      const hopeless = error instanceof SwarmError && !error.temporary;
      if (hopeless || attempt + 1 >= MAX_TRIES || signal.aborted) throw error;
      tell({ id: shortId(blob), status: `Retrying: ${messageOf(error)}` });
      await sleep(context.clock, backoffMs(attempt, RETRY, context.random), signal);
    }
  }
}

async function fetchOnce(
  blob: Descriptor,
  tell: ProgressListener,
  { backend, session, lease }: PullContext,
  signal: AbortSignal,
): Promise<void> {
  const id = shortId(blob);
  const { digest, size } = blob;
  const ref = `blob-${digest}`;
  let writer = await backend.openWriter(ref, { lease, total: size, digest });
  try {
    if (writer.offset === size && (await backend.blobSize(digest)) !== undefined) {
      tell({ id, status: 'Already exists' });
      return;
    }
    if (writer.offset < size) {
      const source = await session.blob(blob, writer.offset, signal);
      if (source.offset !== writer.offset) {
        writer.close();
        await backend.abortWriter(ref);
        writer = await backend.openWriter(ref, { lease, total: size, digest });
      }
      let told = 0;
      let current = writer.offset;
      for await (const chunk of source.body) {
        unlessAborted(signal, `blob ${digest}`);
        current += chunk.length;
        if (current > size) throw mismatch(digest, `longer than the ${size} bytes announced`);
        await writer.write(chunk);
        if (current - told >= PROGRESS_STEP_BYTES) {
          told = current;
          tell({ id, status: 'Downloading', current, total: size });
        }
      }
      if (current < size) {
        throw new SwarmError(
          'unavailable',
          `blob ${digest} ended after ${current} of ${size} bytes`,
        );
      }
    }
    tell({ id, status: 'Verifying Checksum' });
    await writer.commit({ digest, size });
    tell({ id, status: 'Download complete' });
  } catch (error) {
    writer.close();
    // Wrong bytes must not be where the next try goes on.
    if (error instanceof SwarmError && error.code === 'dataLoss') await backend.abortWriter(ref);
    throw error;
  } finally {
    writer.close();
  }
}

function mismatch(digest: string, why: string): SwarmError {
  return new SwarmError(
    'dataLoss',
    `filesystem layer verification failed for digest ${digest}: ${why}`,
  );
}

function shortId(descriptor: Descriptor): string {
  return descriptor.digest.replace('sha256:', '').slice(0, 12);
}
