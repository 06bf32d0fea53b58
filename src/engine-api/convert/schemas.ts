// Schemas of the request bodies about the cluster, for types and enumerations; the meaning is checked by
// the managers.
import {
  boolean,
  duration,
  integer,
  list,
  number,
  object,
  oneOf,
  only,
  refused,
  string,
  stringMap,
  strings,
} from './wire-schema.ts';

const JOBS = 'use replicated or global';
const NOT_MOUNTABLE = 'use a bind, volume or tmpfs';
const LEAVE_OUT = 'leave it out';
const DEFAULT_LIMITS = 'set MemoryBytes alone';

const amounts = {
  NanoCPUs: integer,
  MemoryBytes: integer,
  Pids: integer,
  SwapBytes: refused(DEFAULT_LIMITS),
  MemorySwappiness: refused(DEFAULT_LIMITS, { harmless: [-1] }),
};
const reservations = {
  ...amounts,
  GenericResources: refused('label the nodes that have them and use a placement constraint'),
};
const file = object({ Name: string, UID: string, GID: string, Mode: integer }, ['Name']);

export const mount = object(
  {
    Type: only(['bind', 'volume', 'tmpfs'], NOT_MOUNTABLE),
    Source: string,
    Target: string,
    ReadOnly: boolean,
    // Of Docker's virtual machines: stored, and nothing to do on Linux.
    Consistency: string,
    BindOptions: object({
      Propagation: string,
      NonRecursive: boolean,
      CreateMountpoint: boolean,
      ReadOnlyNonRecursive: boolean,
      ReadOnlyForceRecursive: boolean,
    }),
    VolumeOptions: object({
      NoCopy: boolean,
      Labels: stringMap,
      DriverConfig: object({ Name: string, Options: stringMap }),
      Subpath: refused('mount the whole volume'),
    }),
    TmpfsOptions: object({ SizeBytes: integer, Mode: integer, Options: refused(LEAVE_OUT) }),
    ImageOptions: refused(NOT_MOUNTABLE),
    ClusterOptions: refused(NOT_MOUNTABLE),
  },
  ['Target'],
);

export const healthcheck = object({
  Test: strings,
  Interval: duration,
  Timeout: duration,
  Retries: integer,
  StartPeriod: duration,
  StartInterval: duration,
});

const containerSpec = object(
  {
    Image: string,
    Labels: stringMap,
    Command: strings,
    Args: strings,
    Hostname: string,
    Env: strings,
    Dir: string,
    User: string,
    Groups: strings,
    Privileges: object({
      CredentialSpec: refused('it is for Windows; leave it out'),
      SELinuxContext: object({
        Disable: boolean,
        ...Object.fromEntries(
          ['User', 'Role', 'Type', 'Level'].map((name) => [
            name,
            refused('leave it out: there are no labels here'),
          ]),
        ),
      }),
      Seccomp: object({ Mode: string, Profile: refused('use the mode default or unconfined') }),
      AppArmor: object({ Mode: string }),
      NoNewPrivileges: boolean,
    }),
    Init: boolean,
    // Comes back as "default" from everybody.
    Isolation: refused('it is for Windows; leave it out', { harmless: ['default'] }),
    StopSignal: string,
    TTY: boolean,
    OpenStdin: boolean,
    ReadOnly: boolean,
    Mounts: list(mount),
    StopGracePeriod: duration,
    Healthcheck: healthcheck,
    Hosts: strings,
    DNSConfig: object({ Nameservers: strings, Search: strings, Options: strings }),
    Secrets: list(
      object({ SecretID: string, SecretName: string, File: file }, ['SecretID', 'SecretName']),
    ),
    Configs: list(
      object(
        {
          ConfigID: string,
          ConfigName: string,
          File: file,
          Runtime: refused('name a File that the task reads it from', { evenEmpty: true }),
        },
        ['ConfigID', 'ConfigName'],
      ),
    ),
    Sysctls: stringMap,
    CapabilityAdd: strings,
    CapabilityDrop: strings,
    Ulimits: list(object({ Name: string, Soft: integer, Hard: integer }, ['Name', 'Soft', 'Hard'])),
    OomScoreAdj: integer,
  },
  ['Image'],
);

const updateConfig = object({
  Parallelism: integer,
  Delay: duration,
  FailureAction: oneOf('pause', 'continue', 'rollback', ''),
  Monitor: duration,
  MaxFailureRatio: number,
  Order: oneOf('stop-first', 'start-first', ''),
});

const attachment = object({ Target: string, Aliases: strings, DriverOpts: stringMap }, ['Target']);

const taskTemplate = object(
  {
    ContainerSpec: containerSpec,
    Resources: object({ Limits: object(amounts), Reservations: object(reservations) }),
    RestartPolicy: object({
      Condition: oneOf('none', 'on-failure', 'any', ''),
      Delay: duration,
      MaxAttempts: integer,
      Window: duration,
    }),
    Placement: object({
      Constraints: strings,
      Preferences: list(
        object({ Spread: object({ SpreadDescriptor: string }, ['SpreadDescriptor']) }),
      ),
      MaxReplicas: integer,
      Platforms: list(object({ Architecture: string, OS: string })),
    }),
    Networks: list(attachment),
    LogDriver: object({ Name: string, Options: stringMap }),
    ForceUpdate: integer,
    Runtime: only(['container'], 'tasks are containers; leave it out'),
    PluginSpec: refused('there are no plugins; give a ContainerSpec'),
    NetworkAttachmentSpec: refused('attach containers with docker run --network'),
  },
  ['ContainerSpec'],
);

export const SERVICE_SPEC_SCHEMA = object(
  {
    Name: string,
    Labels: stringMap,
    TaskTemplate: taskTemplate,
    Mode: object({
      Replicated: object({ Replicas: integer }),
      Global: object({}),
      ReplicatedJob: refused(JOBS, { evenEmpty: true }),
      GlobalJob: refused(JOBS, { evenEmpty: true }),
    }),
    UpdateConfig: updateConfig,
    RollbackConfig: updateConfig,
    Networks: list(attachment),
    EndpointSpec: object({
      Mode: oneOf('vip', 'dnsrr', ''),
      Ports: list(
        object(
          {
            Name: string,
            Protocol: oneOf('tcp', 'udp', 'sctp', ''),
            TargetPort: integer,
            PublishedPort: integer,
            PublishMode: oneOf('ingress', 'host', ''),
            HostIP: string,
          },
          ['TargetPort'],
        ),
      ),
    }),
  },
  ['TaskTemplate'],
);

export const NODE_SPEC_SCHEMA = object({
  Name: string,
  Labels: stringMap,
  Role: string,
  Availability: string,
});

export const NETWORK_CREATE_SCHEMA = object(
  {
    Name: string,
    Driver: string,
    Internal: boolean,
    Attachable: boolean,
    Ingress: boolean,
    EnableIPv6: boolean,
    EnableIPv4: boolean,
    Scope: refused('networks of this driver are of the whole cluster', { harmless: ['swarm'] }),
    ConfigOnly: refused('make the network itself'),
    ConfigFrom: refused('say its settings'),
    Options: stringMap,
    Labels: stringMap,
    IPAM: object({
      Driver: refused('the managers give out addresses', { harmless: ['default'] }),
      Options: refused(LEAVE_OUT),
      Config: list(
        object({
          Subnet: string,
          Gateway: string,
          IPRange: refused('name a smaller subnet'),
          AuxiliaryAddresses: refused('name a subnet without them'),
        }),
      ),
    }),
  },
  ['Name'],
);

export const SECRET_SPEC_SCHEMA = object(
  {
    Name: string,
    Labels: stringMap,
    Data: string,
    Driver: refused('give the data itself'),
    Templating: refused('templates are expanded in variables, hostname and mounts alone'),
  },
  ['Name'],
);

export const CLUSTER_SPEC_SCHEMA = object({
  Name: string,
  Labels: stringMap,
  Orchestration: object({ TaskHistoryRetentionLimit: integer }),
  Raft: object({
    SnapshotInterval: integer,
    KeepOldSnapshots: integer,
    LogEntriesForSlowFollowers: integer,
    ElectionTick: integer,
    HeartbeatTick: integer,
  }),
  Dispatcher: object({ HeartbeatPeriod: duration }),
  CAConfig: object({
    NodeCertExpiry: duration,
    ExternalCAs: refused('the managers sign certificates themselves'),
    SigningCACert: refused('the root certificate cannot be replaced'),
    SigningCAKey: refused('the root certificate cannot be replaced'),
    ForceRotate: refused('the root certificate cannot be replaced'),
  }),
  TaskDefaults: refused('name the log driver in each service'),
  EncryptionConfig: object({ AutoLockManagers: boolean }),
});

export const INIT_SCHEMA = object({
  ListenAddr: string,
  AdvertiseAddr: string,
  DataPathAddr: string,
  DataPathPort: integer,
  DefaultAddrPool: strings,
  SubnetSize: integer,
  ForceNewCluster: boolean,
  AutoLockManagers: boolean,
  Availability: oneOf('active', 'pause', 'drain', ''),
  Spec: CLUSTER_SPEC_SCHEMA,
});

export const JOIN_SCHEMA = object({
  ListenAddr: string,
  AdvertiseAddr: string,
  DataPathAddr: string,
  RemoteAddrs: strings,
  JoinToken: string,
  Availability: oneOf('active', 'pause', 'drain', ''),
});

export const VOLUME_CREATE_SCHEMA = object({
  Name: string,
  Driver: string,
  DriverOpts: stringMap,
  Labels: stringMap,
  ClusterVolumeSpec: refused('use the driver local'),
});
