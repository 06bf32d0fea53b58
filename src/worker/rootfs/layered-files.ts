// Reads single files out of a snapshot without mounting it: the layers of an overlay are
// directories of the host, so a path is looked up in the uppermost layer that has it. Symbolic
// links are followed inside the image only. (Opaque directories are not seen; layers that replace
// /etc as a whole are.) Images are strangers' work: what is opened is a regular file, without waiting
// and without following anything, and what is read has a bound.
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { SwarmError, ifPresent } from '../../base/index.ts';
import { readRegularFile } from './beneath.ts';
import type { MountMessage } from '../containerd/index.ts';

/** As the kernel's own limit. */
const MAX_LINKS = 40;
/** Names looked at on the way to one file; links make it longer. */
const MAX_NAMES = 1000;
/** Largest file read; /etc/passwd of huge images is some kilobytes. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;

export interface ResolvedPath {
  /** Path in the image, without symbolic links. */
  readonly path: string;
  /** Uppermost layer that has it. */
  readonly layer: string;
  readonly isDirectory: boolean;
}

/** A directory of the image: the layers that have a part of it, the uppermost first. */
interface Place {
  readonly path: string;
  readonly layers: readonly string[];
}

type Found =
  | { readonly kind: 'directory'; readonly layers: readonly string[] }
  | { readonly kind: 'link'; readonly target: string }
  | { readonly kind: 'file'; readonly layer: string };

export class LayeredFiles {
  /** Directories of the host, the uppermost first. */
  readonly layers: readonly string[];

  constructor(mounts: readonly MountMessage[]) {
    this.layers = layerDirectories(mounts);
  }

  /** The file's text, or '' when there is none. Raises `invalid` for what is no regular file, or too long. */
  async readText(path: string): Promise<string> {
    const found = await this.resolve(path);
    if (found === undefined) return '';
    const what = `${path} of the image`;
    if (found.isDirectory) throw new SwarmError('invalid', `${what} is a directory, not a file`);
    const bytes = await readRegularFile(found.layer, found.path, what, MAX_FILE_BYTES);
    return bytes.toString('utf8');
  }

  /** Follows a path as a process in the container would; undefined when it does not exist. */
  async resolve(path: string): Promise<ResolvedPath | undefined> {
    const way: Place[] = [{ path: '', layers: this.layers }];
    let rest = partsOf(path);
    let links = 0;
    for (let names = 0; rest.length > 0; names++) {
      if (names > MAX_NAMES) throw new SwarmError('invalid', `${path} of the image is too deep`);
      const [part = '', ...after] = rest;
      rest = after;
      const here = way.at(-1);
      if (here === undefined) throw new Error('invariant broken: a way without a beginning');
      if (part === '.') continue;
      if (part === '..') {
        if (way.length > 1) way.pop();
        continue;
      }
      const found = await look(here, part);
      if (found === undefined) return undefined;
      if (found.kind === 'link') {
        if (++links > MAX_LINKS) {
          throw new SwarmError(
            'invalid',
            `${path} of the image: too many levels of symbolic links`,
          );
        }
        if (found.target.startsWith('/')) way.length = 1;
        rest = [...partsOf(found.target), ...rest];
      } else if (found.kind === 'directory') {
        way.push({ path: `${here.path}/${part}`, layers: found.layers });
      } else if (rest.length > 0) {
        return undefined;
      } else {
        return { path: `${here.path}/${part}`, layer: found.layer, isDirectory: false };
      }
    }
    const { path: end = '', layers = [] } = way.at(-1) ?? {};
    return { path: end === '' ? '/' : end, layer: layers[0] ?? '', isDirectory: true };
  }
}

/** What the directory has under this name: the uppermost layer that knows it decides. */
async function look(place: Place, name: string): Promise<Found | undefined> {
  const directories: string[] = [];
  for (const layer of place.layers) {
    const hostPath = join(layer, place.path, name);
    const stat = await ifPresent(fs.lstat(hostPath), 'ENAMETOOLONG');
    if (stat === undefined) continue;
    if (stat.isDirectory()) {
      directories.push(layer);
      continue;
    }
    // Below a directory of a higher layer it hides what lower ones have, and is hidden itself.
    if (directories.length > 0) break;
    if (stat.isCharacterDevice() && stat.rdev === 0) return undefined;
    if (stat.isSymbolicLink()) return { kind: 'link', target: await fs.readlink(hostPath) };
    return { kind: 'file', layer };
  }
  return directories.length === 0 ? undefined : { kind: 'directory', layers: directories };
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '');
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
