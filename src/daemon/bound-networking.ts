// What the engine is made of has to serve users' containers as well as tasks: the overlay under two kinds
// of ids, and the executor for attachments.
import type { TaskAssignment } from '../model/index.ts';
import type { Overlay, OverlayState } from '../overlay/index.ts';
import type { Executor, TaskContext, TaskController, TaskNetworking } from '../worker/index.ts';
import type { UserContainers } from '../worker/standalone/index.ts';

/**
 * The overlay for tasks and users' containers alike. The overlay knows a container on networks of the
 * cluster by its attachment's id, as the managers do; the executor knows it by its own key.
 */
export class BoundNetworking implements TaskNetworking {
  readonly #overlay: Overlay;
  readonly #attachments = new Map<string, string>();
  readonly #addresses = new Map<string, readonly string[]>();

  constructor(overlay: Overlay) {
    this.#overlay = overlay;
  }

  async attach(task: TaskAssignment) {
    const namespace = await this.#overlay.attach({ ...task, id: this.#idOf(task.id) });
    this.#addresses.set(
      task.id,
      namespace.hosts.map(({ address }) => address),
    );
    return namespace;
  }

  async detach(taskId: string): Promise<void> {
    await this.#overlay.detach(this.#idOf(taskId));
    this.#addresses.delete(taskId);
    this.#attachments.delete(taskId);
  }

  bind(key: string, attachmentId: string | undefined): void {
    if (attachmentId === undefined) this.#attachments.delete(key);
    else this.#attachments.set(key, attachmentId);
  }

  addresses(key: string): readonly string[] {
    return this.#addresses.get(key) ?? [];
  }

  #idOf(taskId: string): string {
    return this.#attachments.get(taskId) ?? taskId;
  }
}

/** Of a machine in no cluster: the network "bridge" alone, once somebody uses it. */
export const NO_NETWORKS: OverlayState = {
  self: undefined,
  dataPathPort: 4789,
  networks: new Map(),
  hosts: new Map(),
  services: new Map(),
  endpoints: new Map(),
};

/** Network attachments of users' containers are run by their keeper, everything else by the executor. */
export function withNetworkAttachments(executor: Executor, containers: UserContainers): Executor {
  return {
    describe: () => executor.describe(),
    controller: (context: TaskContext): TaskController =>
      context.task.attachment === undefined
        ? executor.controller(context)
        : containers.controller(context),
    listTasks: () => executor.listTasks(),
    removeTask: (taskId) => executor.removeTask(taskId),
  };
}
