// A container's configuration back in Docker's words, as `docker inspect` shows it: what the user said
// over what the image says. Pure.
import type { ContainerConfig, ContainerSpec, Mount, PortConfig } from '../../model/index.ts';
import { SHM_BYTES, SHM_TARGET } from './container-mounts.ts';

/** `Config` of an image, as far as it counts for its containers. */
export interface ImageDefaults {
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly User?: string;
  readonly WorkingDir?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>> | null;
  readonly Volumes?: Readonly<Record<string, object>> | null;
  readonly Healthcheck?: object | null;
  readonly StopSignal?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

export interface ContainerProcess {
  readonly path: string;
  readonly args: readonly string[];
  readonly entrypoint: readonly string[] | null;
  readonly cmd: readonly string[] | null;
}

/** Docker's rule: an entrypoint of the user's drops the image's command. */
export function processOf(spec: ContainerSpec, image: ImageDefaults): ContainerProcess {
  const own = (spec.Command ?? []).length > 0;
  const entrypoint = (own ? spec.Command : image.Entrypoint) ?? [];
  const args = spec.Args ?? [];
  const cmd = args.length > 0 || own ? args : (image.Cmd ?? []);
  const [path = '', ...rest] = [...entrypoint, ...cmd];
  return {
    path,
    args: rest,
    entrypoint: entrypoint.length > 0 ? entrypoint : null,
    cmd: cmd.length > 0 ? cmd : null,
  };
}

export function labelsOf(spec: ContainerSpec, image: ImageDefaults): Record<string, string> {
  return { ...image.Labels, ...spec.Labels };
}

/** The user's variables, then those of the image that the user left as they are. */
export function environmentOf(spec: ContainerSpec, image: ImageDefaults): string[] {
  const name = (entry: string): string => entry.split('=')[0] ?? '';
  const own = spec.Env ?? [];
  const names = new Set(own.map(name));
  return [...own, ...(image.Env ?? []).filter((entry) => !names.has(name(entry)))];
}

export function networkMode({ networks }: ContainerConfig): string {
  return networks[0]?.target ?? 'bridge';
}

/** `anywhere`: how a port that is open at every address is written. */
export function portBindings(
  ports: readonly PortConfig[],
  anywhere: string,
): Record<string, object[]> {
  const bindings: Record<string, object[]> = {};
  for (const { TargetPort, Protocol, HostIP = anywhere, PublishedPort } of ports) {
    const list = (bindings[`${TargetPort}/${Protocol}`] ??= []);
    list.push({ HostIp: HostIP, HostPort: PublishedPort ? String(PublishedPort) : '' });
  }
  return bindings;
}

export function hostConfig(config: ContainerConfig): object {
  const { spec, limits, logDriver, restart } = config;
  const shm = (spec.Mounts ?? []).find(isShm)?.TmpfsOptions?.SizeBytes ?? SHM_BYTES;
  const mounts = (spec.Mounts ?? []).filter((mount) => !isShm(mount) && !isAnonymous(mount));
  const binds = mounts.filter(isBind);
  const others = mounts.filter((mount) => !isBind(mount));
  return {
    Binds: binds.length > 0 ? binds.map(bindText) : null,
    ContainerIDFile: '',
    LogConfig: { Type: logDriver?.Name ?? 'json-file', Config: logDriver?.Options ?? {} },
    NetworkMode: networkMode(config),
    PortBindings: portBindings(config.ports, ''),
    RestartPolicy: { Name: restart.name, MaximumRetryCount: restart.maximumRetries },
    AutoRemove: config.autoRemove,
    VolumeDriver: '',
    VolumesFrom: null,
    ConsoleSize: [0, 0],
    CapAdd: spec.CapabilityAdd ?? null,
    CapDrop: spec.CapabilityDrop ?? null,
    CgroupnsMode: 'private',
    Dns: spec.DNSConfig?.Nameservers ?? [],
    DnsOptions: spec.DNSConfig?.Options ?? [],
    DnsSearch: spec.DNSConfig?.Search ?? [],
    ExtraHosts: spec.Hosts?.map(extraHost) ?? null,
    GroupAdd: spec.Groups ?? null,
    IpcMode: 'private',
    Cgroup: '',
    Links: null,
    OomScoreAdj: spec.OomScoreAdj ?? 0,
    PidMode: '',
    Privileged: false,
    PublishAllPorts: false,
    ReadonlyRootfs: spec.ReadOnly ?? false,
    SecurityOpt: securityOptions(spec),
    UTSMode: '',
    UsernsMode: '',
    ShmSize: shm,
    ...(spec.Sysctls === undefined ? {} : { Sysctls: spec.Sysctls }),
    Runtime: 'runc',
    Isolation: '',
    CpuShares: 0,
    Memory: limits?.MemoryBytes ?? 0,
    NanoCpus: limits?.NanoCPUs ?? 0,
    CgroupParent: '',
    CpuPeriod: 0,
    CpuQuota: 0,
    CpusetCpus: '',
    CpusetMems: '',
    Devices: [],
    DeviceCgroupRules: null,
    DeviceRequests: null,
    MemoryReservation: 0,
    MemorySwap: 0,
    MemorySwappiness: null,
    OomKillDisable: false,
    PidsLimit: limits?.Pids ?? null,
    Ulimits: spec.Ulimits ?? [],
    ...(others.length > 0 ? { Mounts: others } : {}),
    ...(spec.Init === undefined ? {} : { Init: spec.Init }),
  };
}

function isShm({ Type, Target }: Mount): boolean {
  return Type === 'tmpfs' && Target === SHM_TARGET;
}

function isAnonymous({ Type = 'volume', Source = '', VolumeOptions }: Mount): boolean {
  return Type === 'volume' && Source === '' && VolumeOptions === undefined;
}

/** Whether `-v` can say it. */
function isBind({ Type = 'volume', Source = '', BindOptions, VolumeOptions }: Mount): boolean {
  if (Type === 'bind') return BindOptions?.NonRecursive !== true;
  const { Labels, DriverConfig } = VolumeOptions ?? {};
  const plain = Labels === undefined && DriverConfig === undefined;
  return Type === 'volume' && Source !== '' && plain;
}

function bindText(mount: Mount): string {
  const modes = [
    ...(mount.ReadOnly === true ? ['ro'] : []),
    ...(mount.VolumeOptions?.NoCopy === true ? ['nocopy'] : []),
    ...(mount.BindOptions?.Propagation ? [mount.BindOptions.Propagation] : []),
  ];
  const place = `${mount.Source ?? ''}:${mount.Target}`;
  return modes.length > 0 ? `${place}:${modes.join(',')}` : place;
}

/** "ip host" → "host:ip". */
function extraHost(line: string): string {
  const [address = '', host = ''] = line.split(' ');
  return `${host}:${address}`;
}

function securityOptions({ Privileges: privileges = {} }: ContainerSpec): string[] | null {
  const options = [
    ...(privileges['NoNewPrivileges'] === true ? ['no-new-privileges'] : []),
    ...(privileges['Seccomp'] === undefined ? [] : ['seccomp=unconfined']),
  ];
  return options.length > 0 ? options : null;
}
