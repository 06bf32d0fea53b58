// /_ping, /version and /info.
import { PREDEFINED_NETWORKS } from '../../model/index.ts';
import { clusterToApi } from '../convert/index.ts';
import {
  API_VERSION,
  API_VERSION_MIN,
  ok,
  type Reply,
  type Request,
  type Route,
} from '../http/index.ts';

export const systemRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/_ping', permission: 'system.read', handler: ping },
  { method: 'GET', pattern: '/version', permission: 'system.read', handler: version },
  { method: 'GET', pattern: '/info', permission: 'system.read', handler: info },
];

function ping({ backend }: Request): Reply {
  const cluster = backend.cluster();
  const state = cluster === undefined ? 'inactive' : `active/${cluster.role}`;
  return {
    status: 200,
    body: 'OK',
    headers: {
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'no-cache, no-store, must-revalidate',
      Pragma: 'no-cache',
      'Builder-Version': '1',
      Swarm: state,
    },
  };
}

function version({ backend: { facts } }: Request): Reply {
  return ok({
    Platform: { Name: 'tsswarm' },
    Components: [
      {
        Name: 'Engine',
        Version: facts.version,
        Details: {
          ApiVersion: API_VERSION,
          MinAPIVersion: API_VERSION_MIN,
          Os: 'linux',
          Arch: facts.architecture,
        },
      },
      { Name: 'containerd', Version: facts.containerdVersion, Details: {} },
    ],
    Version: facts.version,
    ApiVersion: API_VERSION,
    MinAPIVersion: API_VERSION_MIN,
    Os: 'linux',
    Arch: facts.architecture,
    KernelVersion: facts.kernelVersion,
    GitCommit: '',
    GoVersion: '',
    BuildTime: '',
  });
}

async function info({ backend }: Request): Promise<Reply> {
  const { facts } = backend;
  const counts = backend.containerCounts();
  const images = await backend.images.list();
  return ok({
    ID: facts.id,
    Name: facts.hostname,
    ServerVersion: facts.version,
    OperatingSystem: facts.operatingSystem,
    OSType: 'linux',
    OSVersion: '',
    Architecture: facts.architecture === 'amd64' ? 'x86_64' : 'aarch64',
    KernelVersion: facts.kernelVersion,
    NCPU: facts.cpus,
    MemTotal: facts.memoryBytes,
    Containers: counts.running + counts.stopped,
    ContainersRunning: counts.running,
    ContainersPaused: 0,
    ContainersStopped: counts.stopped,
    Images: images.length,
    Driver: 'overlayfs',
    DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']],
    LoggingDriver: 'json-file',
    CgroupDriver: facts.cgroupDriver,
    CgroupVersion: facts.cgroupVersion,
    DockerRootDir: facts.dataRoot,
    Plugins: {
      Volume: ['local'],
      Network: [...PREDEFINED_NETWORKS, 'overlay'],
      Log: ['json-file'],
    },
    Runtimes: { [facts.runtime]: { path: facts.runtime } },
    DefaultRuntime: facts.runtime,
    SecurityOptions: ['name=seccomp,profile=default'],
    RegistryConfig: {
      InsecureRegistryCIDRs: ['127.0.0.0/8'],
      IndexConfigs: Object.fromEntries(
        facts.insecureRegistries.map((name) => [
          name,
          { Name: name, Mirrors: [], Secure: false, Official: false },
        ]),
      ),
      Mirrors: [],
    },
    Labels: facts.labels,
    ExperimentalBuild: false,
    LiveRestoreEnabled: true,
    MemoryLimit: true,
    SwapLimit: true,
    PidsLimit: true,
    CPUShares: true,
    CPUSet: true,
    IPv4Forwarding: true,
    NFd: 0,
    NGoroutines: 0,
    SystemTime: '',
    NEventsListener: 0,
    InitBinary: '',
    ContainerdCommit: { ID: facts.containerdVersion },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    Warnings: backend.problems(),
    Swarm: swarmInfo(backend),
  });
}

function swarmInfo(backend: Request['backend']): object {
  const cluster = backend.cluster();
  const error = backend.clusterError() ?? '';
  if (cluster === undefined) {
    return {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: error === '' ? 'inactive' : 'error',
      ControlAvailable: false,
      Error: error,
      RemoteManagers: null,
    };
  }
  const { manager } = cluster;
  const stored = manager?.queries.cluster;
  const managers = (manager?.queries.list('node') ?? []).filter(
    (node) => node.manager !== undefined,
  );
  const remotes =
    managers.length > 0
      ? managers.map((node) => ({ NodeID: node.id, Addr: node.manager?.address ?? '' }))
      : cluster.managers.map((address) => ({ NodeID: '', Addr: address }));
  return {
    NodeID: cluster.nodeId,
    NodeAddr: cluster.nodeAddress,
    LocalNodeState: cluster.locks,
    ControlAvailable: manager !== undefined,
    Error: error,
    RemoteManagers: remotes,
    ...(manager ? { Nodes: manager.queries.count('node'), Managers: managers.length } : {}),
    ...(stored ? { Cluster: clusterToApi(stored, cluster.tls) } : {}),
  };
}
