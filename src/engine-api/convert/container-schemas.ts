// The body of POST /containers/create as far as it is used: schema and type. What we don't have is in
// container-refusals.ts; all else is dropped, as Docker ignores what it does not know.
import type { ContainerRestartPolicy, Healthcheck } from '../../model/index.ts';
import { ENDPOINT_REFUSALS } from './container-refusals.ts';
import {
  boolean,
  healthcheck,
  integer,
  list,
  object,
  string,
  stringMap,
  strings,
} from './schemas.ts';

/** Docker takes a single string for a list of one. */
export type Words = string | readonly string[];

export interface MountBody {
  readonly Type?: string;
  readonly Source?: string;
  readonly Target?: string;
  readonly ReadOnly?: boolean;
  readonly BindOptions?: {
    readonly Propagation?: string;
    readonly NonRecursive?: boolean;
    readonly ReadOnlyForceRecursive?: boolean;
  };
  readonly VolumeOptions?: {
    readonly NoCopy?: boolean;
    readonly Labels?: Readonly<Record<string, string>>;
    readonly DriverConfig?: {
      readonly Name?: string;
      readonly Options?: Readonly<Record<string, string>>;
    };
    readonly Subpath?: string;
  };
  readonly TmpfsOptions?: {
    readonly SizeBytes?: number;
    readonly Mode?: number;
    readonly Options?: readonly (readonly string[])[];
  };
}

export interface EndpointBody {
  readonly IPAMConfig?: {
    readonly IPv4Address?: string;
    readonly IPv6Address?: string;
    readonly LinkLocalIPs?: readonly string[];
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
  readonly PublishAllPorts?: boolean;
  readonly RestartPolicy?: { readonly Name?: string; readonly MaximumRetryCount?: number };
  readonly AutoRemove?: boolean;
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
const mapOf = (values: object): object => ({ type: 'object', additionalProperties: values });
const keys = mapOf({ type: 'object' });

const mount = object({
  Type: string,
  Source: string,
  Target: string,
  ReadOnly: boolean,
  BindOptions: object({
    Propagation: string,
    NonRecursive: boolean,
    ReadOnlyForceRecursive: boolean,
  }),
  VolumeOptions: object({
    NoCopy: boolean,
    Labels: stringMap,
    DriverConfig: object({ Name: string, Options: stringMap }),
    Subpath: string,
  }),
  TmpfsOptions: object({ SizeBytes: integer, Mode: integer, Options: list(strings) }),
});

const endpoint = object({
  IPAMConfig: object({ IPv4Address: string, IPv6Address: string, LinkLocalIPs: strings }),
  Aliases: strings,
  // Kept for the refusals to see.
  ...Object.fromEntries(Object.keys(ENDPOINT_REFUSALS).map((field) => [field, {}])),
});

const hostConfig = object({
  Binds: strings,
  Mounts: list(mount),
  Tmpfs: stringMap,
  LogConfig: object({ Type: string, Config: stringMap }),
  NetworkMode: string,
  PortBindings: mapOf(list(object({ HostIp: string, HostPort: string }))),
  PublishAllPorts: boolean,
  RestartPolicy: object({ Name: string, MaximumRetryCount: integer }),
  AutoRemove: boolean,
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
});
