// Secrets and configs of tasks: files on a tmpfs of the daemon's own, never on disk, one directory
// a task, bind-mounted into its container.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { SwarmError, type Logger } from '../../base/index.ts';
import type { FileTarget } from '../../model/index.ts';
import type { TaskContext } from '../runtime/index.ts';
import type { OciMount } from '../oci/index.ts';
import { runProgram } from '../host/index.ts';

const SECRETS_DIRECTORY = '/run/secrets';
const DEFAULT_MODE = 0o444;

export class PayloadDirectory {
  readonly #root: string;
  readonly #logger: Logger;
  #mounted: Promise<void> | undefined;

  constructor(root: string, logger: Logger) {
    this.#root = root;
    this.#logger = logger;
  }

  /**
   * Writes a task's secrets and configs; returns their mounts. Throws `unavailable` without one.
   */
  async write(context: TaskContext): Promise<readonly OciMount[]> {
    const files = payloadFiles(context);
    if (files.length === 0) return [];
    await this.ensureMounted();
    const directory = join(this.#root, context.task.id);
    await fs.mkdir(directory, { recursive: true, mode: 0o700 });
    return Promise.all(files.map((file, i) => writePayload(join(directory, String(i)), file)));
  }

  async remove(taskId: string): Promise<void> {
    await fs.rm(join(this.#root, taskId), { recursive: true, force: true });
  }

  /** Path of a scratch file that is not on disk either. */
  scratchPath(name: string): string {
    return join(this.#root, name);
  }

  /** Mounts the tmpfs, once per boot: a restarted daemon finds it. */
  ensureMounted(): Promise<void> {
    this.#mounted ??= this.#mount().catch((error: unknown) => {
      // The next one tries again.
      this.#mounted = undefined;
      throw error;
    });
    return this.#mounted;
  }

  async unmount(): Promise<void> {
    if (await isMountPoint(this.#root)) await runProgram('umount', [this.#root]);
    this.#mounted = undefined;
  }

  async #mount(): Promise<void> {
    await fs.mkdir(this.#root, { recursive: true, mode: 0o700 });
    if (await isMountPoint(this.#root)) return;
    const mount = (options: string): Promise<string> =>
      runProgram('mount', ['-t', 'tmpfs', '-o', options, 'tsswarm-payloads', this.#root]);
    const options = 'mode=0700,nosuid,nodev,noexec';
    try {
      await mount(`${options},noswap`);
    } catch {
      // Kernels before 6.4 know no noswap; there secrets may reach swap, as everywhere.
      await mount(options);
      this.#logger.debug({ path: this.#root }, 'tmpfs without noswap');
    }
  }
}

interface PayloadFile {
  readonly target: string;
  readonly data: string;
  readonly file: FileTarget;
}

function payloadFiles(context: TaskContext): PayloadFile[] {
  const spec = context.revision.spec.TaskTemplate.ContainerSpec;
  const secrets = (spec.Secrets ?? []).map(({ SecretID, SecretName, File }) => {
    const file = File ?? { Name: SecretName };
    const target = file.Name.startsWith('/') ? file.Name : `${SECRETS_DIRECTORY}/${file.Name}`;
    return { target, data: dataOf(context, SecretID, `secret ${SecretName}`), file };
  });
  const configs = (spec.Configs ?? []).map(({ ConfigID, ConfigName, File }) => {
    const file = File ?? { Name: `/${ConfigName}` };
    const target = file.Name.startsWith('/') ? file.Name : `/${file.Name}`;
    return { target, data: dataOf(context, ConfigID, `config ${ConfigName}`), file };
  });
  return [...secrets, ...configs];
}

function dataOf(context: TaskContext, id: string, what: string): string {
  const payload = context.payload(id);
  // It may be on its way: the task is tried again.
  if (payload === undefined)
    throw new SwarmError('unavailable', `${what} has not arrived here yet`);
  return payload.data;
}

async function writePayload(path: string, { target, data, file }: PayloadFile): Promise<OciMount> {
  const mode = file.Mode ?? DEFAULT_MODE;
  await fs.writeFile(path, Buffer.from(data, 'base64'), { mode: 0o600 });
  await fs.chown(path, id(file.UID, target), id(file.GID, target));
  await fs.chmod(path, mode & 0o7777);
  const options = ['bind', 'ro', 'rprivate', 'nosuid', 'nodev', 'noexec'];
  return { destination: target, type: 'bind', source: path, options };
}

function id(text: string | undefined, target: string): number {
  const value = Number(text ?? '0');
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new SwarmError(
      'invalid',
      `${target}: ${JSON.stringify(text)} is no numeric user or group`,
    );
  }
  return value;
}

/** True when something is mounted at `path`. */
export async function isMountPoint(path: string): Promise<boolean> {
  const mounts = await fs.readFile('/proc/self/mountinfo', 'utf8');
  const written = path.replaceAll(' ', '\\040');
  return mounts.split('\n').some((line) => line.split(' ')[4] === written);
}
