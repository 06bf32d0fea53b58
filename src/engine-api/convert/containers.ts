// Containers in the shapes of GET /containers/json and GET /containers/{id}/json. Pure: the image's own
// configuration and where volumes lie come in. Go clients dereference without asking: all is filled.
import type { ContainerDescription, Mount, PortConfig } from '../../model/index.ts';
import {
  environmentOf,
  hostConfig,
  labelsOf,
  networkMode,
  portBindings,
  processOf,
  type ImageDefaults,
} from './container-config.ts';
import { networkSettings } from './container-endpoints.ts';
import { statusText } from './container-status.ts';
import { timeText } from './objects.ts';

/** Mountpoint by volume name. */
export type VolumePlaces = ReadonlyMap<string, string>;

const SHORT_ID = 12;
const EVERYWHERE = '0.0.0.0';

/** An entry of `docker ps`. */
export function containerSummary(
  container: ContainerDescription,
  image: ImageDefaults,
  now: number,
): object {
  const { path, args } = processOf(container.config.spec, image);
  const quoted = args.map((arg) => (arg.includes(' ') ? `'${arg}'` : arg));
  return {
    Id: container.id,
    Names: [`/${container.name}`],
    Image: container.config.spec.Image,
    ImageID: container.imageId,
    Command: [path, ...quoted].join(' '),
    Created: Math.floor(container.createdAt / 1000),
    Ports: portList(container, image),
    Labels: labelsOf(container.config.spec, image),
    State: container.state,
    Status: statusText(container, now),
    HostConfig: { NetworkMode: networkMode(container.config) },
    NetworkSettings: { Networks: networkSettings(container).Networks },
    Mounts: mountPoints(container, image, new Map()),
  };
}

/** `docker inspect`. */
export function containerToApi(
  container: ContainerDescription,
  image: ImageDefaults,
  places: VolumePlaces,
): object {
  const { config } = container;
  const { path, args } = processOf(config.spec, image);
  return {
    Id: container.id,
    Created: timeText(container.createdAt),
    Path: path,
    Args: args,
    State: stateToApi(container),
    Image: container.imageId,
    ResolvConfPath: '',
    HostnamePath: '',
    HostsPath: '',
    LogPath: '',
    Name: `/${container.name}`,
    RestartCount: container.restartCount,
    Driver: 'overlayfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: null,
    HostConfig: hostConfig(config),
    GraphDriver: { Name: 'overlayfs', Data: null },
    Mounts: mountPoints(container, image, places),
    Config: configToApi(container, image),
    NetworkSettings: {
      Bridge: '',
      SandboxID: '',
      SandboxKey: '',
      Ports: openPorts(container, image),
      ...networkSettings(container),
    },
  };
}

function stateToApi(container: ContainerDescription): object {
  const { state, health } = container;
  return {
    Status: state,
    // Docker counts one that waits for its restart as running.
    Running: isUp(container),
    Paused: false,
    Restarting: state === 'restarting',
    OOMKilled: container.oomKilled,
    Dead: false,
    Pid: container.pid,
    ExitCode: container.exitCode,
    Error: container.error,
    StartedAt: timeText(container.startedAt),
    FinishedAt: timeText(container.finishedAt),
    ...(health === undefined ? {} : { Health: { Status: health, FailingStreak: 0, Log: [] } }),
  };
}

/** Docker's "is it running?". */
export function isUp({ state }: ContainerDescription): boolean {
  return state === 'running' || state === 'restarting';
}

function configToApi(container: ContainerDescription, image: ImageDefaults): object {
  const { spec, ports } = container.config;
  const { entrypoint, cmd } = processOf(spec, image);
  const exposed = [...Object.keys(image.ExposedPorts ?? {}), ...ports.map(portKey)];
  const anonymous = (spec.Mounts ?? []).filter(isAnonymous).map(({ Target }) => Target);
  const volumes = [...Object.keys(image.Volumes ?? {}), ...anonymous];
  const grace = spec.StopGracePeriod;
  const stopSignal = spec.StopSignal ?? image.StopSignal;
  const health = spec.Healthcheck ?? image.Healthcheck;
  return {
    Hostname: spec.Hostname ?? container.id.slice(0, SHORT_ID),
    Domainname: '',
    User: spec.User ?? image.User ?? '',
    AttachStdin: false,
    AttachStdout: true,
    AttachStderr: true,
    ...(exposed.length > 0 ? { ExposedPorts: keys(exposed) } : {}),
    Tty: spec.TTY ?? false,
    OpenStdin: false,
    StdinOnce: false,
    Env: environmentOf(spec, image),
    Cmd: cmd,
    ...(health ? { Healthcheck: health } : {}),
    Image: spec.Image,
    Volumes: volumes.length > 0 ? keys(volumes) : null,
    WorkingDir: spec.Dir ?? image.WorkingDir ?? '',
    Entrypoint: entrypoint,
    OnBuild: null,
    Labels: labelsOf(spec, image),
    ...(stopSignal ? { StopSignal: stopSignal } : {}),
    ...(grace === undefined ? {} : { StopTimeout: Math.round(grace / 1e9) }),
  };
}

const portKey = (port: PortConfig): string => `${port.TargetPort}/${port.Protocol}`;

const keys = (names: readonly string[]): object =>
  Object.fromEntries(names.map((name) => [name, {}]));

/** What is open, then what the image only exposes. */
function portList(container: ContainerDescription, image: ImageDefaults): object[] {
  if (!isUp(container)) return [];
  const { ports } = container;
  return [
    ...ports.map((port) => ({
      IP: port.HostIP ?? EVERYWHERE,
      PrivatePort: port.TargetPort,
      PublicPort: port.PublishedPort ?? 0,
      Type: port.Protocol,
    })),
    ...exposedOnly(container, image).map((key) => {
      const [number = '', type = 'tcp'] = key.split('/');
      return { PrivatePort: Number(number), Type: type };
    }),
  ];
}

function exposedOnly({ ports }: ContainerDescription, image: ImageDefaults): string[] {
  const open = new Set(ports.map(portKey));
  return Object.keys(image.ExposedPorts ?? {}).filter((key) => !open.has(key));
}

function openPorts(container: ContainerDescription, image: ImageDefaults): object {
  if (!isUp(container)) return {};
  const closed = exposedOnly(container, image).map((key) => [key, null] as const);
  return { ...Object.fromEntries(closed), ...portBindings(container.ports, EVERYWHERE) };
}

function isAnonymous(mount: Mount): boolean {
  return isVolume(mount) && (mount.Source ?? '') === '';
}

const isVolume = ({ Type = 'volume' }: Mount): boolean => Type === 'volume';

/** Two ways to write one place are the same. */
const place = (target: string): string => target.split('/').filter(Boolean).join('/');

/** The image's volumes come after those that were asked for. */
function mountPoints(
  container: ContainerDescription,
  image: ImageDefaults,
  places: VolumePlaces,
): object[] {
  const asked = container.config.spec.Mounts ?? [];
  const taken = new Set(asked.map(({ Target }) => place(Target)));
  const own = Object.keys(image.Volumes ?? {})
    .filter((target) => !taken.has(place(target)))
    .map((Target): Mount => ({ Type: 'volume', Target }));
  const named = new Set(asked.filter(isVolume).map(({ Source = '' }) => Source));
  const anonymous = container.volumes.filter((name) => !named.has(name));
  return [...asked, ...own].map((mount) => {
    if (!isVolume(mount)) return plainMount(mount);
    const name = mount.Source || (anonymous.shift() ?? '');
    return {
      Type: 'volume',
      Name: name,
      Source: places.get(name) ?? '',
      Destination: mount.Target,
      Driver: 'local',
      Mode: mount.ReadOnly === true ? 'ro' : '',
      RW: mount.ReadOnly !== true,
      Propagation: '',
    };
  });
}

function plainMount(mount: Mount): object {
  const bind = mount.Type === 'bind';
  return {
    Type: mount.Type,
    Source: mount.Source ?? '',
    Destination: mount.Target,
    Mode: mount.ReadOnly === true ? 'ro' : '',
    RW: mount.ReadOnly !== true,
    Propagation: bind ? mount.BindOptions?.Propagation || 'rprivate' : '',
  };
}
