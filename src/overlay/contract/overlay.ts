// The contract of the data plane (design: docs/design/overlay.md). The agent hands in what should
// be (`update`, always the whole state as immutable maps; unchanged maps are the same object), the
// overlay compares it with what the kernel has and changes the difference. Task namespaces are made
// by `attach`, before the container starts, and removed by `detach`.
import type {
  HostAssignment,
  HostEncryption,
  NetworkAssignment,
  ServiceEndpointAssignment,
  TaskAssignment,
  TaskEndpointAssignment,
  TraceAnswer,
  TraceQuestion,
} from '../../model/index.ts';

export interface OverlayState {
  /** This host; undefined until the node is in a cluster. */
  readonly self: HostAssignment | undefined;
  readonly dataPathPort: number;
  readonly networks: ReadonlyMap<string, NetworkAssignment>;
  readonly hosts: ReadonlyMap<string, HostAssignment>;
  /** Keys `${networkId}/${serviceId}`. */
  readonly services: ReadonlyMap<string, ServiceEndpointAssignment>;
  /** Keys `${networkId}/${taskId}`. */
  readonly endpoints: ReadonlyMap<string, TaskEndpointAssignment>;
}

export interface TaskNamespace {
  /** Path of the namespace for the OCI spec; undefined = the host's own (predefined network "host"). */
  readonly path: string | undefined;
  readonly hosts: readonly { readonly address: string; readonly names: readonly string[] }[];
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Something a user should read, e.g. "port 8080/tcp is held by another program on this host". */
export interface OverlayProblem {
  readonly serviceId?: string;
  readonly networkId?: string;
  readonly message: string;
}

export interface Overlay {
  /**
   * Adopts what an earlier process left in the kernel; call once before anything else. Nothing is
   * changed before the first `update`.
   */
  start(): Promise<void>;
  /** Takes the new desired state; returns at once, work is done in the background, latest state wins. */
  update(state: OverlayState): void;
  /** Resolves when everything handed in before the call is in the kernel and in the names. */
  settled(): Promise<void>;
  /**
   * As `settled`, once nothing of it has failed that others might send through: only then a host may
   * say that it acts on what it was told. What fails is tried again meanwhile, without a limit.
   */
  applied(): Promise<void>;
  /**
   * Makes or finds the namespace of a task; repeatable; `update` must have been called (also on a
   * node outside of any cluster) and have brought its networks, else it fails with `unavailable`.
   * Fails with `conflict` when a port of the task's own is held by another program.
   */
  attach(task: TaskAssignment): Promise<TaskNamespace>;
  detach(taskId: string): Promise<void>;
  problems(): readonly OverlayProblem[];
  /** What this host has to say about the way to or from one of its tasks. */
  trace(question: TraceQuestion): Promise<TraceAnswer>;
  /** Public keys that other hosts need for encrypted networks; undefined where they can't be. */
  encryption(): HostEncryption | undefined;
  /** `changed` is called when `encryption` has another answer: the cluster has to be told again. */
  onEncryption(changed: () => void): void;
  /** Stops working but leaves the kernel as it is, so that running tasks keep their connections. */
  stop(): Promise<void>;
  /** Removes everything from the kernel (the node left the cluster); the next `update` begins anew. */
  removeAll(): Promise<void>;
}
