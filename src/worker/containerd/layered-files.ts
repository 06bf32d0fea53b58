// Reads single files out of a snapshot without mounting it: the layers of an overlay are
// directories of the host, so a path is looked up in the uppermost layer that has it. Symbolic
// links are followed inside the image only. (Opaque directories are not seen; layers that replace
// /etc as a whole are.)
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { SwarmError } from '../../base/index.ts';
import type { MountMessage } from './messages.ts';

/** As the kernel's own limit. */
const MAX_LINKS = 40;
/** Largest file read; /etc/passwd of huge images is some kilobytes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

export interface ResolvedPath {
  /** Path in the image, without symbolic links. */
  readonly path: string;
  /** Uppermost place on the host. */
  readonly hostPath: string;
  readonly isDirectory: boolean;
}

export class LayeredFiles {
  /** Directories of the host, the uppermost first. */
  readonly layers: readonly string[];

  constructor(mounts: readonly MountMessage[]) {
    this.layers = layerDirectories(mounts);
  }

  /** The file's text, or '' when there is none. */
  async readText(path: string): Promise<string> {
    const found = await this.resolve(path);
    if (found === undefined || found.isDirectory) return '';
    const { size } = await fs.lstat(found.hostPath);
    if (size > MAX_FILE_BYTES) {
      throw new SwarmError('invalid', `${path} of the image is larger than 4 MiB`);
    }
    return fs.readFile(found.hostPath, 'utf8');
  }

  /** Follows a path as a process in the container would; undefined when it does not exist. */
  async resolve(path: string): Promise<ResolvedPath | undefined> {
    let rest = path.split('/').filter((part) => part !== '');
    let here = '';
    let hostPath = this.layers[0] ?? '';
    let isDirectory = true;
    for (let links = 0; rest.length > 0;) {
      const [part = '', ...after] = rest;
      rest = after;
      if (part === '.') continue;
      if (part === '..') {
        here = here.slice(0, Math.max(0, here.lastIndexOf('/')));
        continue;
      }
      const found = await this.#look(`${here}/${part}`);
      if (found === undefined) return undefined;
      if (found.link !== undefined) {
        if (++links > MAX_LINKS) return undefined;
        if (found.link.startsWith('/')) here = '';
        rest = [...found.link.split('/').filter((each) => each !== ''), ...rest];
        continue;
      }
      if (rest.length > 0 && !found.isDirectory) return undefined;
      here = `${here}/${part}`;
      ({ hostPath, isDirectory } = found);
    }
    return { path: here === '' ? '/' : here, hostPath, isDirectory };
  }

  /** One path whose parents are known to hold no links. */
  async #look(
    path: string,
  ): Promise<{ hostPath: string; isDirectory: boolean; link?: string } | undefined> {
    for (const layer of this.layers) {
      if (await hidesBelow(layer, path)) return undefined;
      const hostPath = join(layer, path);
      const stat = await fs.lstat(hostPath).catch(() => undefined);
      if (stat === undefined) continue;
      if (stat.isCharacterDevice() && stat.rdev === 0) return undefined;
      if (stat.isSymbolicLink()) {
        return { hostPath, isDirectory: false, link: await fs.readlink(hostPath) };
      }
      return { hostPath, isDirectory: stat.isDirectory() };
    }
    return undefined;
  }
}

/** True when a parent of `path` was removed or replaced in this layer. */
async function hidesBelow(layer: string, path: string): Promise<boolean> {
  const parts = path.split('/').slice(1, -1);
  let parent = layer;
  for (const part of parts) {
    parent = join(parent, part);
    const stat = await fs.lstat(parent).catch(() => undefined);
    if (stat === undefined) return false;
    if (!stat.isDirectory()) return true;
  }
  return false;
}

function layerDirectories(mounts: readonly MountMessage[]): readonly string[] {
  const [mount] = mounts;
  if (mount === undefined || mounts.length > 1) {
    throw new SwarmError('internal', `snapshot with ${mounts.length} mounts, expected one`);
  }
  if (mount.type === 'bind') return [mount.source];
  const option = (name: string): string | undefined =>
    mount.options.find((each) => each.startsWith(`${name}=`))?.slice(name.length + 1);
  const upper = option('upperdir');
  return [...(upper === undefined ? [] : [upper]), ...(option('lowerdir')?.split(':') ?? [])];
}
