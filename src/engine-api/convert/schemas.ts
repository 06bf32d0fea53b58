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
  string,
  stringMap,
  strings,
} from './wire-schema.ts';

const amounts = object({ NanoCPUs: integer, MemoryBytes: integer, Pids: integer });
const file = object({ Name: string, UID: string, GID: string, Mode: integer }, ['Name']);

const mount = object(
  {
    Type: oneOf('bind', 'volume', 'tmpfs'),
    Source: string,
    Target: string,
    ReadOnly: boolean,
    BindOptions: object({ Propagation: string, NonRecursive: boolean }),
    VolumeOptions: object({
      NoCopy: boolean,
      Labels: stringMap,
      DriverConfig: object({ Name: string, Options: stringMap }),
    }),
    TmpfsOptions: object({ SizeBytes: integer, Mode: integer }),
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
    Privileges: { type: 'object' },
    Init: boolean,
    StopSignal: string,
    TTY: boolean,
    OpenStdin: boolean,
    ReadOnly: boolean,
    Mounts: list(mount),
    StopGracePeriod: duration,
    Healthcheck: healthcheck,
    Hosts: strings,
    DNSConfig: object({ Nameservers: strings, Search: strings, Options: strings }),
    Secrets: list(object({ SecretID: string, SecretName: string, File: file }, ['SecretID'])),
    Configs: list(object({ ConfigID: string, ConfigName: string, File: file }, ['ConfigID'])),
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
    Resources: object({ Limits: amounts, Reservations: amounts }),
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
    Runtime: string,
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
      ReplicatedJob: object({}),
      GlobalJob: object({}),
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
    Scope: string,
    Options: stringMap,
    Labels: stringMap,
    IPAM: object({
      Driver: string,
      Config: list(object({ Subnet: string, Gateway: string, IPRange: string })),
    }),
  },
  ['Name'],
);

export const SECRET_SPEC_SCHEMA = object({ Name: string, Labels: stringMap, Data: string }, [
  'Name',
]);

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
  CAConfig: object({ NodeCertExpiry: duration }),
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

export const VOLUME_CREATE_SCHEMA = object({ Name: string, Driver: string, Labels: stringMap });
