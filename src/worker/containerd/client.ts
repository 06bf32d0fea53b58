// The gRPC client of containerd: one channel, typed calls, errors as SwarmError. It knows nothing
// of images or tasks; the files beside it do.
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { SwarmError, codeFromGrpc, messageOf } from '../../base/index.ts';
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

/** Opens a channel to containerd; it connects with the first call and again whenever it must. */
export function createContainerdClient(options: ContainerdClientOptions) {
  const methods = loadMethods(options.protoDirectory ?? DEFAULT_PROTO_DIRECTORY);
  const channel = new grpc.Client(
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
  const metadata = (call?: CallOptions): grpc.Metadata => {
    const result = new grpc.Metadata();
    result.set('containerd-namespace', options.namespace);
    if (call?.lease !== undefined) result.set('containerd-lease', call.lease);
    return result;
  };

  function unary<Q extends object, A extends object>(
    path: string,
    timeoutMs = CALL_TIMEOUT_MS,
  ): Call<Q, A> {
    const method = methodOf<Q, A>(methods, path);
    return (request, call) =>
      new Promise<A>((resolve, reject) => {
        if (call?.signal?.aborted) return reject(aborted(path));
        const deadline = { deadline: deadlineIn(timeoutMs) };
        const running = channel.makeUnaryRequest<Q, A>(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          metadata(call),
          deadline,
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

  function serverStream<Q extends object, A extends object>(path: string) {
    const method = methodOf<Q, A>(methods, path);
    return (request: Q, call?: CallOptions): grpc.ClientReadableStream<A> =>
      channel.makeServerStreamRequest<Q, A>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata(call),
      );
  }

  function duplex<Q extends object, A extends object>(path: string) {
    const method = methodOf<Q, A>(methods, path);
    return (call?: CallOptions): grpc.ClientDuplexStream<Q, A> =>
      channel.makeBidiStreamRequest<Q, A>(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        metadata(call),
      );
  }

  const s = 'containerd.services';
  const codec = 'tsswarm.containerd.AnyCodec';
  return {
    namespace: options.namespace,
    version: unary<Empty, { version: string; revision: string }>(
      `${s}.version.v1.Version/Version`,
      5_000,
    ),
    namespaces: {
      create: unary<{ namespace: { name: string } }, object>(
        `${s}.namespaces.v1.Namespaces/Create`,
      ),
    },
    content: {
      info: unary<{ digest: string }, { info: m.ContentInfo }>(`${s}.content.v1.Content/Info`),
      update: unary<
        { info: Partial<m.ContentInfo>; updateMask: { paths: string[] } },
        { info: m.ContentInfo }
      >(`${s}.content.v1.Content/Update`),
      delete: unary<{ digest: string }, Empty>(`${s}.content.v1.Content/Delete`),
      status: unary<{ ref: string }, { status: { ref: string; offset: number; total: number } }>(
        `${s}.content.v1.Content/Status`,
      ),
      abort: unary<{ ref: string }, Empty>(`${s}.content.v1.Content/Abort`),
      read: serverStream<
        { digest: string; offset?: number; size?: number },
        { offset: number; data: Uint8Array }
      >(`${s}.content.v1.Content/Read`),
      write: duplex<m.WriteRequest, m.WriteResponse>(`${s}.content.v1.Content/Write`),
    },
    images: {
      get: unary<{ name: string }, { image: m.ImageMessage }>(`${s}.images.v1.Images/Get`),
      list: unary<{ filters?: string[] }, { images: m.ImageMessage[] }>(
        `${s}.images.v1.Images/List`,
      ),
      create: unary<{ image: m.ImageMessage }, { image: m.ImageMessage }>(
        `${s}.images.v1.Images/Create`,
      ),
      update: unary<
        { image: m.ImageMessage; updateMask?: { paths: string[] } },
        { image: m.ImageMessage }
      >(`${s}.images.v1.Images/Update`),
      delete: unary<{ name: string; sync?: boolean }, Empty>(`${s}.images.v1.Images/Delete`),
    },
    snapshots: {
      prepare: unary<
        {
          snapshotter: string;
          key: string;
          parent: string;
          labels?: Readonly<Record<string, string>>;
        },
        { mounts: m.MountMessage[] }
      >(`${s}.snapshots.v1.Snapshots/Prepare`),
      mounts: unary<{ snapshotter: string; key: string }, { mounts: m.MountMessage[] }>(
        `${s}.snapshots.v1.Snapshots/Mounts`,
      ),
      commit: unary<
        {
          snapshotter: string;
          name: string;
          key: string;
          labels?: Readonly<Record<string, string>>;
        },
        Empty
      >(`${s}.snapshots.v1.Snapshots/Commit`),
      remove: unary<{ snapshotter: string; key: string }, Empty>(
        `${s}.snapshots.v1.Snapshots/Remove`,
      ),
      stat: unary<{ snapshotter: string; key: string }, { info: m.SnapshotInfo }>(
        `${s}.snapshots.v1.Snapshots/Stat`,
      ),
      list: serverStream<{ snapshotter: string; filters?: string[] }, { info: m.SnapshotInfo[] }>(
        `${s}.snapshots.v1.Snapshots/List`,
      ),
      usage: unary<{ snapshotter: string; key: string }, { size: number; inodes: number }>(
        `${s}.snapshots.v1.Snapshots/Usage`,
      ),
    },
    diff: {
      apply: unary<
        { diff: m.DescriptorMessage; mounts: readonly m.MountMessage[] },
        { applied: m.DescriptorMessage }
      >(`${s}.diff.v1.Diff/Apply`, APPLY_TIMEOUT_MS),
    },
    containers: {
      get: unary<{ id: string }, { container: m.ContainerMessage }>(
        `${s}.containers.v1.Containers/Get`,
      ),
      list: unary<{ filters?: string[] }, { containers: m.ContainerMessage[] }>(
        `${s}.containers.v1.Containers/List`,
      ),
      create: unary<{ container: m.ContainerMessage }, { container: m.ContainerMessage }>(
        `${s}.containers.v1.Containers/Create`,
      ),
      delete: unary<{ id: string }, Empty>(`${s}.containers.v1.Containers/Delete`),
    },
    tasks: {
      create: unary<
        {
          containerId: string;
          rootfs: readonly m.MountMessage[];
          stdout?: string;
          stderr?: string;
          terminal?: boolean;
          options?: m.AnyMessage;
        },
        { containerId: string; pid: number }
      >(`${s}.tasks.v1.Tasks/Create`),
      start: unary<{ containerId: string; execId?: string }, { pid: number }>(
        `${s}.tasks.v1.Tasks/Start`,
      ),
      delete: unary<{ containerId: string }, m.DeleteResponse>(`${s}.tasks.v1.Tasks/Delete`),
      deleteProcess: unary<{ containerId: string; execId: string }, m.DeleteResponse>(
        `${s}.tasks.v1.Tasks/DeleteProcess`,
      ),
      get: unary<{ containerId: string; execId?: string }, { process: m.ProcessMessage | null }>(
        `${s}.tasks.v1.Tasks/Get`,
      ),
      list: unary<{ filter?: string }, { tasks: m.ProcessMessage[] }>(`${s}.tasks.v1.Tasks/List`),
      kill: unary<{ containerId: string; execId?: string; signal: number; all?: boolean }, Empty>(
        `${s}.tasks.v1.Tasks/Kill`,
      ),
      exec: unary<
        {
          containerId: string;
          execId: string;
          stdout?: string;
          stderr?: string;
          terminal?: boolean;
          spec: m.AnyMessage;
        },
        Empty
      >(`${s}.tasks.v1.Tasks/Exec`),
    },
    events: {
      subscribe: serverStream<{ filters: string[] }, m.Envelope>(`${s}.events.v1.Events/Subscribe`),
    },
    leases: {
      create: unary<{ id: string; labels?: Record<string, string> }, object>(
        `${s}.leases.v1.Leases/Create`,
      ),
      delete: unary<{ id: string; sync?: boolean }, Empty>(`${s}.leases.v1.Leases/Delete`),
    },
    decodeTaskExit: (value: Uint8Array): m.TaskExitEvent =>
      methodOf<m.TaskExitEvent, m.TaskExitEvent>(methods, `${codec}/TaskExit`).responseDeserialize(
        Buffer.from(value),
      ),
    decodeTaskOom: (value: Uint8Array): { containerId: string } =>
      methodOf<{ containerId: string }, { containerId: string }>(
        methods,
        `${codec}/TaskOom`,
      ).responseDeserialize(Buffer.from(value)),
    encodeRuncOptions: (value: m.RuncOptions): Uint8Array =>
      methodOf<m.RuncOptions, m.RuncOptions>(methods, `${codec}/RuncOptions`).requestSerialize(
        value,
      ),
    close: (): void => channel.close(),
  };
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

function methodOf<Q extends object, A extends object>(
  methods: ReadonlyMap<string, Method>,
  path: string,
): MethodDefinition<Q, A> {
  const method = methods.get(path);
  if (method === undefined) throw new Error(`no method ${path} in the proto files`);
  // The proto files and the types in messages.ts say the same; protobuf carries no types at run time.
  return method as unknown as MethodDefinition<Q, A>;
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
  if (error instanceof SwarmError) return error.code === 'notFound';
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** True when what was to be made is there already. */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof SwarmError && error.code === 'conflict';
}
