// What the image store needs of the outside: a content store with snapshots (containerd has both),
// a hash, and HTTP. The real ones live in src/worker/containerd.
import type { Descriptor } from './manifest.ts';

/** An unfinished blob. It stays where it is when it is closed without a commit, to be resumed. */
export interface BlobWriter {
  /** Bytes that an earlier try has stored already. */
  readonly offset: number;
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Ends the blob and returns its digest; with `digest` given, rejects with `dataLoss` when the
   * content is another. A blob that exists already is no error.
   */
  commit(options: {
    digest?: string;
    size?: number;
    labels?: Readonly<Record<string, string>>;
  }): Promise<string>;
  close(): void;
}

export interface ImageRecord {
  /** Normalised name, see canonicalName. */
  readonly name: string;
  readonly target: Descriptor;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

export interface ImageBackend {
  /** Size of a blob, or undefined. */
  blobSize(digest: string): Promise<number | undefined>;
  /** A small blob as a whole; `notFound` without it, `invalid` above `maxBytes`. */
  readBlob(digest: string, maxBytes: number): Promise<Uint8Array>;
  streamBlob(digest: string): AsyncIterable<Uint8Array>;
  /** Starts or resumes the blob that the caller knows as `ref`. */
  openWriter(
    ref: string,
    options: { lease: string; total?: number; digest?: string },
  ): Promise<BlobWriter>;
  /** Throws away an unfinished blob. */
  abortWriter(ref: string): Promise<void>;
  /** Adds labels to a blob. */
  labelBlob(digest: string, labels: Readonly<Record<string, string>>): Promise<void>;

  getRecord(name: string): Promise<ImageRecord | undefined>;
  listRecords(): Promise<ImageRecord[]>;
  putRecord(record: Omit<ImageRecord, 'createdAt'>): Promise<void>;
  /** Also collects what only this record held. */
  deleteRecord(name: string): Promise<void>;

  hasSnapshot(chainId: string): Promise<boolean>;
  /** Applies a layer on top of `parent` ('' for the first) and stores the result as `chainId`. */
  unpackLayer(layer: {
    blob: Descriptor;
    diffId: string;
    chainId: string;
    parent: string;
    lease: string;
  }): Promise<void>;
  /** Label that keeps a snapshot alive as long as the blob that carries it. */
  snapshotLabel(chainId: string): Readonly<Record<string, string>>;

  /** Runs `work` while everything made under the lease is safe from the garbage collector. */
  withLease<T>(purpose: string, work: (lease: string) => Promise<T>): Promise<T>;
  /** Hex SHA-256. */
  sha256(content: Uint8Array | string): string;
}

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Accept any certificate: only for registries that were configured as insecure. */
  readonly insecure: boolean;
  readonly signal?: AbortSignal | undefined;
  /** For the whole exchange, its body included; absent: as long as something comes. */
  readonly limitMs?: number | undefined;
}

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; repeated ones joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** To be read to its end or to be left by `discard`. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): void;
}

/**
 * One HTTP exchange; redirects are not followed. Rejects with `unavailable` when nobody answers.
 */
export interface HttpTransport {
  request(request: HttpRequest): Promise<HttpResponse>;
}
