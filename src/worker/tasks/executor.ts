// The executor on containerd: one object that the agent and the local API share. It starts or
// adopts containerd, keeps images, volumes and containers, and gives out a controller per task.
import { join } from 'node:path';
import { messageOf, type Clock, type Disk, type Logger, type Random } from '../../base/index.ts';
import {
  USER_CONTAINER_PREFIX,
  type ContainerRuntime,
  type Executor,
  type TaskContext,
  type TaskController,
  type TaskNetworking,
} from '../runtime/index.ts';
import { createImageStore, createRegistryClient, type ImageStore } from '../images/index.ts';
import { createVolumeStore, volumeDirectories, type VolumeStore } from '../volumes/index.ts';
import {
  ExitWatch,
  createContainerdClient,
  createHttpTransport,
  createImageBackend,
  ensureContainerd,
  isAlreadyExists,
  type ContainerdClient,
  type ContainerdProcess,
} from '../containerd/index.ts';
import { Containers, type ContainerKey } from './containers.ts';
import { createController, type ControllerOptions } from './controller.ts';
import type { HealthMonitor } from './health-monitor.ts';
import { describeNode, goArchitecture, readHostFacts, removeCgroupParents } from '../host/index.ts';
import { readTaskLogs, type LogLine, type LogOptions } from '../logs/index.ts';
import { PayloadDirectory } from './payloads.ts';
import { UserContainerRuntime } from './user-container-runtime.ts';
import { containerIdOf } from './preparation.ts';
import { TaskDirectories, type ContainerPlan } from './task-directory.ts';
import { removeAnonymousVolumes } from './task-mounts.ts';

const NAMESPACE = 'tsswarm';
const SNAPSHOTTER = 'overlayfs';
const DEFAULT_SHIM = 'io.containerd.runc.v2';
const DEFAULT_RUNTIME = 'runc';
const DEFAULT_CGROUP_PARENT = '/tsswarm';

export interface ContainerdExecutorOptions {
  /** Images, volumes, tasks; survives a reboot. */
  readonly dataDirectory: string;
  /** Sockets, pid files, secrets (on a tmpfs of their own). */
  readonly runDirectory: string;
  /** The built native/logger. Absolute. */
  readonly loggerPath: string;
  readonly networking: TaskNetworking;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  /** Shown as the engine's version. */
  readonly engineVersion: string;
  readonly engineLabels?: Readonly<Record<string, string>>;
  /** Default: the host's name. */
  readonly hostname?: string;
  /** Registries that may speak plain HTTP or show any certificate: "host:port". */
  readonly insecureRegistries?: readonly string[];
  /** Socket of a containerd that runs already; default: an own one is started or found again. */
  readonly containerdSocket?: string;
  /** Program of the own containerd; default `containerd` from the PATH. */
  readonly containerdBinary?: string;
  /** OCI runtime: name or path, default runc; `shim` is containerd's name for its driver. */
  readonly runtime?: { readonly shim?: string; readonly binary?: string };
  /** Parent of all containers' control groups, default /tsswarm. */
  readonly cgroupParent?: string;
  /** Init program for services that ask for one. */
  readonly initPath?: string;
  /** Folder of the proto files, where they are not beside the sources. */
  readonly protoDirectory?: string;
}

/** A container as it was planned, for lists of containers. */
export interface ContainerSummary extends ContainerPlan {
  readonly taskId: string;
}

export interface ContainerdExecutor extends Executor {
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  /** What runs containers of users. */
  readonly userContainers: ContainerRuntime;
  /** A task's output; with `follow` until its container is gone or the signal aborts. */
  logs(taskId: string, options?: LogOptions): AsyncIterable<LogLine>;
  /** The containers of tasks here, running or not. */
  containers(): Promise<readonly ContainerSummary[]>;
  /** Lets go of containerd; it and all containers go on. */
  close(): void;
  /**
   * Ends the own containerd too and unmounts what the executor mounted; containers must be gone.
   */
  shutdownRuntime(): Promise<void>;
}

/** Starts or adopts containerd and returns when it can be used. Rejects with `unavailable`. */
export async function createContainerdExecutor(
  options: ContainerdExecutorOptions,
): Promise<ContainerdExecutor> {
  const daemon = new OwnContainerd(options);
  const client = createContainerdClient({
    socketPath: options.containerdSocket ?? (await daemon.ensure()),
    namespace: NAMESPACE,
    protoDirectory: options.protoDirectory,
  });
  await makeNamespace(client);
  return new ExecutorOnContainerd(options, client, daemon, await ports(options, client, daemon));
}

/** The private containerd, started again whenever it is found dead; nothing with a foreign one. */
class OwnContainerd {
  readonly #options: ContainerdExecutorOptions;
  #process: ContainerdProcess | undefined;
  #closed = false;

  constructor(options: ContainerdExecutorOptions) {
    this.#options = options;
  }

  async ensure(): Promise<string> {
    const { dataDirectory, runDirectory, clock, logger, containerdBinary } = this.#options;
    this.#process = await ensureContainerd({
      dataDirectory,
      runDirectory,
      clock,
      logger,
      ...(containerdBinary === undefined ? {} : { binary: containerdBinary }),
    });
    return this.#process.socketPath;
  }

  async revive(): Promise<void> {
    if (!this.#closed && this.#options.containerdSocket === undefined) await this.ensure();
  }

  close(): void {
    this.#closed = true;
  }

  async stop(): Promise<void> {
    this.#closed = true;
    await this.#process?.stop();
  }
}

async function makeNamespace(client: ContainerdClient): Promise<void> {
  try {
    await client.namespaces.create({ namespace: { name: NAMESPACE } });
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
}

type Ports = Awaited<ReturnType<typeof ports>>;

async function ports(
  options: ContainerdExecutorOptions,
  client: ContainerdClient,
  daemon: OwnContainerd,
) {
  const { clock, random, logger } = options;
  const cgroupParent = options.cgroupParent ?? DEFAULT_CGROUP_PARENT;
  const { shim = DEFAULT_SHIM, binary } = options.runtime ?? {};
  const host = await readHostFacts({
    cgroupParent,
    initPath: options.initPath,
    runtime: binary ?? DEFAULT_RUNTIME,
  });
  const exits = new ExitWatch(client, { clock, random, logger, revive: () => daemon.revive() });
  const containers = new Containers({
    client,
    exits,
    clock,
    logger,
    snapshotter: SNAPSHOTTER,
    runtime: { shim, binary },
    cgroups: host.cgroups,
    cgroupParent,
    loggerPath: options.loggerPath,
  });
  const payloads = new PayloadDirectory(join(options.runDirectory, 'payloads'), logger);
  return { host, exits, containers, payloads };
}

class ExecutorOnContainerd implements ContainerdExecutor {
  readonly images: ImageStore;
  readonly volumes: VolumeStore;
  readonly userContainers: ContainerRuntime;
  readonly #options: ContainerdExecutorOptions;
  readonly #client: ContainerdClient;
  readonly #daemon: OwnContainerd;
  readonly #ports: Ports;
  readonly #http: ReturnType<typeof createHttpTransport>;
  readonly #directories: TaskDirectories;
  readonly #controllers: ControllerOptions;

  constructor(
    options: ContainerdExecutorOptions,
    client: ContainerdClient,
    daemon: OwnContainerd,
    parts: Ports,
  ) {
    const { clock, random, disk, logger, dataDirectory } = options;
    this.#options = options;
    this.#client = client;
    this.#daemon = daemon;
    this.#ports = parts;
    this.#http = createHttpTransport(`tsswarm/${options.engineVersion}`);
    this.#directories = new TaskDirectories(join(dataDirectory, 'tasks'));
    const backend = createImageBackend({ client, snapshotter: SNAPSHOTTER, clock });
    this.images = createImageStore({
      backend,
      registry: createRegistryClient({
        http: this.#http,
        clock,
        sha256: (content) => backend.sha256(content),
        insecureRegistries: options.insecureRegistries ?? [],
      }),
      platform: { os: 'linux', architecture: goArchitecture() },
      logger,
      clock,
      random,
      userOf: async (imageId) =>
        (await this.containers()).find((each) => each.imageId === imageId)?.containerId,
    });
    this.volumes = createVolumeStore({
      directories: volumeDirectories(join(dataDirectory, 'volumes'), disk),
      clock,
      logger,
      users: () => this.#volumeUsers(),
    });
    const { exits, containers, payloads, host } = parts;
    const { loggerPath, networking } = options;
    const { images, volumes } = this;
    const directories = this.#directories;
    this.#controllers = {
      containers,
      logger,
      monitors: new Map<string, HealthMonitor>(),
      preparation: {
        images,
        volumes,
        networking,
        containers,
        payloads,
        directories,
        host,
        logger,
      },
      health: { client, exits, clock, logger, loggerPath, scratch: payloads },
      removeTask: (taskId) => this.removeTask(taskId),
    };
    this.userContainers = new UserContainerRuntime({
      ...this.#controllers,
      key: (taskId) => this.#key(taskId),
      remove: (taskId, anonymous) => this.#remove(taskId, anonymous),
      logs: (taskId, requested) => this.logs(taskId, requested),
    });
  }

  async describe() {
    const { engineVersion, engineLabels, hostname } = this.#options;
    const { host } = this.#ports;
    const engine = { version: engineVersion, labels: engineLabels ?? {} };
    return describeNode(host, engine, hostname ?? host.hostname);
  }

  controller(context: TaskContext): TaskController {
    return createController(this.#key(context.task.id), context, this.#controllers);
  }

  async listTasks(): Promise<string[]> {
    const [directories, containers] = await Promise.all([
      this.#directories.list(),
      this.#ports.containers.taskIds(),
    ]);
    const all = new Set([...directories, ...containers]);
    return [...all].filter((id) => !id.startsWith(USER_CONTAINER_PREFIX));
  }

  removeTask(taskId: string): Promise<void> {
    return this.#remove(taskId, true);
  }

  /** `anonymous`: also the volumes that only this container had. */
  async #remove(taskId: string, anonymous: boolean): Promise<void> {
    const key = this.#key(taskId);
    this.#controllers.monitors.get(key.containerId)?.stop();
    this.#controllers.monitors.delete(key.containerId);
    await this.#ports.containers.remove(key);
    await this.#options.networking.detach(taskId);
    await this.#ports.payloads.remove(taskId);
    if (anonymous) await this.#forgetVolumes(key);
    await key.directory.remove();
  }

  logs(taskId: string, options: LogOptions = {}): AsyncIterable<LogLine> {
    const key = this.#key(taskId);
    return readTaskLogs(key.directory.logPath, options, {
      clock: this.#options.clock,
      isFinished: async () => {
        const { state } = await this.#ports.containers.observe(key);
        return state === 'exited' || state === 'absent';
      },
    });
  }

  async containers(): Promise<readonly ContainerSummary[]> {
    const taskIds = await this.#directories.list();
    const plans = await Promise.all(
      taskIds.map(async (taskId) => {
        const plan = await this.#directories.of(taskId).readPlan();
        return plan === undefined ? [] : [{ ...plan, taskId }];
      }),
    );
    return plans.flat();
  }

  close(): void {
    for (const monitor of this.#controllers.monitors.values()) monitor.stop();
    this.#controllers.monitors.clear();
    this.#daemon.close();
    this.#ports.exits.close();
    this.#http.close();
    this.#client.close();
  }

  async shutdownRuntime(): Promise<void> {
    this.close();
    await this.#daemon.stop();
    await this.#ports.payloads.unmount();
    await removeCgroupParents(this.#ports.host.cgroupParent);
  }

  #key(taskId: string): ContainerKey {
    const directory = this.#directories.of(taskId);
    return { taskId, containerId: containerIdOf(taskId), directory };
  }

  async #volumeUsers(): Promise<ReadonlyMap<string, readonly string[]>> {
    const users = new Map<string, string[]>();
    for (const { volumes, containerId } of await this.containers()) {
      for (const name of volumes) users.set(name, [...(users.get(name) ?? []), containerId]);
    }
    return users;
  }

  /** The record that says "in use" goes before the volumes that only this container had. */
  async #forgetVolumes(key: ContainerKey): Promise<void> {
    try {
      const plan = await key.directory.readPlan();
      if (plan === undefined || plan.volumes.length === 0) return;
      await key.directory.writePlan({ ...plan, volumes: [] });
      await removeAnonymousVolumes(key.taskId, this.volumes);
    } catch (error) {
      // One whose plan is damaged can be removed all the same; its volumes stay.
      const fields = { task: key.taskId, error: messageOf(error) };
      this.#options.logger.warn(fields, 'volumes of a removed container remain');
    }
  }
}
