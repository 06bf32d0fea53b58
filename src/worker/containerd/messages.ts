// The messages of containerd's API as this project uses them (see proto/containerd). Requests may
// leave fields out; responses always carry them, with protobuf's defaults.

/** google.protobuf.Any; the library that comes with its definition keeps this name as it is. */
export interface AnyMessage {
  readonly type_url: string;
  readonly value: Uint8Array;
}

/** google.protobuf.Timestamp; null where containerd has not set it. */
export interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}

export interface DescriptorMessage {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface MountMessage {
  readonly type: string;
  readonly source: string;
  readonly target?: string;
  readonly options: readonly string[];
}

export interface ContentInfo {
  readonly digest: string;
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface WriteRequest {
  readonly action: 'STAT' | 'WRITE' | 'COMMIT';
  readonly ref?: string;
  readonly total?: number;
  readonly expected?: string;
  readonly offset?: number;
  readonly data?: Uint8Array;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface WriteResponse {
  readonly action: 'STAT' | 'WRITE' | 'COMMIT';
  readonly offset: number;
  readonly total: number;
  readonly digest: string;
}

export interface ImageMessage {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly target: DescriptorMessage;
  readonly createdAt?: Timestamp | null;
  readonly updatedAt?: Timestamp | null;
}

export interface SnapshotInfo {
  readonly name: string;
  readonly parent: string;
  readonly kind: 'UNKNOWN' | 'VIEW' | 'ACTIVE' | 'COMMITTED';
  readonly labels: Readonly<Record<string, string>>;
}

export interface ContainerMessage {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly image: string;
  readonly runtime: { readonly name: string; readonly options?: AnyMessage | null } | null;
  readonly spec: AnyMessage | null;
  readonly snapshotter: string;
  readonly snapshotKey: string;
  readonly createdAt?: Timestamp | null;
}

export interface ProcessMessage {
  readonly containerId: string;
  readonly id: string;
  readonly pid: number;
  readonly status: 'UNKNOWN' | 'CREATED' | 'RUNNING' | 'STOPPED' | 'PAUSED' | 'PAUSING';
  readonly exitStatus: number;
  readonly exitedAt: Timestamp | null;
}

export interface DeleteResponse {
  readonly id: string;
  readonly pid: number;
  readonly exitStatus: number;
  readonly exitedAt: Timestamp | null;
}

export interface Envelope {
  readonly namespace: string;
  readonly topic: string;
  readonly event: AnyMessage | null;
}

export interface TaskExitEvent {
  readonly containerId: string;
  readonly id: string;
  readonly pid: number;
  readonly exitStatus: number;
  readonly exitedAt: Timestamp | null;
}

export interface RuncOptions {
  readonly shimCgroup?: string;
  readonly binaryName?: string;
  readonly root?: string;
  readonly systemdCgroup?: boolean;
}
