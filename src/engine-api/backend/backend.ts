// What the Engine API needs of the daemon behind it. The API knows HTTP and Docker's shapes; whatever
// has an effect is behind this contract.
import type {
  ControlMethod,
  ControlMethods,
  ClusterQueries,
  Principal,
} from '../../manager/index.ts';
import type {
  ClusterSpec,
  ContainerConfig,
  ContainerDescription,
  TraceReport,
  WaitCondition,
} from '../../model/index.ts';

/** Fixed facts of this machine and program. */
export interface EngineFacts {
  readonly version: string;
  readonly id: string;
  readonly hostname: string;
  readonly operatingSystem: string;
  readonly kernelVersion: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly dataRoot: string;
  readonly cgroupDriver: string;
  readonly cgroupVersion: string;
  readonly runtime: string;
  readonly containerdVersion: string;
  readonly labels: readonly string[];
  readonly insecureRegistries: readonly string[];
}

/** What `swarm init` asks for; addresses as users write them. */
export interface InitRequest {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  readonly dataPathPort: number;
  readonly addressPools: readonly string[];
  readonly subnetSize: number;
  readonly availability: 'active' | 'pause' | 'drain';
  readonly spec: Partial<ClusterSpec>;
  /** On a manager whose group lost its quorum: it becomes the only one. */
  readonly forceNewCluster: boolean;
}

/** What `cluster restore` asks for. */
export interface RestoreRequest {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  /** The key that the backup was sealed with, as it was shown. */
  readonly key: string;
}

/** What `swarm join` asks for. */
export interface JoinRequest {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  readonly remoteAddrs: readonly string[];
  readonly joinToken: string;
  readonly availability: 'active' | 'pause' | 'drain';
}

/** This node as a member of a cluster. */
export interface ClusterState {
  readonly nodeId: string;
  readonly nodeAddress: string;
  readonly clusterId: string;
  readonly role: 'manager' | 'worker';
  readonly managers: readonly string[];
  /** PEM of the roots, and of this node's issuer as the API shows it. */
  readonly tls: {
    readonly trustRoot: string;
    readonly subject: string;
    readonly publicKey: string;
  };
  /** Present on managers that are up. */
  readonly manager: ManagerBackend | undefined;
  readonly locks: 'active' | 'pending';
}

/** The cluster as this manager sees and changes it. */
export interface ManagerBackend {
  /** The state that this manager has applied. */
  readonly queries: ClusterQueries;
  /** Has a control method carried out for `principal`. Raises what the method raises, and `denied`. */
  submit<M extends ControlMethod>(
    principal: Principal,
    method: M,
    request: ControlMethods[M]['request'],
  ): Promise<ControlMethods[M]['response']>;
  /** Node id of the leader; undefined while there is none. */
  readonly leaderId: string | undefined;
  /** Whether the leader hears this manager; unknown on managers that don't lead. */
  reachability(nodeId: string): 'unknown' | 'reachable' | 'unreachable';
  /** By node: up to which index its kernel and names have what the managers told it. */
  acknowledged(): Promise<ReadonlyMap<string, number>>;
  /** Where the way between services or tasks breaks. */
  trace(request: {
    readonly from: string;
    readonly to: string;
    readonly port: number | undefined;
  }): Promise<TraceReport>;
  taskLogs(taskId: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /** Calls `listener` after each change of the state until the function that it gives is called. */
  changes(listener: () => void): () => void;
}

/** Which lines of a log are asked for. */
export interface LogQuery {
  readonly follow: boolean;
  /** Negative: all. */
  readonly tail: number;
  /** Milliseconds since 1970; 0 means no bound. */
  readonly since: number;
  readonly until: number;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** One line of a log, or a part of a long one. */
export interface LogLine {
  readonly stream: 1 | 2;
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  readonly text: Uint8Array;
}

/** An image of this machine; sizes in bytes, times in ms since 1970. */
export interface ImageSummary {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly createdAt: number;
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** One line of a pull's or load's progress, in the shape that Docker's clients print. */
export interface ImageProgress {
  readonly status?: string;
  readonly id?: string;
  readonly stream?: string;
  readonly progressDetail?: { readonly current: number; readonly total: number };
}

/** Images of this machine. Raises `notFound`, `conflict`, `unavailable` with Docker’s words. */
export interface ImageBackend {
  list(): Promise<readonly ImageSummary[]>;
  /** The body of GET /images/{name}/json. Raises `notFound`. */
  inspect(reference: string): Promise<object>;
  pull(
    reference: string,
    options: { readonly auth: string | undefined; readonly platform: string | undefined },
    progress: (line: ImageProgress) => void,
  ): Promise<void>;
  load(archive: AsyncIterable<Uint8Array>, progress: (line: ImageProgress) => void): Promise<void>;
  tag(reference: string, newReference: string): Promise<void>;
  remove(
    reference: string,
  ): Promise<readonly { readonly Untagged?: string; readonly Deleted?: string }[]>;
  /** Descriptor and platforms of a name in its registry. Raises `notFound`, `denied`, `unavailable`. */
  distribution(
    reference: string,
    auth: string | undefined,
  ): Promise<{
    readonly Descriptor: {
      readonly mediaType: string;
      readonly digest: string;
      readonly size: number;
    };
    readonly Platforms: readonly { readonly architecture: string; readonly os: string }[];
  }>;
}

/** A volume of this machine; times in ms since 1970. */
export interface VolumeInfo {
  readonly name: string;
  readonly mountpoint: string;
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Of its driver. */
  readonly options: Readonly<Record<string, string>>;
}

/** Volumes of this machine. Raises `notFound`, `conflict`, `invalid` with Docker’s words. */
export interface VolumeBackend {
  list(): Promise<readonly VolumeInfo[]>;
  /** Raises `invalid`, `unimplemented` for options that the driver does not have. */
  create(
    name: string,
    labels: Readonly<Record<string, string>>,
    options: Readonly<Record<string, string>>,
  ): Promise<VolumeInfo>;
  remove(name: string): Promise<void>;
}

/**
 * Containers that users made on this machine. `reference` is an id, a unique beginning of one, or a name
 * (with or without Docker's leading slash). All of them raise `notFound` ("No such container: X") and
 * `invalid` for a beginning of several ids.
 */
export interface ContainerBackend {
  /** Raises `conflict` for a name in use, `notFound` for an image that is not here, `invalid`. */
  create(config: ContainerConfig): Promise<string>;
  list(): Promise<readonly ContainerDescription[]>;
  inspect(reference: string): Promise<ContainerDescription>;
  /** False when it runs already. */
  start(reference: string): Promise<boolean>;
  /** False when it did not run. */
  stop(reference: string, how: StopRequest): Promise<boolean>;
  restart(reference: string, how: StopRequest): Promise<void>;
  /** `signal` as a name ("SIGHUP", "HUP") or number; raises `conflict` when it does not run. */
  kill(reference: string, signal: string): Promise<void>;
  rename(reference: string, name: string): Promise<void>;
  /** Raises `conflict` when it runs, unless `force`. `volumes`: its anonymous ones go as well. */
  remove(
    reference: string,
    how: { readonly force: boolean; readonly volumes: boolean },
  ): Promise<void>;
  /**
   * The end of the present run (at once when there is none), of the next run to end, or the exit code of
   * the last run once it was removed. The condition counts from the call on, not from when it is awaited.
   */
  wait(
    reference: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ readonly exitCode: number; readonly error: string }>;
  /** What it has written, in all its runs. */
  logs(reference: string, query: LogQuery, signal: AbortSignal): AsyncIterable<LogLine>;
  /**
   * What it writes from now on, until its present run ends, or, when it does not run, its next one.
   * `history`: what it wrote before as well. Counts from the call on.
   */
  output(reference: string, history: boolean, signal: AbortSignal): AsyncIterable<LogLine>;
}

/** How a container is stopped. */
export interface StopRequest {
  /** Absent: the container's own. */
  readonly signal: string | undefined;
  /** Until it is killed; negative: never; absent: the container's own. */
  readonly timeoutSeconds: number | undefined;
}

/** Everything that the API needs of the daemon. */
export interface EngineBackend {
  readonly facts: EngineFacts;
  readonly images: ImageBackend;
  readonly volumes: VolumeBackend;
  readonly containers: ContainerBackend;
  /** Undefined while this node is in no cluster. */
  cluster(): ClusterState | undefined;
  /** Why the node is not up although it is a member. */
  clusterError(): string | undefined;
  init(request: InitRequest): Promise<string>;
  join(request: JoinRequest): Promise<void>;
  leave(force: boolean): Promise<void>;
  /** The managers' state as a file, sealed with this key. Raises `invalid`, `unavailable`. */
  backup(key: string): Promise<AsyncIterable<Uint8Array>>;
  /** Takes up the cluster of a backup; returns the node's id. Raises `invalid`, `dataLoss`. */
  restore(request: RestoreRequest, file: AsyncIterable<Uint8Array>): Promise<string>;
  /** Containers on this node, of tasks and of users. */
  containerCounts(): { readonly running: number; readonly stopped: number };
  /** What is wrong with this node's networks and ports now, a sentence each. */
  problems(): readonly string[];
}
