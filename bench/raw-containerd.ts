// The raw bound: the same containers by the same containerd calls, with nobody deciding anything. The
// spec, labels, runtime and log URI are taken from a container that tsswarm made.
import { createContainerdClient, type ContainerdClient } from '../src/worker/containerd/index.ts';

/** As many at once as tsswarm's executor starts. */
const AT_ONCE = 4;

interface Template {
  readonly container: Awaited<ReturnType<ContainerdClient['containers']['get']>>['container'];
  readonly parent: string;
}

export class RawContainerd {
  readonly #client: ContainerdClient;
  readonly #loggerPath: string;

  constructor(socketPath: string, loggerPath: string) {
    this.#client = createContainerdClient({ socketPath, namespace: 'tsswarm' });
    this.#loggerPath = loggerPath;
  }

  /** Starts `count` copies of a running task's container; returns their ids. */
  async start(count: number): Promise<string[]> {
    const template = await this.#template();
    const ids = Array.from({ length: count }, (_, i) => `raw-${process.pid}-${i}`);
    const queue = [...ids];
    const worker = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined; id = queue.shift())
        await this.#startOne(id, template);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return ids;
  }

  async remove(ids: readonly string[]): Promise<void> {
    const queue = [...ids];
    const worker = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined; id = queue.shift()) await this.#removeOne(id);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  async #template(): Promise<Template> {
    const { containers } = await this.#client.containers.list({ filters: [] });
    const container = containers.find((one) => !one.id.startsWith('raw-'));
    if (container === undefined) throw new Error('no container to copy');
    const { info } = await this.#client.snapshots.stat({
      snapshotter: 'overlayfs',
      key: container.snapshotKey,
    });
    return { container, parent: info.parent };
  }

  async #startOne(id: string, { container, parent }: Template): Promise<void> {
    if (container.spec === null) throw new Error('the copied container has no spec');
    const spec = JSON.parse(Buffer.from(container.spec.value).toString('utf8')) as {
      linux: { cgroupsPath: string };
    };
    const cgroup = spec.linux.cgroupsPath;
    spec.linux.cgroupsPath = `${cgroup.slice(0, cgroup.lastIndexOf('/'))}/${id}`;
    const { mounts } = await this.#client.snapshots.prepare({
      snapshotter: 'overlayfs',
      key: id,
      parent,
      // Nothing refers to it until the container is made: containerd's collector must leave it alone.
      labels: { 'containerd.io/gc.root': 'true' },
    });
    await this.#client.containers.create({
      container: {
        ...container,
        id,
        snapshotKey: id,
        labels: {},
        spec: { type_url: container.spec.type_url, value: Buffer.from(JSON.stringify(spec)) },
      },
    });
    const log = `binary://${this.#loggerPath}?file=/run/${id}.log`;
    await this.#client.tasks.create({ containerId: id, rootfs: mounts, stdout: log, stderr: log });
    await this.#client.tasks.start({ containerId: id });
  }

  async #removeOne(id: string): Promise<void> {
    await this.#client.tasks.kill({ containerId: id, signal: 9 });
    for (;;) {
      const gone = await this.#client.tasks.delete({ containerId: id }).then(
        () => true,
        () => false,
      );
      if (gone) break;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await this.#client.containers.delete({ id });
    // The container's removal may have let containerd's collector take its snapshot already.
    await this.#client.snapshots.remove({ snapshotter: 'overlayfs', key: id }).catch(() => {});
  }
}
