// The daemon as the Engine API sees it: facts of the machine, images and volumes of the local engine,
// the cluster through the node.
import { readFile } from 'node:fs/promises';
import { cpus, hostname, release, totalmem } from 'node:os';
import { SwarmError, ifPresent } from '../base/index.ts';
import type {
  ClusterState,
  EngineBackend,
  EngineFacts,
  ImageBackend,
  LogLine,
  LogQuery,
  ManagerBackend,
  VolumeBackend,
} from '../engine-api/index.ts';
import { issuerInfo } from '../platform/index.ts';
import { type Manager, ClusterQueries } from '../manager/index.ts';
import type { ContainerdExecutor } from '../worker/tasks/index.ts';
import type { UserContainers } from '../worker/standalone/index.ts';
import { VERSION, checkAddresses, type DaemonConfig } from './config/index.ts';
import type { ClusterNode } from './cluster-node.ts';
import type { LocalEngine } from './local-engine.ts';
import { traceNetwork, askTrace, readRemoteLogs } from './services/index.ts';
import type { SwarmNode } from './node.ts';
import { containerBackend } from './user-containers.ts';

export async function createBackend(
  config: DaemonConfig,
  engine: LocalEngine,
  node: SwarmNode,
  containers: UserContainers,
): Promise<EngineBackend> {
  const facts = await readFacts(config);
  return {
    facts,
    images: imageBackend(engine.executor, facts.architecture),
    volumes: volumeBackend(engine.executor),
    containers: containerBackend(containers),
    cluster: () => (node.cluster === undefined ? undefined : clusterState(node.cluster)),
    clusterError: () => node.error,
    init: async (request) => {
      // A manager whose others are lost has its addresses already.
      if (!request.forceNewCluster || node.cluster === undefined) checkAddresses(request);
      return node.init(request);
    },
    join: async (request) => {
      checkAddresses(request);
      return node.join(request);
    },
    leave: (force) => node.leave(force),
    backup: (key) => node.backup(key),
    restore: async (request, file) => {
      checkAddresses(request);
      return node.restore(request, file);
    },
    containerCounts: () => {
      const tasks = [...(node.cluster?.agent?.tasks.values() ?? [])];
      const own = containers.counts();
      const running = tasks.filter(({ attachment }) => attachment === undefined).length;
      return { running: running + own.running, stopped: own.stopped };
    },
    problems: () => engine.overlay.problems().map((problem) => problem.message),
  };
}

async function readFacts(config: DaemonConfig): Promise<EngineFacts> {
  const osRelease = (await ifPresent(readFile('/etc/os-release', 'utf8'))) ?? '';
  const name = /^PRETTY_NAME="?(.*?)"?$/m.exec(osRelease)?.[1] ?? 'Linux';
  const machineId = (await ifPresent(readFile('/etc/machine-id', 'utf8'))) ?? '';
  const controllers = await ifPresent(readFile('/sys/fs/cgroup/cgroup.controllers', 'utf8'));
  const unified = controllers !== undefined;
  return {
    version: VERSION,
    id: machineId.trim(),
    hostname: config.hostname ?? hostname(),
    operatingSystem: name,
    kernelVersion: release(),
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    cpus: cpus().length,
    memoryBytes: totalmem(),
    dataRoot: config.dataRoot,
    cgroupDriver: 'cgroupfs',
    cgroupVersion: unified ? '2' : '1',
    runtime: config.runtime,
    containerdVersion: '',
    labels: Object.entries(config.labels).map(([key, value]) => `${key}=${value}`),
    insecureRegistries: config.insecureRegistries,
  };
}

function clusterState(node: ClusterNode): ClusterState {
  const { membership, manager } = node;
  const issuer = cachedIssuer(membership.rootCertificates);
  return {
    nodeId: membership.nodeId,
    nodeAddress: membership.advertise.host,
    clusterId: membership.clusterId,
    role: membership.role,
    managers: membership.managers,
    tls: { trustRoot: membership.rootCertificates, ...issuer },
    manager: manager?.caughtUp ? managerBackend(node, manager) : undefined,
    locks: manager?.caughtUp === true || node.agent?.connected === true ? 'active' : 'pending',
  };
}

/** Parsing a certificate takes as long as the rest of a request; the roots hardly ever change. */
let lastIssuer: { roots: string; info: ReturnType<typeof issuerInfo> } | undefined;

function cachedIssuer(roots: string): ReturnType<typeof issuerInfo> {
  if (lastIssuer?.roots !== roots) lastIssuer = { roots, info: issuerInfo(roots) };
  return lastIssuer.info;
}

function managerBackend(node: ClusterNode, manager: Manager): ManagerBackend {
  return {
    queries: new ClusterQueries(manager.view),
    submit: (principal, method, request) => manager.submit(principal, method, request),
    get leaderId() {
      return manager.consensus.status.leader?.nodeId;
    },
    reachability: (nodeId) => reachability(manager, nodeId),
    acknowledged: async () => {
      const { hosts } = await manager.forward('leader.acknowledged', {});
      return new Map(hosts.map(({ nodeId, index }) => [nodeId, index]));
    },
    trace: (request) =>
      traceNetwork(
        manager.view,
        (host, question) => askTrace(node.rpc.clients, host, question),
        request,
      ),
    taskLogs: (taskId, query, signal) => taskLogs(node, manager, taskId, query, signal),
    changes: (listener) => manager.store.watch(listener),
  };
}

/** The leader knows whom it hears; others only know that they have a leader. */
function reachability(manager: Manager, nodeId: string): 'unknown' | 'reachable' | 'unreachable' {
  const { status } = manager.consensus;
  const raftId = manager.view.get('node', nodeId)?.manager?.raftId;
  if (raftId === undefined) return 'unknown';
  if (raftId === status.raftId || raftId === status.leader?.raftId) return 'reachable';
  if (!status.isLeader) {
    return manager.view.get('node', nodeId)?.status.state === 'down' ? 'unreachable' : 'reachable';
  }
  return status.active.includes(raftId) ? 'reachable' : 'unreachable';
}

async function* taskLogs(
  node: ClusterNode,
  manager: Manager,
  taskId: string,
  query: LogQuery,
  signal: AbortSignal,
): AsyncIterable<LogLine> {
  const task = manager.view.get('task', taskId);
  const host = manager.view.get('node', task?.nodeId ?? '');
  if (host === undefined) {
    throw new SwarmError('notFound', `task ${taskId} is on no node of the cluster`);
  }
  const target = { nodeId: host.id, address: host.status.address };
  for await (const batch of readRemoteLogs(
    node.rpc.clients,
    target,
    { taskId, ...query },
    signal,
  )) {
    for (const { stream, time, text } of batch.lines)
      yield { stream: stream === 2 ? 2 : 1, time, text };
  }
}

function imageBackend(executor: ContainerdExecutor, architecture: string): ImageBackend {
  const { images } = executor;
  return {
    list: async () =>
      (await images.list()).map((image) => ({
        id: image.id,
        tags: image.repoTags,
        digests: image.repoDigests,
        createdAt: Date.parse(image.file.created ?? '') || image.taggedAt,
        size: image.size,
        labels: image.file.config?.Labels ?? {},
      })),
    inspect: async (reference) => {
      const image = await images.inspect(reference);
      return {
        Id: image.id,
        RepoTags: image.repoTags,
        RepoDigests: image.repoDigests,
        Parent: '',
        Comment: '',
        Created: image.file.created ?? new Date(image.taggedAt).toISOString(),
        Author: '',
        Config: image.file.config ?? {},
        Architecture: image.file.architecture ?? architecture,
        Os: image.file.os ?? 'linux',
        Size: image.size,
        RootFS: { Type: 'layers', Layers: image.file.rootfs?.diff_ids ?? [] },
        Metadata: { LastTagTime: new Date(image.taggedAt).toISOString() },
      };
    },
    pull: async (reference, { auth, platform }, progress) => {
      const [os = 'linux', arch] = platform?.split('/') ?? [];
      await images.pull(reference, {
        auth,
        ...(arch === undefined ? {} : { platform: { os, architecture: arch } }),
        onProgress: ({ id, status, current, total }) =>
          progress({
            status,
            ...(id === undefined ? {} : { id }),
            ...(current === undefined || total === undefined
              ? {}
              : { progressDetail: { current, total } }),
          }),
      });
    },
    load: async (archive, progress) => {
      for (const image of await images.load(archive)) {
        const names = image.names.length > 0 ? image.names : [undefined];
        for (const name of names) {
          progress({
            stream:
              name === undefined ? `Loaded image ID: ${image.id}\n` : `Loaded image: ${name}\n`,
          });
        }
      }
    },
    tag: (reference, newReference) => images.tag(reference, newReference),
    remove: async (reference) =>
      (await images.remove(reference)).map(({ untagged, deleted }) => ({
        ...(untagged === undefined ? {} : { Untagged: untagged }),
        ...(deleted === undefined ? {} : { Deleted: deleted }),
      })),
    distribution: async (reference, auth) => {
      const { descriptor, platforms } = await images.resolveDigest(reference, auth);
      const { mediaType, digest, size } = descriptor;
      return { Descriptor: { mediaType, digest, size }, Platforms: [...platforms] };
    },
  };
}

function volumeBackend(executor: ContainerdExecutor): VolumeBackend {
  const { volumes } = executor;
  return {
    list: () => volumes.list(),
    create: (name, labels, options) => volumes.create({ name, labels, options }),
    remove: (name) => volumes.remove(name),
  };
}
