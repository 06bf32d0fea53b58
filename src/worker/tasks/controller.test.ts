// A task that goes while its container is being prepared: what the preparation makes must go with it.
import { settle } from 'sim';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../base/index.ts';
import type { TaskContext, TaskNamespace } from '../runtime/index.ts';
import type { Image } from '../images/index.ts';
import type { ContainerKey, Containers } from './containers.ts';
import { createController, type ControllerOptions } from './controller.ts';
import { TaskDirectories } from './task-directory.ts';

const NAMESPACE: TaskNamespace = {
  path: '/n',
  hosts: [],
  nameservers: [],
  search: [],
  options: [],
};

/** A promise and what ends it. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function scene() {
  const directory = new TaskDirectories('/nonexistent').of('t1');
  directory.make = () => Promise.resolve();
  const pulled = deferred<Image>();
  const attached = deferred<TaskNamespace>();
  const log: string[] = [];
  const containers = {
    prepareSnapshot: async () => {
      log.push('snapshot');
      return [{ type: 'bind', source: '/nonexistent', options: [] }];
    },
    create: async () => void log.push('create'),
  } as unknown as Containers;
  const directories = new TaskDirectories('/nonexistent');
  directories.of = () => directory;
  const options = {
    containers,
    logger: silentLogger,
    monitors: new Map(),
    removeTask: async () => void log.push('removed'),
    preparation: {
      images: {
        resolve: async () => undefined,
        pull: (_name: string, { signal }: { signal: AbortSignal }) => {
          log.push('pull');
          const gaveUp = (): void => void log.push('pull given up');
          signal.addEventListener('abort', gaveUp);
          return pulled.promise.finally(() => signal.removeEventListener('abort', gaveUp));
        },
      },
      networking: {
        attach: () => {
          log.push('attach');
          return attached.promise;
        },
      },
      payloads: { write: async () => [] },
      containers,
      directories,
      logger: silentLogger,
    },
  } as unknown as ControllerOptions;
  const context = {
    task: { id: 't1', networks: [] },
    node: { id: 'n1', hostname: 'h', platform: { os: 'linux', architecture: 'x86_64' } },
    revision: { spec: { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'x' } } } },
  } as unknown as TaskContext;
  const key: ContainerKey = { taskId: 't1', containerId: 'c1', directory };
  return { controller: createController(key, context, options), pulled, attached, log };
}

const IMAGE = { file: { config: {} }, chainId: '' } as unknown as Image;

describe('a task that is removed while it is prepared', () => {
  it('gives up the pull, and makes nothing after it', async () => {
    const { controller, pulled, log } = scene();
    const requested = new AbortController();
    const preparing = controller.prepare(requested.signal);
    await settle();
    requested.abort();
    await expect(preparing).rejects.toMatchObject({ code: 'unavailable' });
    const removing = controller.remove();
    pulled.resolve(IMAGE);
    await removing;
    expect(log).toEqual(['pull', 'pull given up', 'removed']);
  });

  it('is removed when what was being made is there to be removed', async () => {
    const { controller, pulled, attached, log } = scene();
    const requested = new AbortController();
    const preparing = controller.prepare(requested.signal);
    pulled.resolve(IMAGE);
    await settle();
    requested.abort();
    await expect(preparing).rejects.toMatchObject({ code: 'unavailable' });
    const removing = controller.remove();
    await settle();
    expect(log).toEqual(['pull', 'attach', 'snapshot']);
    attached.resolve(NAMESPACE);
    await removing;
    expect(log).toEqual(['pull', 'attach', 'snapshot', 'removed']);
  });
});
