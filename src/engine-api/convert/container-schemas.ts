// The body of POST /containers/create: schema, and the type of what is used of it. What we don't have is
// in container-refusals.ts.
import type { ContainerRestartPolicy, Healthcheck } from '../../model/index.ts';
import { CONFIG_REFUSALS, ENDPOINT_REFUSALS, HOST_REFUSALS } from './container-refusals.ts';
import { healthcheck, mount } from './schemas.ts';
import {
  boolean,
  integer,
  list,
  mapOf,
  object,
  refused,
  refusedFields,
  string,
  stringMap,
  strings,
} from './wire-schema.ts';

/** Docker takes a single string for a list of one. */
export type Words = string | readonly string[];

export interface MountBody {
  readonly Type?: string;
  readonly Source?: string;
  readonly Target?: string;
  readonly ReadOnly?: boolean;
  readonly Consistency?: string;
  readonly BindOptions?: {
    readonly Propagation?: string;
    readonly NonRecursive?: boolean;
    readonly CreateMountpoint?: boolean;
    readonly ReadOnlyNonRecursive?: boolean;
    readonly ReadOnlyForceRecursive?: boolean;
  };
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean;
    readonly Labels?: Readonly<Record<string, string>>;
    readonly DriverConfig?: {
      readonly Name?: string;
      readonly Options?: Readonly<Record<string, string>>;
    };
  };
  readonly TmpfsOptions?: {
    readonly SizeBytes?: number;
    readonly Mode?: number;
  };
}

export interface EndpointBody {
  readonly IPAMConfig?: {
    readonly IPv4Address?: string;
    readonly IPv6Address?: string;
  };
  readonly Aliases?: readonly string[];
}

export interface PortBindingBody {
  readonly HostIp?: string;
  readonly HostPort?: string;
}

export interface HostConfigBody {
  readonly Binds?: readonly string[];
  readonly Mounts?: readonly MountBody[];
  readonly Tmpfs?: Readonly<Record<string, string>>;
  readonly LogConfig?: {
    readonly Type?: string;
    readonly Config?: Readonly<Record<string, string>>;
  };
  readonly NetworkMode?: string;
  readonly PortBindings?: Readonly<Record<string, readonly PortBindingBody[]>>;
  readonly RestartPolicy?: { readonly Name?: string; readonly MaximumRetryCount?: number };
  readonly AutoRemove?: boolean;
  readonly ConsoleSize?: readonly number[];
  readonly CapAdd?: readonly string[];
  readonly CapDrop?: readonly string[];
  readonly Dns?: readonly string[];
  readonly DnsSearch?: readonly string[];
  readonly DnsOptions?: readonly string[];
  readonly ExtraHosts?: readonly string[];
  readonly GroupAdd?: readonly string[];
  readonly Init?: boolean;
  readonly OomScoreAdj?: number;
  readonly ReadonlyRootfs?: boolean;
  readonly SecurityOpt?: readonly string[];
  readonly ShmSize?: number;
  readonly Sysctls?: Readonly<Record<string, string>>;
  readonly Ulimits?: readonly {
    readonly Name: string;
    readonly Soft: number;
    readonly Hard: number;
  }[];
  readonly Memory?: number;
  readonly NanoCpus?: number;
  readonly CpuQuota?: number;
  readonly CpuPeriod?: number;
  readonly PidsLimit?: number;
}

export interface ContainerBody {
  readonly Image?: string;
  readonly Cmd?: Words;
  readonly Entrypoint?: Words;
  readonly Env?: readonly string[];
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Hostname?: string;
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly Tty?: boolean;
  readonly StopSignal?: string;
  readonly StopTimeout?: number;
  readonly Healthcheck?: Healthcheck;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly HostConfig?: HostConfigBody;
  readonly NetworkingConfig?: {
    readonly EndpointsConfig?: Readonly<Record<string, EndpointBody>>;
  };
}

export const RESTART_POLICIES: readonly ContainerRestartPolicy['name'][] = [
  'no',
  'always',
  'on-failure',
  'unless-stopped',
];

const words = { anyOf: [string, strings] };
const keys = mapOf(object({}));

const endpoint = object({
  IPAMConfig: object({
    IPv4Address: string,
    IPv6Address: string,
    LinkLocalIPs: refused('leave out --link-local-ip'),
  }),
  Aliases: strings,
  ...refusedFields(ENDPOINT_REFUSALS),
});

const hostConfig = object({
  Binds: strings,
  Mounts: list(mount),
  Tmpfs: stringMap,
  LogConfig: object({ Type: string, Config: stringMap }),
  NetworkMode: string,
  PortBindings: mapOf(list(object({ HostIp: string, HostPort: string }))),
  RestartPolicy: object({ Name: string, MaximumRetryCount: integer }),
  AutoRemove: boolean,
  ConsoleSize: list(integer),
  CapAdd: strings,
  CapDrop: strings,
  Dns: strings,
  DnsSearch: strings,
  DnsOptions: strings,
  ExtraHosts: strings,
  GroupAdd: strings,
  Init: boolean,
  OomScoreAdj: integer,
  ReadonlyRootfs: boolean,
  SecurityOpt: strings,
  ShmSize: integer,
  Sysctls: stringMap,
  Ulimits: list(object({ Name: string, Soft: integer, Hard: integer }, ['Name', 'Soft', 'Hard'])),
  Memory: integer,
  NanoCpus: integer,
  CpuQuota: integer,
  CpuPeriod: integer,
  PidsLimit: integer,
  ...refusedFields(HOST_REFUSALS),
});

export const CONTAINER_CREATE_SCHEMA = object({
  Image: string,
  Cmd: words,
  Entrypoint: words,
  Env: strings,
  Labels: stringMap,
  Hostname: string,
  User: string,
  WorkingDir: string,
  Tty: boolean,
  StopSignal: string,
  StopTimeout: integer,
  Healthcheck: healthcheck,
  Volumes: keys,
  ExposedPorts: keys,
  HostConfig: hostConfig,
  NetworkingConfig: object({ EndpointsConfig: mapOf(endpoint) }),
  ...refusedFields(CONFIG_REFUSALS),
});
