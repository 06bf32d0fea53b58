// A real executor for integration tests: its own containerd and directories under /tmp, busybox
// images, tasks made from a container spec, and a clean-up that checks that nothing stays behind.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '../../src/base/index.ts';
import type { ContainerSpec, PayloadAssignment, TaskSpec } from '../../src/model/index.ts';
import { fileDisk, systemClock, systemRandom } from '../../src/platform/index.ts';
import type { TaskContext, TaskNetworking } from '../../src/worker/runtime/executor.ts';
import {
  createContainerdExecutor,
  type ContainerdExecutor,
  type ContainerdExecutorOptions,
  type LogLine,
} from '../../src/worker/tasks/index.ts';
import { busyboxArchive, type ImageArchiveOptions } from './image-archive.ts';

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Each task gets an empty network namespace of its own. */
export const emptyNetworking: TaskNetworking = {
  attach: async () => ({
    path: '',
    hosts: [{ address: '10.9.8.7', names: [] }],
    nameservers: ['127.0.0.11'],
    search: ['example.test'],
    options: ['ndots:0'],
  }),
  detach: async () => undefined,
};

export interface ExecutorBed {
  readonly directory: string;
  readonly executor: ContainerdExecutor;
  /** Lets go of everything as a killed daemon would, and makes a new executor on the same files. */
  restart(): Promise<ContainerdExecutor>;
  close(): Promise<void>;
}

/** Starts an executor; call `close` at the end, also after a failure. */
export async function executorBed(
  options: Partial<ContainerdExecutorOptions> = {},
): Promise<ExecutorBed> {
  const loggerPath = join(root, 'build/tsswarm-logger');
  if (!existsSync(loggerPath)) execFileSync(join(root, 'native/logger/build.sh'));
  const initPath = join(root, 'build/tsswarm-init');
  if (!existsSync(initPath)) execFileSync(join(root, 'native/init/build.sh'));
  const directory = mkdtempSync('/tmp/tsswarm-executor-');
  const start = (): Promise<ContainerdExecutor> =>
    createContainerdExecutor({
      dataDirectory: join(directory, 'data'),
      runDirectory: join(directory, 'run'),
      loggerPath,
      initPath,
      networking: emptyNetworking,
      clock: systemClock,
      random: systemRandom,
      disk: fileDisk,
      logger: silentLogger,
      engineVersion: '0.0.0-test',
      ...options,
    });
  const bed = {
    directory,
    executor: await start(),
    async restart() {
      bed.executor.close();
      bed.executor = await start();
      return bed.executor;
    },
    async close() {
      try {
        for (const taskId of await bed.executor.listTasks()) await bed.executor.removeTask(taskId);
      } finally {
        await bed.executor.shutdownRuntime();
      }
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
      if (mounts.includes(directory)) throw new Error(`mounts remain below ${directory}`);
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return bed;
}

/** Loads a busybox image under `name`. */
export async function loadBusybox(
  executor: ContainerdExecutor,
  name: string,
  options: ImageArchiveOptions = {},
): Promise<void> {
  const archive = await busyboxArchive({ names: [name], ...options });
  await executor.images.load(chunks(archive));
}

/** A buffer as a stream of smaller pieces. */
export async function* chunks(buffer: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < buffer.length; i += size) yield buffer.subarray(i, i + size);
}

export interface TaskOptions {
  readonly id?: string;
  readonly slot?: number;
  readonly resources?: TaskSpec['Resources'];
  readonly logDriver?: TaskSpec['LogDriver'];
  readonly payloads?: readonly PayloadAssignment[];
  readonly registryAuth?: string;
}

/** What an agent would hand over for a task of service "web" with this container spec. */
export function taskContext(
  container: Partial<ContainerSpec> & Pick<ContainerSpec, 'Image'>,
  options: TaskOptions = {},
): TaskContext {
  const id = options.id ?? `t${randomBytes(12).toString('hex')}`;
  return {
    task: {
      id,
      serviceId: 'service1',
      serviceName: 'web',
      slot: options.slot ?? 1,
      nodeId: 'node1',
      revisionId: 'revision1',
      desiredState: 'running',
      networks: [],
      hostPorts: [],
      publishesIngress: false,
    },
    revision: {
      id: 'revision1',
      serviceId: 'service1',
      ...(options.registryAuth === undefined ? {} : { registryAuth: options.registryAuth }),
      spec: {
        Name: 'web',
        Labels: { tier: 'front' },
        Mode: { Replicated: { Replicas: 1 } },
        TaskTemplate: {
          ContainerSpec: container,
          ...(options.resources === undefined ? {} : { Resources: options.resources }),
          ...(options.logDriver === undefined ? {} : { LogDriver: options.logDriver }),
        },
      },
    },
    payload: (payloadId) => options.payloads?.find((payload) => payload.id === payloadId),
    node: {
      id: 'node1',
      hostname: 'host-a',
      platform: { architecture: 'x86_64', os: 'linux' },
    },
  };
}

/** A signal that nobody aborts. */
export function never(): AbortSignal {
  return new AbortController().signal;
}

/** All lines of a task's log so far. */
export async function logLines(executor: ContainerdExecutor, taskId: string): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  for await (const line of executor.logs(taskId)) lines.push(line);
  return lines;
}

/** Runs a shell script in a container to its end and returns what it wrote and how it ended. */
export async function runScript(
  executor: ContainerdExecutor,
  script: string,
  container: Partial<ContainerSpec> = {},
  options: TaskOptions = {},
) {
  const context = taskContext(
    { Image: 'box:1', Command: ['sh', '-c', script], ...container },
    options,
  );
  const controller = executor.controller(context);
  await controller.prepare(never());
  await controller.start(never());
  const exit = await controller.wait(never());
  const lines = await logLines(executor, context.task.id);
  await controller.remove();
  return { exit, text: lines.map(({ line }) => line).join('\n'), lines };
}
