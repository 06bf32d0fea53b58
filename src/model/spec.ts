// What users ask for, in the very shape of Docker's Engine API (names, units: durations in
// nanoseconds, CPUs in nano-CPUs, bytes as base64). Specs are stored as they were accepted, so that
// no second model can lose a field on the way; unknown fields were dropped at the border.

export interface Annotations {
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>>;
}

export interface ServiceSpec extends Annotations {
  readonly TaskTemplate: TaskSpec;
  readonly Mode: ServiceMode;
  readonly UpdateConfig?: UpdateConfig;
  readonly RollbackConfig?: UpdateConfig;
  readonly EndpointSpec?: EndpointSpec;
}

/** Exactly one of the fields is set (checked at the border). */
export interface ServiceMode {
  readonly Replicated?: { readonly Replicas: number };
  readonly Global?: Readonly<Record<string, never>>;
}

export interface TaskSpec {
  readonly ContainerSpec: ContainerSpec;
  readonly Resources?: {
    readonly Limits?: ResourceAmounts;
    readonly Reservations?: ResourceAmounts;
  };
  readonly RestartPolicy?: RestartPolicy;
  readonly Placement?: Placement;
  readonly Networks?: readonly NetworkAttachmentConfig[];
  readonly LogDriver?: {
    readonly Name?: string;
    readonly Options?: Readonly<Record<string, string>>;
  };
  readonly ForceUpdate?: number;
  readonly Runtime?: string;
}

export interface ResourceAmounts {
  readonly NanoCPUs?: number;
  readonly MemoryBytes?: number;
  /** Limits only. */
  readonly Pids?: number;
}

export interface RestartPolicy {
  readonly Condition?: 'none' | 'on-failure' | 'any';
  readonly Delay?: number;
  readonly MaxAttempts?: number;
  readonly Window?: number;
}

export interface Placement {
  readonly Constraints?: readonly string[];
  readonly Preferences?: readonly { readonly Spread?: { readonly SpreadDescriptor: string } }[];
  readonly MaxReplicas?: number;
  readonly Platforms?: readonly { readonly Architecture?: string; readonly OS?: string }[];
}

export interface NetworkAttachmentConfig {
  /** Network id (stored form; names are resolved at the border). */
  readonly Target: string;
  readonly Aliases?: readonly string[];
  readonly DriverOpts?: Readonly<Record<string, string>>;
}

export interface ContainerSpec {
  readonly Image: string;
  readonly Labels?: Readonly<Record<string, string>>;
  /** Replaces the image's entrypoint. */
  readonly Command?: readonly string[];
  /** Replaces the image's command. */
  readonly Args?: readonly string[];
  readonly Hostname?: string;
  readonly Env?: readonly string[];
  readonly Dir?: string;
  readonly User?: string;
  readonly Groups?: readonly string[];
  readonly Privileges?: Readonly<Record<string, unknown>>;
  readonly Init?: boolean;
  readonly StopSignal?: string;
  readonly TTY?: boolean;
  readonly OpenStdin?: boolean;
  readonly ReadOnly?: boolean;
  readonly Mounts?: readonly Mount[];
  readonly StopGracePeriod?: number;
  readonly Healthcheck?: Healthcheck;
  /** Lines "ip host [host …]". */
  readonly Hosts?: readonly string[];
  readonly DNSConfig?: {
    readonly Nameservers?: readonly string[];
    readonly Search?: readonly string[];
    readonly Options?: readonly string[];
  };
  readonly Secrets?: readonly SecretReference[];
  readonly Configs?: readonly ConfigReference[];
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly CapabilityAdd?: readonly string[];
  readonly CapabilityDrop?: readonly string[];
  readonly Ulimits?: readonly {
    readonly Name: string;
    readonly Soft: number;
    readonly Hard: number;
  }[];
  readonly OomScoreAdj?: number;
}

export interface Mount {
  readonly Type?: 'bind' | 'volume' | 'tmpfs';
  readonly Source?: string;
  readonly Target: string;
  readonly ReadOnly?: boolean;
  readonly BindOptions?: {
    readonly Propagation?: string;
    readonly NonRecursive?: boolean;
    /** A directory of the host that is missing is made (`docker run -v`). */
    readonly CreateMountpoint?: boolean;
  };
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean;
    readonly Labels?: Readonly<Record<string, string>>;
    readonly DriverConfig?: {
      readonly Name?: string;
      readonly Options?: Readonly<Record<string, string>>;
    };
  };
  readonly TmpfsOptions?: { readonly SizeBytes?: number; readonly Mode?: number };
}

export interface Healthcheck {
  /** [], ["NONE"], ["CMD", …] or ["CMD-SHELL", line]; absent or empty means the image's own. */
  readonly Test?: readonly string[];
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly Retries?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
}

export interface FileTarget {
  readonly Name: string;
  readonly UID?: string;
  readonly GID?: string;
  readonly Mode?: number;
}

export interface SecretReference {
  readonly SecretID: string;
  readonly SecretName: string;
  readonly File?: FileTarget;
}

export interface ConfigReference {
  readonly ConfigID: string;
  readonly ConfigName: string;
  readonly File?: FileTarget;
}

export interface UpdateConfig {
  /** Slots at a time; 0 means all. */
  readonly Parallelism: number;
  readonly Delay?: number;
  readonly FailureAction?: 'pause' | 'continue' | 'rollback';
  readonly Monitor?: number;
  readonly MaxFailureRatio?: number;
  readonly Order?: 'stop-first' | 'start-first';
}

export interface EndpointSpec {
  readonly Mode?: 'vip' | 'dnsrr';
  readonly Ports?: readonly PortConfig[];
}

export interface PortConfig {
  readonly Name?: string;
  readonly Protocol: 'tcp' | 'udp' | 'sctp';
  readonly TargetPort: number;
  /** Absent or 0: the allocator chooses one of 30000–32767. */
  readonly PublishedPort?: number;
  readonly PublishMode: 'ingress' | 'host';
  /**
   * The port is open at this address of a node alone, e.g. 127.0.0.1 (a field of our own; Docker's API
   * has none). Absent: at every address.
   */
  readonly HostIP?: string;
}

export interface NodeSpec {
  readonly Name?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Role: 'worker' | 'manager';
  readonly Availability: 'active' | 'pause' | 'drain';
}

export interface NetworkSpec extends Annotations {
  readonly Driver: string;
  readonly Internal?: boolean;
  readonly Attachable?: boolean;
  readonly Ingress?: boolean;
  readonly EnableIPv6?: boolean;
  readonly Options?: Readonly<Record<string, string>>;
  readonly IPAM?: {
    readonly Driver?: string;
    readonly Config?: readonly {
      readonly Subnet?: string;
      readonly Gateway?: string;
      readonly IPRange?: string;
    }[];
  };
}

export interface SecretSpec extends Annotations {
  /** Base64; present only in requests and in the payload record. */
  readonly Data?: string;
}

export type ConfigSpec = SecretSpec;

/** The cluster-wide settings of `docker swarm update`. */
export interface ClusterSpec extends Annotations {
  readonly Orchestration: { readonly TaskHistoryRetentionLimit: number };
  readonly Raft: {
    readonly SnapshotInterval: number;
    readonly KeepOldSnapshots: number;
    readonly LogEntriesForSlowFollowers: number;
    readonly ElectionTick: number;
    readonly HeartbeatTick: number;
  };
  readonly Dispatcher: { readonly HeartbeatPeriod: number };
  readonly CAConfig: { readonly NodeCertExpiry: number };
  readonly EncryptionConfig: { readonly AutoLockManagers: boolean };
}
