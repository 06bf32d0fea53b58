// The containers that users made on this machine: found by id or name, kept on disk one file each, and
// taken up again by a daemon that starts. What one of them does is in user-container.ts.
import { SerialQueue } from '../../base/async/index.ts';
import {
  SwarmError,
  messageOf,
  newId,
  type Clock,
  type Disk,
  type Logger,
  type Random,
} from '../../base/index.ts';
import type {
  ContainerAttachment,
  ContainerConfig,
  ContainerDescription,
  TaskNetwork,
  WaitCondition,
} from '../../model/index.ts';
import {
  USER_CONTAINER_PREFIX,
  type ContainerLogLine,
  type ContainerLogOptions,
  type ContainerRuntime,
  type TaskContext,
  type TaskController,
} from '../runtime/index.ts';
import type { ContainerNetworking } from './begin-run.ts';
import { chooseName } from './container-name.ts';
import { NetworkAttachments, type AskManagers } from './network-attachments.ts';
import { checkRecord, decodeRecord, encodeRecord, type ContainerRecord } from './record.ts';
import { UserContainer, type StopOptions } from './user-container.ts';

/** Of one machine. */
const CONTAINERS_MAX = 10_000;
const NAME_LENGTH_MAX = 255;

export interface UserContainersOptions {
  /** A file for each container. */
  readonly directory: string;
  readonly runtime: ContainerRuntime;
  readonly networking: ContainerNetworking;
  readonly askManagers: AskManagers;
  /** Names and gateways of networks, as far as this node knows them. */
  readonly describeNetworks: (networks: readonly TaskNetwork[]) => readonly ContainerAttachment[];
  readonly node: () => TaskContext['node'];
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
}

export class UserContainers {
  readonly #options: UserContainersOptions;
  readonly #attachments: NetworkAttachments;
  readonly #byKey = new Map<string, UserContainer>();
  readonly #writes = new SerialQueue();

  constructor(options: UserContainersOptions) {
    this.#options = options;
    this.#attachments = new NetworkAttachments(options.askManagers, options.clock);
  }

  /** Takes up what is on disk; before the agent begins, which asks for their attachments. */
  async open(): Promise<void> {
    const { disk, directory, logger } = this.#options;
    await disk.makeDirectory(directory);
    for (const name of await disk.list(directory)) {
      if (!name.endsWith('.json')) continue;
      const path = `${directory}/${name}`;
      try {
        const content = await disk.readFile(path);
        if (content === undefined) continue;
        const record = decodeRecord(path, content);
        const container = this.#keep(record);
        await container.adopt();
      } catch (error) {
        // The others go on; this one is left as it is for its user to look at.
        logger.error({ path, error: messageOf(error) }, 'a container could not be taken up');
      }
    }
  }

  /** Stops deciding; containers go on. */
  async close(): Promise<void> {
    await Promise.all([...this.#byKey.values()].map((container) => container.close()));
    await this.#writes.settled();
  }

  /** All networks of this machine go: who runs on one stops, and runs again if its policy says so. */
  async interrupt(): Promise<void> {
    await Promise.all([...this.#byKey.values()].map((container) => container.interrupt()));
  }

  /** For the agent: what runs an assignment of a container's attachment. */
  controller(context: TaskContext): TaskController {
    return this.#attachments.controller(context);
  }

  /** Raises `conflict` for a name in use, `notFound` for an image that is not here, `invalid`. */
  async create(config: ContainerConfig): Promise<string> {
    const { runtime, random, clock } = this.#options;
    const { Image: image, StopSignal: stopSignal } = config.spec;
    if (this.#byKey.size >= CONTAINERS_MAX) {
      throw new SwarmError(
        'exhausted',
        `there are ${CONTAINERS_MAX} containers: remove some first`,
      );
    }
    if (stopSignal) runtime.checkSignal(stopSignal);
    if (config.name !== '') this.#checkName(config.name);
    const imageId = await runtime.imageId(image);
    if (imageId === undefined) throw new SwarmError('notFound', `No such image: ${image}`);
    // Again: others may have come meanwhile.
    if (config.name !== '') this.#checkName(config.name);
    const name = config.name || chooseName(random, (one) => this.#named(one) !== undefined);
    const key = `${USER_CONTAINER_PREFIX}${newId(random)}`;
    const record: ContainerRecord = {
      key,
      id: runtime.containerId(key),
      config: { ...config, name },
      imageId,
      createdAt: clock.now(),
      running: false,
      stopped: false,
      restartCount: 0,
      error: '',
      networks: [],
      ports: [],
    };
    // What could not be read again is not begun.
    checkRecord(record);
    this.#keep(record);
    try {
      await this.#save(record);
    } catch (error) {
      this.#byKey.delete(key);
      throw error;
    }
    return record.id;
  }

  list(): Promise<readonly ContainerDescription[]> {
    return Promise.all([...this.#byKey.values()].map((container) => this.#describe(container)));
  }

  counts(): { readonly running: number; readonly stopped: number } {
    const running = [...this.#byKey.values()].filter(({ run }) => run !== undefined).length;
    return { running, stopped: this.#byKey.size - running };
  }

  async inspect(reference: string): Promise<ContainerDescription> {
    return this.#describe(this.#find(reference));
  }

  async start(reference: string): Promise<boolean> {
    return this.#find(reference).start();
  }

  async stop(reference: string, how: StopOptions): Promise<boolean> {
    if (how.signal !== undefined) this.#options.runtime.checkSignal(how.signal);
    return this.#find(reference).stop(how);
  }

  async restart(reference: string, how: StopOptions): Promise<void> {
    if (how.signal !== undefined) this.#options.runtime.checkSignal(how.signal);
    return this.#find(reference).restart(how);
  }

  async kill(reference: string, signal: string): Promise<void> {
    return this.#find(reference).kill(signal);
  }

  async rename(reference: string, name: string): Promise<void> {
    const container = this.#find(reference);
    await container.rename(name, () => this.#checkName(name, container));
  }

  async remove(reference: string, force: boolean, volumes: boolean): Promise<void> {
    return this.#find(reference).remove(force, volumes);
  }

  /** See the Engine API's contract; the condition counts from the call on. */
  async wait(
    reference: string,
    condition: WaitCondition,
    signal: AbortSignal,
  ): Promise<{ readonly exitCode: number; readonly error: string }> {
    const container = this.#find(reference);
    const { ends } = container;
    const atRest = container.run === undefined && !container.restarting;
    if (condition === 'not-running' && atRest) return container.lastExit;
    const holds = (): boolean =>
      container.removed || (condition !== 'removed' && container.ends > ends);
    await container.changes.until(holds, signal);
    return container.lastExit;
  }

  logs(
    reference: string,
    query: Omit<ContainerLogOptions, 'signal'>,
    signal: AbortSignal,
  ): AsyncIterable<ContainerLogLine> {
    const { key } = this.#find(reference).record;
    return this.#options.runtime.logs(key, { ...query, signal });
  }

  /** See the Engine API's contract; counts from the call on. */
  output(
    reference: string,
    history: boolean,
    signal: AbortSignal,
  ): AsyncIterable<ContainerLogLine> {
    const container = this.#find(reference);
    const { clock } = this.#options;
    const since = container.run === undefined ? undefined : clock.now();
    return this.#output(container, container.ends, { history, since }, signal, container.reading());
  }

  async *#output(
    container: UserContainer,
    ends: number,
    { history, since }: { readonly history: boolean; readonly since: number | undefined },
    signal: AbortSignal,
    finished: () => void,
  ): AsyncGenerator<ContainerLogLine> {
    const { runtime } = this.#options;
    try {
      const begun = (): boolean =>
        container.run !== undefined || container.ends > ends || container.removed;
      await container.changes.until(begun, signal);
      if (signal.aborted) return;
      const startedAt = container.run?.startedAt ?? container.last.startedAt;
      const from = since ?? startedAt;
      yield* runtime.logs(container.record.key, {
        follow: true,
        signal,
        ...(history || from === undefined ? {} : { since: from }),
      });
    } finally {
      finished();
    }
  }

  async #describe(container: UserContainer): Promise<ContainerDescription> {
    const { runtime, describeNetworks } = this.#options;
    const { record, run, last, restarting, lastExit } = container;
    const { key, id, config, imageId, createdAt, error, restartCount } = record;
    const begun = last.startedAt !== undefined || error !== '';
    const resting = restarting ? 'restarting' : begun ? 'exited' : 'created';
    return {
      id,
      name: config.name,
      createdAt,
      config,
      imageId,
      state: run ? 'running' : resting,
      pid: run?.pid ?? 0,
      exitCode: run ? 0 : lastExit.exitCode,
      oomKilled: run === undefined && last.end?.oomKilled === true,
      error,
      startedAt: run?.startedAt ?? last.startedAt,
      finishedAt: run ? undefined : last.end?.finishedAt,
      restartCount,
      health: run && (await runtime.health(key)),
      networks: run ? describeNetworks(record.networks) : [],
      ports: run ? record.ports : [],
      volumes: await runtime.volumes(key),
    };
  }

  #keep(record: ContainerRecord): UserContainer {
    const { runtime, networking, node, clock, random, logger } = this.#options;
    const container = new UserContainer(record, {
      runtime,
      networking,
      attachments: this.#attachments,
      node,
      clock,
      random,
      logger,
      save: (changed) => this.#save(changed),
      forget: async ({ key }) => {
        await this.#writes.settled(key);
        const { disk, directory } = this.#options;
        await disk.remove(this.#path(key));
        // Else it may be back after a loss of power, and run.
        await disk.syncDirectory(directory);
        this.#byKey.delete(key);
      },
    });
    this.#byKey.set(record.key, container);
    return container;
  }

  /** One write of a file after the other. */
  #save(record: ContainerRecord): Promise<void> {
    const { key } = record;
    return this.#writes.run(key, () =>
      this.#options.disk.writeFileAtomic(this.#path(key), encodeRecord(record), 0o600),
    );
  }

  #path(key: string): string {
    return `${this.#options.directory}/${key.slice(USER_CONTAINER_PREFIX.length)}.json`;
  }

  #named(name: string): UserContainer | undefined {
    return [...this.#byKey.values()].find(({ record }) => record.config.name === name);
  }

  #checkName(name: string, self?: UserContainer): void {
    if (name.length > NAME_LENGTH_MAX) {
      throw new SwarmError(
        'invalid',
        `a container's name has at most ${NAME_LENGTH_MAX} characters, this one ${name.length}`,
      );
    }
    const holder = this.#named(name);
    if (holder === undefined || holder === self) return;
    throw new SwarmError(
      'conflict',
      `Conflict. The container name "/${name}" is already in use by container "${holder.record.id}". You have to remove (or rename) that container to be able to reuse that name.`,
    );
  }

  #find(reference: string): UserContainer {
    const name = reference.replace(/^\//, '');
    const all = [...this.#byKey.values()];
    const exact = all.find(({ record }) => record.id === name) ?? this.#named(name);
    if (exact !== undefined) return exact;
    const matches = name === '' ? [] : all.filter(({ record }) => record.id.startsWith(name));
    const [first, second] = matches;
    if (second !== undefined) {
      throw new SwarmError(
        'invalid',
        `Multiple IDs found with provided prefix: ${name}: use more characters of the id`,
      );
    }
    if (first === undefined) throw new SwarmError('notFound', `No such container: ${reference}`);
    return first;
  }
}
