// What users ask for, in the very shape of Docker's Engine API (names, units: durations in
// nanoseconds, CPUs in nano-CPUs, bytes as base64). Specs are stored as they were accepted, so that
// no second model can lose a field on the way; unknown fields were dropped at the border. The schemas
// say of which kind a field is and bound its size; which values make sense is checked when a spec is
// accepted (validate-service.ts and its siblings).
import {
  boolean,
  integer,
  list,
  map,
  number,
  oneOf,
  optional,
  present,
  record,
  text,
  unknown,
  type Decoded,
} from '../../base/index.ts';

/** Elements of any list in a spec. */
const LIST_MAX = 10_000;
/** Arguments of a command, environment: as long as the kernel takes. */
const LONG_TEXT = 2 * 1024 * 1024;
/** Nanoseconds in Docker's 64 bits: more than this runtime counts exactly, and exact enough. */
const duration = (): ReturnType<typeof integer> => integer(-(2 ** 63), 2 ** 63);
const strings = list(text(LONG_TEXT), LIST_MAX);
const stringMap = map(text(LONG_TEXT));

const annotations = { Name: text(), Labels: optional(stringMap) };

/** CPUs in 1e-9, memory in bytes. */
export const RESOURCE_AMOUNTS = record({
  NanoCPUs: optional(integer()),
  MemoryBytes: optional(integer()),
  /** Limits only. */
  Pids: optional(integer()),
});
/** See RESOURCE_AMOUNTS. */
export type ResourceAmounts = Decoded<typeof RESOURCE_AMOUNTS>;

const RESTART_POLICY = record({
  Condition: optional(oneOf('none', 'on-failure', 'any')),
  Delay: optional(duration()),
  MaxAttempts: optional(integer()),
  Window: optional(duration()),
});
/** When a task that ended is replaced; times in ns. */
export type RestartPolicy = Decoded<typeof RESTART_POLICY>;

const PLACEMENT = record({
  Constraints: optional(strings),
  Preferences: optional(
    list(record({ Spread: optional(record({ SpreadDescriptor: text() })) }), LIST_MAX),
  ),
  MaxReplicas: optional(integer()),
  Platforms: optional(
    list(record({ Architecture: optional(text()), OS: optional(text()) }), LIST_MAX),
  ),
});
/** Where tasks may be, and how they are spread. */
export type Placement = Decoded<typeof PLACEMENT>;

const NETWORK_ATTACHMENT_CONFIG = record({
  /** Network id (stored form; names are resolved at the border). */
  Target: text(),
  Aliases: optional(strings),
  DriverOpts: optional(stringMap),
});
/** A network that a service’s tasks are to be on. */
export type NetworkAttachmentConfig = Decoded<typeof NETWORK_ATTACHMENT_CONFIG>;

const MOUNT = record({
  Type: optional(oneOf('bind', 'volume', 'tmpfs')),
  Source: optional(text()),
  Target: text(),
  ReadOnly: optional(boolean()),
  /** Without a meaning on Linux; kept as Docker keeps it. */
  Consistency: optional(text()),
  BindOptions: optional(
    record({
      Propagation: optional(text()),
      NonRecursive: optional(boolean()),
      /** A directory of the host that is missing is made (`docker run -v`). */
      CreateMountpoint: optional(boolean()),
      /** Of a read-only one: what is mounted below it can be written to, or else the task fails. */
      ReadOnlyNonRecursive: optional(boolean()),
      ReadOnlyForceRecursive: optional(boolean()),
    }),
  ),
  VolumeOptions: optional(
    record({
      NoCopy: optional(boolean()),
      Labels: optional(stringMap),
      DriverConfig: optional(record({ Name: optional(text()), Options: optional(stringMap) })),
    }),
  ),
  TmpfsOptions: optional(record({ SizeBytes: optional(integer()), Mode: optional(integer()) })),
});
/** A bind, volume or tmpfs of a container; sizes in bytes. */
export type Mount = Decoded<typeof MOUNT>;

const HEALTHCHECK = record({
  /** [], ["NONE"], ["CMD", …] or ["CMD-SHELL", line]; absent or empty means the image's own. */
  Test: optional(strings),
  Interval: optional(duration()),
  Timeout: optional(duration()),
  Retries: optional(integer()),
  StartPeriod: optional(duration()),
  StartInterval: optional(duration()),
});
/** Docker’s health check; times in ns. */
export type Healthcheck = Decoded<typeof HEALTHCHECK>;

const FILE_TARGET = record({
  Name: text(),
  UID: optional(text()),
  GID: optional(text()),
  Mode: optional(integer()),
});
/** Where a secret or config appears in the container. */
export type FileTarget = Decoded<typeof FILE_TARGET>;

const SECRET_REFERENCE = record({
  SecretID: text(),
  SecretName: text(),
  File: optional(FILE_TARGET),
});
/** A secret that a service uses. */
export type SecretReference = Decoded<typeof SECRET_REFERENCE>;

const CONFIG_REFERENCE = record({
  ConfigID: text(),
  ConfigName: text(),
  File: optional(FILE_TARGET),
});
/** A config that a service uses. */
export type ConfigReference = Decoded<typeof CONFIG_REFERENCE>;

/** What the containers of a service are made from; times in ns. */
export const CONTAINER_SPEC = record({
  Image: text(),
  Labels: optional(stringMap),
  /** Replaces the image's entrypoint. */
  Command: optional(strings),
  /** Replaces the image's command. */
  Args: optional(strings),
  Hostname: optional(text()),
  Env: optional(strings),
  Dir: optional(text()),
  User: optional(text()),
  Groups: optional(strings),
  Privileges: optional(map(unknown())),
  Init: optional(boolean()),
  StopSignal: optional(text()),
  TTY: optional(boolean()),
  OpenStdin: optional(boolean()),
  ReadOnly: optional(boolean()),
  Mounts: optional(list(MOUNT, LIST_MAX)),
  StopGracePeriod: optional(duration()),
  Healthcheck: optional(HEALTHCHECK),
  /** Lines "ip host [host …]". */
  Hosts: optional(strings),
  DNSConfig: optional(
    record({
      Nameservers: optional(strings),
      Search: optional(strings),
      Options: optional(strings),
    }),
  ),
  Secrets: optional(list(SECRET_REFERENCE, LIST_MAX)),
  Configs: optional(list(CONFIG_REFERENCE, LIST_MAX)),
  Sysctls: optional(stringMap),
  CapabilityAdd: optional(strings),
  CapabilityDrop: optional(strings),
  Ulimits: optional(list(record({ Name: text(), Soft: integer(), Hard: integer() }), LIST_MAX)),
  OomScoreAdj: optional(integer()),
});
/** See CONTAINER_SPEC. */
export type ContainerSpec = Decoded<typeof CONTAINER_SPEC>;

const RESOURCES = record({
  Limits: optional(RESOURCE_AMOUNTS),
  Reservations: optional(RESOURCE_AMOUNTS),
});

/** Where a container’s output goes. */
export const LOG_DRIVER = record({ Name: optional(text()), Options: optional(stringMap) });

const TASK_SPEC = record({
  ContainerSpec: CONTAINER_SPEC,
  Resources: optional(RESOURCES),
  RestartPolicy: optional(RESTART_POLICY),
  Placement: optional(PLACEMENT),
  Networks: optional(list(NETWORK_ATTACHMENT_CONFIG, LIST_MAX)),
  LogDriver: optional(LOG_DRIVER),
  ForceUpdate: optional(integer()),
  Runtime: optional(text()),
});
/** What the tasks of a service are made from. */
export type TaskSpec = Decoded<typeof TASK_SPEC>;

/** Exactly one of the fields is set (checked at the border). */
const SERVICE_MODE = record({
  Replicated: optional(record({ Replicas: integer() })),
  Global: optional(present()),
});
/** Docker’s spelling of a service’s mode; see modeOf. */
export type ModeSpec = Decoded<typeof SERVICE_MODE>;

const UPDATE_CONFIG = record({
  /** Slots at a time; 0 means all. */
  Parallelism: integer(),
  Delay: optional(duration()),
  FailureAction: optional(oneOf('pause', 'continue', 'rollback')),
  Monitor: optional(duration()),
  MaxFailureRatio: optional(number()),
  Order: optional(oneOf('stop-first', 'start-first')),
});
/** How an update or a rollback goes on; times in ns. */
export type UpdateConfig = Decoded<typeof UPDATE_CONFIG>;

/** A published port. */
export const PORT_CONFIG = record({
  Name: optional(text()),
  Protocol: oneOf('tcp', 'udp', 'sctp'),
  TargetPort: integer(),
  /** Absent or 0: the allocator chooses one of 30000–32767. */
  PublishedPort: optional(integer()),
  PublishMode: oneOf('ingress', 'host'),
  /**
   * The port is open at this address of a node alone, e.g. 127.0.0.1 (a field of our own; Docker's API
   * has none). Absent: at every address.
   */
  HostIP: optional(text()),
});
/** See PORT_CONFIG. */
export type PortConfig = Decoded<typeof PORT_CONFIG>;

const ENDPOINT_SPEC = record({
  Mode: optional(oneOf('vip', 'dnsrr')),
  Ports: optional(list(PORT_CONFIG, LIST_MAX)),
});
/** How a service is reached. */
export type EndpointSpec = Decoded<typeof ENDPOINT_SPEC>;

/** Docker’s ServiceSpec. */
export const SERVICE_SPEC = record({
  ...annotations,
  TaskTemplate: TASK_SPEC,
  Mode: SERVICE_MODE,
  UpdateConfig: optional(UPDATE_CONFIG),
  RollbackConfig: optional(UPDATE_CONFIG),
  EndpointSpec: optional(ENDPOINT_SPEC),
});
/** See SERVICE_SPEC. */
export type ServiceSpec = Decoded<typeof SERVICE_SPEC>;

/** Docker’s NodeSpec. */
export const NODE_SPEC = record({
  Name: optional(text()),
  Labels: optional(stringMap),
  Role: oneOf('worker', 'manager'),
  Availability: oneOf('active', 'pause', 'drain'),
});
/** See NODE_SPEC. */
export type NodeSpec = Decoded<typeof NODE_SPEC>;

/** Docker’s request body of `network create`. */
export const NETWORK_SPEC = record({
  ...annotations,
  Driver: text(),
  Internal: optional(boolean()),
  Attachable: optional(boolean()),
  Ingress: optional(boolean()),
  EnableIPv6: optional(boolean()),
  Options: optional(stringMap),
  IPAM: optional(
    record({
      Driver: optional(text()),
      Config: optional(
        list(
          record({
            Subnet: optional(text()),
            Gateway: optional(text()),
            IPRange: optional(text()),
          }),
          LIST_MAX,
        ),
      ),
    }),
  ),
});
/** See NETWORK_SPEC. */
export type NetworkSpec = Decoded<typeof NETWORK_SPEC>;

/** Docker’s SecretSpec; `Data` is base64. */
export const SECRET_SPEC = record({
  ...annotations,
  /** Base64; present only in requests and in the payload record. */
  Data: optional(text(LONG_TEXT)),
});
/** See SECRET_SPEC. */
export type SecretSpec = Decoded<typeof SECRET_SPEC>;

/** Docker’s ConfigSpec: the same as that of a secret. */
export type ConfigSpec = SecretSpec;

/** The cluster-wide settings of `docker swarm update`. */
export const CLUSTER_SPEC = record({
  ...annotations,
  Orchestration: record({ TaskHistoryRetentionLimit: integer() }),
  Raft: record({
    SnapshotInterval: integer(),
    KeepOldSnapshots: integer(),
    LogEntriesForSlowFollowers: integer(),
    ElectionTick: integer(),
    HeartbeatTick: integer(),
  }),
  Dispatcher: record({ HeartbeatPeriod: duration() }),
  CAConfig: record({ NodeCertExpiry: duration() }),
  EncryptionConfig: record({ AutoLockManagers: boolean() }),
});
/** Docker’s swarm Spec; times in ns. */
export type ClusterSpec = Decoded<typeof CLUSTER_SPEC>;
