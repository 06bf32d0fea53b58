// The mounts of a task: binds checked, volumes made and filled, tmpfs written as the runtime wants
// them. Volumes that only the image names are the container's own and go with it.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { SwarmError, ifPresent } from '../../base/index.ts';
import { checkPropagation, type Mount } from '../../model/index.ts';
import type { ImageConfig } from '../images/index.ts';
import { ANONYMOUS_LABEL, fillVolume, type VolumeStore } from '../volumes/index.ts';
import { TASK_LABEL } from './containers.ts';
import type { LayeredFiles } from '../rootfs/index.ts';
import type { OciMount } from '../oci/index.ts';

export interface TaskMounts {
  readonly mounts: readonly OciMount[];
  /** Names of the volumes among them. */
  readonly volumes: readonly string[];
}

/**
 * Makes what is missing and returns the mounts; throws `invalid` with Docker's wording. `asked`: with
 * templates expanded. `recursive`: this host can make whole trees of mounts read-only.
 */
export async function taskMounts(
  taskId: string,
  asked: readonly Mount[],
  image: ImageConfig,
  files: LayeredFiles,
  store: VolumeStore,
  { recursive, signal }: { readonly recursive: boolean; readonly signal?: AbortSignal | undefined },
): Promise<TaskMounts> {
  const mounts: OciMount[] = [];
  const volumes: string[] = [];
  for (const mount of [...asked, ...imageVolumes(image, asked)]) {
    if (!mount.Target.startsWith('/')) {
      throw new SwarmError(
        'invalid',
        `invalid mount target, must be an absolute path: ${mount.Target}`,
      );
    }
    if (/^\/[/.]*$/.test(mount.Target)) {
      throw new SwarmError('invalid', `invalid specification: destination can't be '/'`);
    }
    if (mount.Type === 'tmpfs') mounts.push(tmpfsMount(mount));
    else if (mount.Type === 'bind') mounts.push(await bindMount(mount, recursive));
    else {
      const { name, path } = await volumePath(taskId, mount, store);
      if (mount.VolumeOptions?.NoCopy !== true) await fillVolume(files, mount.Target, path, signal);
      volumes.push(name);
      const options = ['rbind', 'rprivate', ...readOnlyOptions(mount, recursive)];
      mounts.push({ destination: mount.Target, type: 'bind', source: path, options });
    }
  }
  return { mounts, volumes };
}

/** Removes the volumes that a task's container had for itself. */
export async function removeAnonymousVolumes(taskId: string, store: VolumeStore): Promise<void> {
  for (const { name, labels } of await store.list()) {
    if (labels[TASK_LABEL] !== taskId || labels[ANONYMOUS_LABEL] === undefined) continue;
    await store.remove(name, { force: true });
  }
}

/** Two ways to write one place are the same. */
const place = (target: string): string => target.split('/').filter(Boolean).join('/');

function imageVolumes(image: ImageConfig, asked: readonly Mount[]): Mount[] {
  const taken = new Set(asked.map(({ Target }) => place(Target)));
  return Object.keys(image.Volumes ?? {})
    .filter((target) => !taken.has(place(target)))
    .map((Target) => ({ Type: 'volume', Target }));
}

async function volumePath(
  taskId: string,
  mount: Mount,
  store: VolumeStore,
): Promise<{ name: string; path: string }> {
  const driver = mount.VolumeOptions?.DriverConfig;
  const options = driver?.Options;
  const labels = mount.VolumeOptions?.Labels ?? {};
  const source = mount.Source ?? '';
  const request =
    source === ''
      ? {
          name: anonymousName(taskId, mount.Target),
          labels: { ...labels, [ANONYMOUS_LABEL]: '', [TASK_LABEL]: taskId },
        }
      : { name: source, labels };
  const volume = await store.create({ ...request, driver: driver?.Name, options });
  return { name: volume.name, path: volume.mountpoint };
}

/** The same for each try, so that a repeated preparation finds its volume again. */
function anonymousName(taskId: string, target: string): string {
  return createHash('sha256').update(`${taskId} ${target}`).digest('hex');
}

async function bindMount(mount: Mount, recursive: boolean): Promise<OciMount> {
  const source = mount.Source ?? '';
  if (!source.startsWith('/')) {
    throw new SwarmError(
      'invalid',
      `invalid mount config for type "bind": invalid mount path: '${source}' mount path must be absolute`,
    );
  }
  if (mount.BindOptions?.CreateMountpoint === true) await makeMissing(source);
  if ((await ifPresent(fs.stat(source), 'ENOTDIR')) === undefined) {
    throw new SwarmError(
      'invalid',
      `invalid mount config for type "bind": bind source path does not exist: ${source}`,
    );
  }
  const { Propagation, NonRecursive = false } = mount.BindOptions ?? {};
  const propagation = checkPropagation(Propagation);
  const options = [NonRecursive ? 'bind' : 'rbind', propagation];
  options.push(...readOnlyOptions(mount, recursive));
  return { destination: mount.Target, type: 'bind', source, options };
}

/**
 * Read-only with all that is mounted below it, where the host can do so (`recursive`) and nobody asked for
 * less; raises `precondition` where more was asked for than the host can.
 */
function readOnlyOptions({ ReadOnly, BindOptions, Target }: Mount, recursive: boolean): string[] {
  const { ReadOnlyNonRecursive, ReadOnlyForceRecursive } = BindOptions ?? {};
  if (ReadOnly !== true) return [];
  if (ReadOnlyForceRecursive === true && !recursive) {
    throw new SwarmError(
      'precondition',
      `mount ${Target} can't be made recursively read-only here: Linux 5.12 and runc 1.1 are needed`,
    );
  }
  return recursive && ReadOnlyNonRecursive !== true ? ['rro'] : ['ro'];
}

/** What is there stays as it is, be it a file. */
async function makeMissing(source: string): Promise<void> {
  try {
    await fs.mkdir(source, { recursive: true });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

function tmpfsMount(mount: Mount): OciMount {
  const { SizeBytes, Mode } = mount.TmpfsOptions ?? {};
  const options = ['noexec', 'nosuid', 'nodev', 'rprivate'];
  if (SizeBytes !== undefined && SizeBytes > 0) options.push(`size=${SizeBytes}`);
  options.push(`mode=${(Mode ?? 0o1777).toString(8)}`);
  if (mount.ReadOnly === true) options.push('ro');
  return { destination: mount.Target, type: 'tmpfs', source: 'tmpfs', options };
}
