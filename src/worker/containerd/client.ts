// The gRPC client of containerd: one channel, typed calls, errors as SwarmError. It knows nothing
// of images or tasks; the files beside it do.
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { SwarmError, codeFromGrpc, isAbsent, messageOf } from '../../base/index.ts';
import type * as m from './messages.ts';

const PROTO_FILES = [
  'version.proto',
  'namespaces.proto',
  'content.proto',
  'images.proto',
  'snapshots.proto',
  'diff.proto',
  'containers.proto',
  'tasks.proto',
  'events.proto',
  'leases.proto',
  'any.proto',
];
/** Largest message read; containerd itself never sends more than 16 MiB. */
const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** A call without an answer for this long has failed; unpacking a layer gets longer. */
const CALL_TIMEOUT_MS = 120_000;
const APPLY_TIMEOUT_MS = 15 * 60_000;
const VERSION_TIMEOUT_MS = 5_000;

export interface CallOptions {
  /** Id of the lease that keeps what the call makes from the garbage collector. */
  readonly lease?: string;
  readonly signal?: AbortSignal;
}

type Call<Request, Response> = (request: Request, options?: CallOptions) => Promise<Response>;
type Empty = Readonly<Record<string, never>>;
type Method = MethodDefinition<object, object>;

export interface ContainerdClientOptions {
  /** Path of the unix socket. */
  readonly socketPath: string;
  readonly namespace: string;
  /** Folder of the proto files; default: proto/containerd of this checkout. */
  readonly protoDirectory?: string | undefined;
}

export type ContainerdClient = ReturnType<typeof createContainerdClient>;

const DEFAULT_PROTO_DIRECTORY = fileURLToPath(
  new URL('../../../proto/containerd/', import.meta.url),
);
const CODEC = 'tsswarm.containerd.AnyCodec';

/** Opens a channel to containerd; it connects with the first call and again whenever it must. */
export function createContainerdClient(options: ContainerdClientOptions) {
  const caller = new Caller(options);
  return {
    namespace: options.namespace,
    version: caller.unary<Empty, { version: string; revision: string }>(
      'version.v1.Version/Version',
      VERSION_TIMEOUT_MS,
    ),
    namespaces: {
      create: caller.unary<{ namespace: { name: string } }, object>(
        'namespaces.v1.Namespaces/Create',
      ),
    },
    content: contentCalls(caller),
    images: imageCalls(caller),
    snapshots: snapshotCalls(caller),
    diff: {
      apply: caller.unary<
        { diff: m.DescriptorMessage; mounts: readonly m.MountMessage[] },
        { applied: m.DescriptorMessage }
      >('diff.v1.Diff/Apply', APPLY_TIMEOUT_MS),
    },
    containers: containerCalls(caller),
    tasks: taskCalls(caller),
    events: {
      subscribe: caller.serverStream<{ filters: string[] }, m.Envelope>(
        'events.v1.Events/Subscribe',
      ),
    },
    leases: {
      create: caller.unary<{ id: string; labels?: Record<string, string> }, object>(
        'leases.v1.Leases/Create',
      ),
      delete: caller.unary<{ id: string; sync?: boolean }, Empty>('leases.v1.Leases/Delete'),
    },
    decodeTaskExit: caller.decoder<m.TaskExitEvent>(`${CODEC}/TaskExit`),
    decodeTaskOom: caller.decoder<{ containerId: string }>(`${CODEC}/TaskOom`),
    encodeRuncOptions: caller.encoder<m.RuncOptions>(`${CODEC}/RuncOptions`),
    close: (): void => caller.close(),
  };
}

function contentCalls(caller: Caller) {
  return {
    info: caller.unary<{ digest: string }, { info: m.ContentInfo }>('content.v1.Content/Info'),
    update: caller.unary<
      { info: Partial<m.ContentInfo>; updateMask: { paths: string[] } },
      { info: m.ContentInfo }
    >('content.v1.Content/Update'),
    delete: caller.unary<{ digest: string }, Empty>('content.v1.Content/Delete'),
    status: caller.unary<
      { ref: string },
      { status: { ref: string; offset: number; total: number } }
    >('content.v1.Content/Status'),
    abort: caller.unary<{ ref: string }, Empty>('content.v1.Content/Abort'),
    read: caller.serverStream<
      { digest: string; offset?: number; size?: number },
      { offset: number; data: Uint8Array }
    >('content.v1.Content/Read'),
    write: caller.duplex<m.WriteRequest, m.WriteResponse>('content.v1.Content/Write'),
  };
}

function imageCalls(caller: Caller) {
  return {
    get: caller.unary<{ name: string }, { image: m.ImageMessage }>('images.v1.Images/Get'),
    list: caller.unary<{ filters?: string[] }, { images: m.ImageMessage[] }>(
      'images.v1.Images/List',
    ),
    create: caller.unary<{ image: m.ImageMessage }, { image: m.ImageMessage }>(
      'images.v1.Images/Create',
    ),
    update: caller.unary<
      { image: m.ImageMessage; updateMask?: { paths: string[] } },
      { image: m.ImageMessage }
    >('images.v1.Images/Update'),
    delete: caller.unary<{ name: string; sync?: boolean }, Empty>('images.v1.Images/Delete'),
  };
}

function snapshotCalls(caller: Caller) {
  return {
    prepare: caller.unary<
      {
        snapshotter: string;
        key: string;
        parent: string;
        labels?: Readonly<Record<string, string>>;
      },
      { mounts: m.MountMessage[] }
    >('snapshots.v1.Snapshots/Prepare'),
    mounts: caller.unary<{ snapshotter: string; key: string }, { mounts: m.MountMessage[] }>(
      'snapshots.v1.Snapshots/Mounts',
    ),
    commit: caller.unary<
      {
        snapshotter: string;
        name: string;
        key: string;
        labels?: Readonly<Record<string, string>>;
      },
      Empty
    >('snapshots.v1.Snapshots/Commit'),
    remove: caller.unary<{ snapshotter: string; key: string }, Empty>(
      'snapshots.v1.Snapshots/Remove',
    ),
    stat: caller.unary<{ snapshotter: string; key: string }, { info: m.SnapshotInfo }>(
      'snapshots.v1.Snapshots/Stat',
    ),
    list: caller.serverStream<
      { snapshotter: string; filters?: string[] },
      { info: m.SnapshotInfo[] }
    >('snapshots.v1.Snapshots/List'),
    usage: caller.unary<{ snapshotter: string; key: string }, { size: number; inodes: number }>(
      'snapshots.v1.Snapshots/Usage',
    ),
  };
}

function containerCalls(caller: Caller) {
  return {
    get: caller.unary<{ id: string }, { container: m.ContainerMessage }>(
      'containers.v1.Containers/Get',
    ),
    list: caller.unary<{ filters?: string[] }, { containers: m.ContainerMessage[] }>(
      'containers.v1.Containers/List',
    ),
    create: caller.unary<{ container: m.ContainerMessage }, { container: m.ContainerMessage }>(
      'containers.v1.Containers/Create',
    ),
    delete: caller.unary<{ id: string }, Empty>('containers.v1.Containers/Delete'),
  };
}

function taskCalls(caller: Caller) {
  return {
    create: caller.unary<
      {
        containerId: string;
        rootfs: readonly m.MountMessage[];
        stdout?: string;
        stderr?: string;
        terminal?: boolean;
        options?: m.AnyMessage;
      },
      { containerId: string; pid: number }
    >('tasks.v1.Tasks/Create'),
    start: caller.unary<{ containerId: string; execId?: string }, { pid: number }>(
      'tasks.v1.Tasks/Start',
    ),
    delete: caller.unary<{ containerId: string }, m.DeleteResponse>('tasks.v1.Tasks/Delete'),
    deleteProcess: caller.unary<{ containerId: string; execId: string }, m.DeleteResponse>(
      'tasks.v1.Tasks/DeleteProcess',
    ),
    get: caller.unary<
      { containerId: string; execId?: string },
      { process: m.ProcessMessage | null }
    >('tasks.v1.Tasks/Get'),
    list: caller.unary<{ filter?: string }, { tasks: m.ProcessMessage[] }>('tasks.v1.Tasks/List'),
    kill: caller.unary<
      { containerId: string; execId?: string; signal: number; all?: boolean },
      Empty
    >('tasks.v1.Tasks/Kill'),
    exec: caller.unary<
      {
        containerId: string;
        execId: string;
        stdout?: string;
        stderr?: string;
        terminal?: boolean;
        spec: m.AnyMessage;
      },
      Empty
    >('tasks.v1.Tasks/Exec'),
  };
}

/**
 * Makes typed functions of the methods in the proto files. Paths leave out
 * "containerd.services.".
 */
class Caller {
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #channel: grpc.Client;
  readonly #namespace: string;

  constructor(options: ContainerdClientOptions) {
    this.#namespace = options.namespace;
    this.#methods = loadMethods(options.protoDirectory ?? DEFAULT_PROTO_DIRECTORY);
    this.#channel = new grpc.Client(
      `unix://${options.socketPath}`,
      grpc.credentials.createInsecure(),
      {
        'grpc.default_authority': 'localhost',
        'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
        'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
        'grpc.initial_reconnect_backoff_ms': 50,
        'grpc.max_reconnect_backoff_ms': 1000,
      },
    );
  }

  unary<Q extends object, A extends object>(path: string, timeoutMs = CALL_TIMEOUT_MS): Call<Q, A> {
    const method = this.#method<Q, A>(path);
    return (request, call) =>
      new Promise<A>((resolve, reject) => {
        if (call?.signal?.aborted) return reject(aborted(path));
        const running = this.#channel.makeUnaryRequest<Q, A>(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          this.#metadata(call),
          { deadline: deadlineIn(timeoutMs) },
          (error, response) => {
            call?.signal?.removeEventListener('abort', cancel);
            if (error) reject(fromGrpc(error, path));
            else if (response === undefined) reject(new SwarmError('internal', `${path}: empty`));
            else resolve(response);
          },
        );
        const cancel = (): void => running.cancel();
        call?.signal?.addEventListener('abort', cancel);
      });
  }

  serverStream<Q extends object, A extends object>(path: string) {
    const method = this.#method<Q, A>(path);
    return (request: Q, call?: CallOptions): grpc.ClientReadableStream<A> =>
      this.#channel.makeServerStreamRequest<Q, A>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata(call),
      );
  }

  duplex<Q extends object, A extends object>(path: string) {
    const method = this.#method<Q, A>(path);
    return (call?: CallOptions): grpc.ClientDuplexStream<Q, A> =>
      this.#channel.makeBidiStreamRequest<Q, A>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        this.#metadata(call),
      );
  }

  decoder<T extends object>(path: string): (value: Uint8Array) => T {
    const method = this.#method<T, T>(path);
    return (value) => method.responseDeserialize(Buffer.from(value));
  }

  encoder<T extends object>(path: string): (value: T) => Uint8Array {
    const method = this.#method<T, T>(path);
    return (value) => method.requestSerialize(value);
  }

  close(): void {
    this.#channel.close();
  }

  #metadata(call?: CallOptions): grpc.Metadata {
    const result = new grpc.Metadata();
    result.set('containerd-namespace', this.#namespace);
    if (call?.lease !== undefined) result.set('containerd-lease', call.lease);
    return result;
  }

  #method<Q extends object, A extends object>(path: string): MethodDefinition<Q, A> {
    const method = this.#methods.get(path) ?? this.#methods.get(`containerd.services.${path}`);
    if (method === undefined) throw new Error(`no method ${path} in the proto files`);
    // The proto files and the types in messages.ts say the same; protobuf has no types at run time.
    return method as unknown as MethodDefinition<Q, A>;
  }
}

function loadMethods(directory: string): ReadonlyMap<string, Method> {
  const definition = loadSync(PROTO_FILES, {
    includeDirs: [directory],
    keepCase: false,
    longs: Number,
    enums: String,
    defaults: true,
  });
  const methods = new Map<string, Method>();
  for (const [service, members] of Object.entries(definition)) {
    for (const [name, method] of Object.entries(members)) {
      if (typeof method === 'object' && method !== null && 'requestSerialize' in method) {
        methods.set(`${service}/${name}`, method as Method);
      }
    }
  }
  return methods;
}

/** gRPC wants a point in wall-clock time; `performance` gives it without reading the Date. */
function deadlineIn(timeoutMs: number): number {
  return performance.timeOrigin + performance.now() + timeoutMs;
}

function fromGrpc(error: grpc.ServiceError, path: string): SwarmError {
  const call = path.slice(path.lastIndexOf('.') + 1);
  return new SwarmError(codeFromGrpc(error.code), `containerd ${call}: ${error.details}`, {
    cause: error,
  });
}

/** Turns an error of a stream into ours. */
export function streamError(error: unknown, call: string): SwarmError {
  const status = error instanceof Error && 'code' in error ? error.code : undefined;
  const details = error instanceof Error && 'details' in error ? error.details : undefined;
  const code = typeof status === 'number' ? codeFromGrpc(status) : 'unavailable';
  const text = typeof details === 'string' ? details : messageOf(error);
  return new SwarmError(code, `containerd ${call}: ${text}`, { cause: error });
}

function aborted(path: string): SwarmError {
  return new SwarmError('unavailable', `containerd ${path}: the caller gave up`);
}

/** True for "not found" of containerd or of the file system. */
export function isNotFound(error: unknown): boolean {
  return isAbsent(error);
}

/** True when what was to be made is there already. */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof SwarmError && error.code === 'conflict';
}
