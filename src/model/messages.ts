// Messages between agents and dispatchers, as proto/dispatcher.proto has them. Exactly one field of an
// AgentMessage or DispatcherMessage is set.

export interface AgentMessage {
  readonly register?: Register;
  readonly heartbeat?: Readonly<Record<string, never>>;
  readonly statuses?: { readonly reports: readonly TaskStatusReport[] };
  /** Kernel and resolver have what the set of this index says. */
  readonly applied?: { readonly index: number };
  /** Asks to be told when no host sends anything new to a task that is to stop. */
  readonly withdraw?: { readonly taskId: string };
  /** The node leaves the cluster: the manager ends the session once that is recorded. */
  readonly leaving?: Readonly<Record<string, never>>;
}

export interface Register {
  /** JSON NodeDescription. */
  readonly description: string;
  readonly address: string;
  readonly dataPathAddress: string;
  readonly lastEpoch: number;
  readonly lastIndex: number;
}

export interface TaskStatusReport {
  readonly taskId: string;
  /** JSON TaskStatus. */
  readonly status: string;
  readonly sequence: number;
}

export interface DispatcherMessage {
  readonly registered?: { readonly epoch: number; readonly heartbeatPeriodMs: number };
  readonly heartbeat?: Readonly<Record<string, never>>;
  readonly assignments?: AssignmentsMessage;
  readonly news?: ClusterNews;
  /** `missing`: node ids of the hosts that did not say in time that they send it nothing new. */
  readonly withdrawn?: { readonly taskId: string; readonly missing: readonly string[] };
}

export interface ClusterNews {
  readonly managers: readonly string[];
  readonly rootCertificates: string;
  readonly dataPathPort: number;
  readonly heartbeatPeriodMs: number;
  readonly role: string;
  readonly blacklist: readonly string[];
}

export interface AssignmentsMessage {
  readonly complete: boolean;
  readonly appliesTo: number;
  readonly resultsIn: number;
  readonly index: number;
  readonly updates: readonly AssignmentItem[];
  readonly removes: readonly { readonly kind: string; readonly key: string }[];
}

export interface AssignmentItem {
  readonly kind: string;
  readonly key: string;
  /** JSON. */
  readonly body: string;
}
