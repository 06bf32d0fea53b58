// Gets a task's container ready: image, network, files, volumes, secrets, spec and record. Steps
// that don't need one another run together; all of them may be repeated.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { SwarmError, ifPresent, type Logger } from '../../base/index.ts';
import { unlessAborted } from '../../base/async/index.ts';
import { logPlan, signalNumber, type ContainerSpec } from '../../model/index.ts';
import type { TaskContext, TaskNamespace, TaskNetworking } from '../runtime/index.ts';
import type { Image, ImageConfig, ImageStore } from '../images/index.ts';
import type { VolumeStore } from '../volumes/index.ts';
import { isNotFound, type MountMessage } from '../containerd/index.ts';
import type { ContainerKey, Containers } from './containers.ts';
import { healthPlan, listenPlan } from '../health/index.ts';
import { LayeredFiles, USER_FILES, checkMountedFiles } from '../rootfs/index.ts';
import { hostsFile, resolvFile } from './network-files.ts';
import { ociSpec, resolveUser, type HostFacts, type OciMount, type OciUser } from '../oci/index.ts';
import type { PayloadDirectory } from './payloads.ts';
import type { ContainerPlan, TaskDirectories } from './task-directory.ts';
import { taskMounts } from './task-mounts.ts';
import { expandedSpec, taskName } from './templates.ts';

const DEFAULT_GRACE_MS = 10_000;
const NS_PER_MS = 1e6;
/** Characters of the container's id that make its default hostname, as in Docker. */
const HOSTNAME_LENGTH = 12;
const MAX_HOSTNAME_LENGTH = 63;

export interface PreparationOptions {
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  readonly networking: TaskNetworking;
  readonly containers: Containers;
  readonly payloads: PayloadDirectory;
  readonly directories: TaskDirectories;
  readonly host: HostFacts;
  readonly logger: Logger;
}

export interface Prepared {
  readonly plan: ContainerPlan;
  readonly rootfs: readonly MountMessage[];
}

/** The id of a task's container: always the same, so that it is found again without a list. */
export function containerIdOf(taskId: string): string {
  return createHash('sha256').update(`tsswarm task ${taskId}`).digest('hex');
}

/** What is given up when a task goes meanwhile. */
export const WHAT = 'preparation';

/**
 * Makes the container, not started. Rejects with what the user is to read. When `signal` aborts it ends
 * soon, and begins nothing more; what it has made by then is the caller's to remove.
 */
export async function prepareContainer(
  key: ContainerKey,
  context: TaskContext,
  options: PreparationOptions,
  signal?: AbortSignal,
): Promise<Prepared> {
  const { containers, directories, host } = options;
  const { spec: service } = context.revision;
  const spec = expandedSpec(context);
  const log = logPlan(service.TaskTemplate.LogDriver);
  const image = await findImage(spec.Image, context, options, signal);
  unlessAborted(signal, WHAT);
  const config = image.file.config ?? {};
  await directories.of(context.task.id).make();
  const [namespace, rootfs, payloads] = await together([
    options.networking.attach(context.task),
    snapshot(key, image, options),
    options.payloads.write(context),
  ]);
  unlessAborted(signal, WHAT);
  const files = new LayeredFiles(rootfs);
  const hostname = hostnameOf(spec, key, namespace, host);
  const [user, storage, own] = await together([
    findUser(spec, config, files),
    taskMounts(context.task.id, spec.Mounts ?? [], config, files, options.volumes, {
      recursive: host.recursiveReadOnly,
      signal,
    }),
    writeNetworkFiles(key, spec, namespace, hostname),
  ]);
  await checkMountedFiles(storage.mounts);
  unlessAborted(signal, WHAT);
  const health = healthPlan(spec.Healthcheck, config.Healthcheck, config.Shell);
  const ports = listenPlan(service.EndpointSpec?.Ports ?? [], config.ExposedPorts);
  const plan: ContainerPlan = {
    containerId: key.containerId,
    imageId: image.id,
    image: spec.Image,
    name: taskName(context),
    labels: containerLabels(context),
    stopSignal: signalNumber(spec.StopSignal || config.StopSignal),
    gracePeriodMs:
      spec.StopGracePeriod === undefined ? DEFAULT_GRACE_MS : spec.StopGracePeriod / NS_PER_MS,
    ...(health === undefined ? {} : { health }),
    ...(health !== undefined || ports === undefined ? {} : { listens: ports }),
    volumes: storage.volumes,
    terminal: spec.TTY ?? false,
    ...(log === undefined ? {} : { log }),
  };
  await key.directory.writePlan(plan);
  await containers.create(key, {
    spec: ociSpec({
      containerId: key.containerId,
      spec,
      resources: service.TaskTemplate.Resources,
      image: config,
      user,
      hostname,
      networkPath: namespace.path,
      mounts: [...own, ...storage.mounts, ...payloads],
      host,
    }),
    image: spec.Image,
    labels: {},
  });
  return { plan, rootfs };
}

/**
 * Like Promise.all, but waits for all even when one fails, so that nothing goes on behind our
 * back.
 */
async function together<T extends readonly unknown[]>(work: {
  readonly [K in keyof T]: Promise<T[K]>;
}): Promise<T> {
  await Promise.allSettled(work);
  return (await Promise.all(work)) as unknown as T;
}

/**
 * A local image is used as it is: names were resolved to digests when the service was made, and a
 * name without a digest is one that no registry knew.
 */
async function findImage(
  name: string,
  context: TaskContext,
  { images, logger }: PreparationOptions,
  signal: AbortSignal | undefined,
): Promise<Image> {
  const local = await images.resolve(name);
  if (local !== undefined) return local;
  logger.info({ image: name, task: context.task.id }, 'pulling image');
  try {
    return await images.pull(name, { auth: context.revision.registryAuth, signal });
  } catch (error) {
    if (!(error instanceof SwarmError) || !error.temporary || signal?.aborted) throw error;
    // Nobody answers. As in Docker the task is rejected, which its user sees; the restart policy
    // brings the next try.
    throw new SwarmError('notFound', `No such image: ${name} (${error.message})`, { cause: error });
  }
}

async function snapshot(
  key: ContainerKey,
  image: Image,
  { containers, images }: PreparationOptions,
): Promise<readonly MountMessage[]> {
  try {
    return await containers.prepareSnapshot(key, image.chainId);
  } catch (error) {
    // The image's layers were collected or never unpacked: make them again.
    if (!isNotFound(error)) throw error;
    await images.unpack(image);
    return containers.prepareSnapshot(key, image.chainId);
  }
}

async function findUser(
  spec: ContainerSpec,
  image: ImageConfig,
  files: LayeredFiles,
): Promise<OciUser> {
  const user = spec.User || image.User || '';
  // Also for who names no user: the runtime reads both files in any case, and would wait for a FIFO.
  const [passwd, group] = await Promise.all(USER_FILES.map((path) => files.readText(path)));
  return resolveUser(user, spec.Groups ?? [], passwd ?? '', group ?? '');
}

function hostnameOf(
  spec: ContainerSpec,
  key: ContainerKey,
  namespace: TaskNamespace,
  host: HostFacts,
): string {
  if (spec.Hostname !== undefined && spec.Hostname !== '') {
    if (spec.Hostname.length > MAX_HOSTNAME_LENGTH) {
      throw new SwarmError(
        'invalid',
        `invalid hostname ${spec.Hostname}: longer than ${MAX_HOSTNAME_LENGTH} characters`,
      );
    }
    return spec.Hostname;
  }
  return namespace.path === undefined ? host.hostname : key.containerId.slice(0, HOSTNAME_LENGTH);
}

async function writeNetworkFiles(
  key: ContainerKey,
  spec: ContainerSpec,
  namespace: TaskNamespace,
  hostname: string,
): Promise<readonly OciMount[]> {
  const usesHostResolver = namespace.path === undefined && namespace.nameservers.length === 0;
  const resolv =
    usesHostResolver && (spec.DNSConfig?.Nameservers ?? []).length === 0
      ? ((await ifPresent(fs.readFile('/etc/resolv.conf', 'utf8'))) ?? '')
      : resolvFile(namespace, spec.DNSConfig);
  const sources = await Promise.all([
    key.directory.writeFile('hosts', hostsFile(namespace, spec, hostname)),
    key.directory.writeFile('hostname', `${hostname}\n`),
    key.directory.writeFile('resolv.conf', resolv),
  ]);
  return ['/etc/hosts', '/etc/hostname', '/etc/resolv.conf'].map((destination, i) => ({
    destination,
    type: 'bind',
    source: sources[i] ?? '',
    options: ['rbind', 'rprivate'],
  }));
}

/** Labels as Docker's Swarm sets them, over those of the service's container spec. */
function containerLabels(context: TaskContext): Record<string, string> {
  const { task, revision, container } = context;
  const own = revision.spec.TaskTemplate.ContainerSpec.Labels ?? {};
  if (container !== undefined) return own;
  return {
    ...own,
    'com.docker.swarm.node.id': task.nodeId,
    'com.docker.swarm.service.id': task.serviceId,
    'com.docker.swarm.service.name': task.serviceName,
    'com.docker.swarm.task': '',
    'com.docker.swarm.task.id': task.id,
    'com.docker.swarm.task.name': taskName(context),
  };
}
