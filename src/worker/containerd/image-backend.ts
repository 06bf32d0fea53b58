// The image store's content and snapshots in containerd: blobs by its content service, layers by
// its diff and snapshot services, and leases against its garbage collector.
import { createHash, randomBytes } from 'node:crypto';
import { SwarmError, ifPresent, type Clock } from '../../base/index.ts';
import type { BlobWriter, ImageBackend, ImageRecord } from '../images/index.ts';
import { isAlreadyExists, streamError, type ContainerdClient } from './client.ts';
import type { ImageMessage, WriteRequest, WriteResponse } from './messages.ts';
import { formatTime } from './time-text.ts';

/** Bytes per write message; containerd accepts up to 16 MiB. */
const WRITE_CHUNK_BYTES = 1024 * 1024;
/** A lease that a killed daemon left behind ends by itself after this time. */
const LEASE_LIFETIME_MS = 24 * 3_600_000;
const GC_SNAPSHOT_LABEL = 'containerd.io/gc.ref.snapshot';
/** By this label containerd's own tools know which layer a snapshot holds. */
const SNAPSHOT_REF_LABEL = 'containerd.io/snapshot.ref';

export interface ImageBackendOptions {
  readonly client: ContainerdClient;
  readonly snapshotter: string;
  readonly clock: Clock;
}

/** The image store's ports over containerd. */
export function createImageBackend(options: ImageBackendOptions): ImageBackend {
  const { client, snapshotter } = options;
  return {
    ...blobCalls(client),
    ...recordCalls(client),
    async hasSnapshot(chainId) {
      const found = await ifPresent(client.snapshots.stat({ snapshotter, key: chainId }));
      return found !== undefined;
    },
    unpackLayer: (layer) => unpackLayer(client, snapshotter, layer),
    snapshotLabel: (chainId) => ({ [`${GC_SNAPSHOT_LABEL}.${snapshotter}`]: chainId }),
    withLease: sharedLeases(client, options.clock),
    sha256: (content) => createHash('sha256').update(content).digest('hex'),
  };
}

function blobCalls(
  client: ContainerdClient,
): Pick<
  ImageBackend,
  'blobSize' | 'readBlob' | 'streamBlob' | 'openWriter' | 'abortWriter' | 'labelBlob'
> {
  return {
    async blobSize(digest) {
      return (await ifPresent(client.content.info({ digest })))?.info.size;
    },
    async readBlob(digest, maxBytes) {
      const chunks: Uint8Array[] = [];
      let size = 0;
      for await (const chunk of readBlob(client, digest)) {
        size += chunk.length;
        if (size > maxBytes) {
          throw new SwarmError('invalid', `blob ${digest} is larger than ${maxBytes} bytes`);
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },
    streamBlob: (digest) => readBlob(client, digest),
    openWriter: (ref, options) => openWriter(client, ref, options),
    async abortWriter(ref) {
      await ifPresent(client.content.abort({ ref }));
    },
    async labelBlob(digest, labels) {
      const paths = Object.keys(labels).map((label) => `labels.${label}`);
      await client.content.update({ info: { digest, labels }, updateMask: { paths } });
    },
  };
}

function recordCalls(
  client: ContainerdClient,
): Pick<ImageBackend, 'getRecord' | 'listRecords' | 'putRecord' | 'deleteRecord'> {
  return {
    async getRecord(name) {
      const found = await ifPresent(client.images.get({ name }));
      return found === undefined ? undefined : imageRecord(found.image);
    },
    async listRecords() {
      return (await client.images.list({})).images.map(imageRecord);
    },
    async putRecord({ name, target, labels }) {
      const image: ImageMessage = {
        name,
        labels,
        target: { mediaType: target.mediaType, digest: target.digest, size: target.size },
      };
      try {
        await client.images.create({ image });
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        await client.images.update({ image });
      }
    },
    async deleteRecord(name) {
      await ifPresent(client.images.delete({ name, sync: true }));
    },
  };
}

function imageRecord(image: ImageMessage): ImageRecord {
  const { mediaType, digest, size } = image.target;
  return {
    name: image.name,
    target: { mediaType, digest, size },
    labels: image.labels ?? {},
    createdAt: (image.createdAt?.seconds ?? 0) * 1000,
  };
}

async function* readBlob(client: ContainerdClient, digest: string): AsyncGenerator<Uint8Array> {
  const stream = client.content.read({ digest });
  try {
    for await (const message of stream as AsyncIterable<{ data: Uint8Array }>) yield message.data;
  } catch (error) {
    throw streamError(error, `Content/Read ${digest}`);
  } finally {
    stream.cancel();
  }
}

async function openWriter(
  client: ContainerdClient,
  ref: string,
  options: { lease: string; total?: number; digest?: string },
): Promise<BlobWriter> {
  const exchange = writeExchange(client, options.lease);
  try {
    const status = await exchange.send({
      action: 'STAT',
      ref,
      total: options.total ?? 0,
      expected: options.digest ?? '',
    });
    return containerdWriter(exchange, ref, status.offset);
  } catch (error) {
    exchange.end();
    const { digest, total } = options;
    if (!isAlreadyExists(error) || digest === undefined) throw error;
    return presentWriter(digest, total ?? 0);
  }
}

function containerdWriter(
  exchange: ReturnType<typeof writeExchange>,
  ref: string,
  start: number,
): BlobWriter {
  let offset = start;
  return {
    offset: start,
    async write(chunk) {
      for (let i = 0; i < chunk.length; i += WRITE_CHUNK_BYTES) {
        const data = chunk.subarray(i, i + WRITE_CHUNK_BYTES);
        const answer = await exchange.send({ action: 'WRITE', ref, offset, data });
        offset = answer.offset;
      }
    },
    async commit({ digest, size, labels }) {
      try {
        const answer = await exchange.send({
          action: 'COMMIT',
          ref,
          offset,
          total: size ?? 0,
          expected: digest ?? '',
          labels: labels ?? {},
        });
        return answer.digest;
      } catch (error) {
        if (isAlreadyExists(error)) return digest ?? digestIn(error);
        if (error instanceof SwarmError && error.code === 'precondition') {
          throw new SwarmError(
            'dataLoss',
            `filesystem layer verification failed for digest ${digest ?? ''}: ${error.message}`,
          );
        }
        throw error;
      } finally {
        exchange.end();
      }
    },
    close: () => exchange.end(),
  };
}

/** A blob that is there already swallows what is written and answers with its digest. */
function presentWriter(digest: string, size: number): BlobWriter {
  return {
    offset: size,
    write: async () => undefined,
    commit: async () => digest,
    close: () => undefined,
  };
}

/** Without an expected digest containerd tells it only inside its "already exists" message. */
function digestIn(error: unknown): string {
  const found = error instanceof Error ? /sha256:[a-f0-9]{64}/.exec(error.message)?.[0] : undefined;
  if (found === undefined) throw error;
  return found;
}

/** One write stream, used as question and answer. */
function writeExchange(client: ContainerdClient, lease: string) {
  const stream = client.content.write({ lease });
  let waiting: { resolve: (r: WriteResponse) => void; reject: (e: unknown) => void } | undefined;
  let failure: SwarmError | undefined;
  const fail = (error: SwarmError): void => {
    failure ??= error;
    waiting?.reject(failure);
    waiting = undefined;
  };
  stream.on('data', (response: WriteResponse) => {
    waiting?.resolve(response);
    waiting = undefined;
  });
  stream.on('error', (error) => fail(streamError(error, 'Content/Write')));
  stream.on('end', () => fail(new SwarmError('unavailable', 'containerd ended the write')));
  return {
    send: (request: WriteRequest): Promise<WriteResponse> =>
      new Promise((resolve, reject) => {
        if (failure !== undefined) return reject(failure);
        waiting = { resolve, reject };
        stream.write(request);
      }),
    end: (): void => void stream.end(),
  };
}

async function unpackLayer(
  client: ContainerdClient,
  snapshotter: string,
  layer: Parameters<ImageBackend['unpackLayer']>[0],
): Promise<void> {
  const { blob, diffId, chainId, parent, lease } = layer;
  const key = `unpack-${randomBytes(8).toString('hex')}-${chainId}`;
  const labels = { [SNAPSHOT_REF_LABEL]: chainId };
  const { mounts } = await client.snapshots.prepare(
    { snapshotter, key, parent, labels },
    { lease },
  );
  try {
    const { mediaType, digest, size } = blob;
    const { applied } = await client.diff.apply(
      { diff: { mediaType, digest, size }, mounts },
      { lease },
    );
    if (applied.digest !== diffId) {
      throw new SwarmError(
        'dataLoss',
        `layer ${digest} unpacks to ${applied.digest}, its image says ${diffId}`,
      );
    }
    await client.snapshots.commit({ snapshotter, name: chainId, key, labels }, { lease });
  } catch (error) {
    await ifPresent(client.snapshots.remove({ snapshotter, key }));
    // Someone else committed the same layer in between.
    if (!isAlreadyExists(error)) throw error;
  }
}

/**
 * One lease for all work at one time: a blob that two pulls share must outlive the first to end.
 */
function sharedLeases(client: ContainerdClient, clock: Clock): ImageBackend['withLease'] {
  let users = 0;
  let current: Promise<string> | undefined;
  /** Those whose end containerd has not confirmed: told again with the next. */
  const ended = new Set<string>();
  const create = async (): Promise<string> => {
    const id = `tsswarm-${randomBytes(8).toString('hex')}`;
    const expiry = formatTime(clock.now() + LEASE_LIFETIME_MS);
    try {
      await client.leases.create({ id, labels: { 'containerd.io/gc.expire': expiry } });
    } catch (error) {
      // It may have been made all the same.
      ended.add(id);
      throw error;
    }
    return id;
  };
  return async (purpose, work) => {
    users++;
    current ??= create();
    const mine = current;
    try {
      const lease = await mine;
      return await work(lease);
    } finally {
      users--;
      if (users === 0) {
        current = undefined;
        const lease = await mine.catch(() => undefined);
        if (lease !== undefined) ended.add(lease);
        for (const id of ended) {
          await ifPresent(client.leases.delete({ id }));
          ended.delete(id);
        }
      }
    }
  };
}
