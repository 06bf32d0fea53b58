// Volumes on disk: NAME/volume.json and NAME/_data, and the copy of an image's files into a volume
// that is mounted empty.
import * as fs from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { ifPresent, type Disk } from '../../base/index.ts';
import { unlessAborted } from '../../base/async/index.ts';
import type { VolumeDirectories } from './volume-store.ts';
import type { LayeredFiles } from '../rootfs/index.ts';
import { runProgram } from '../host/index.ts';

const RECORD = 'volume.json';
const DATA = '_data';
/**
 * There while image content is being copied (a copy cut short is done again); layers mount here.
 */
const COPYING = 'copying';

/** Directories below `root`, which is made when it is needed. */
export function volumeDirectories(root: string, disk: Disk): VolumeDirectories {
  const path = (name: string, ...more: string[]): string => join(root, name, ...more);
  return {
    list: () => disk.list(root),
    async readRecord(name) {
      const content = await disk.readFile(path(name, RECORD));
      return content === undefined ? undefined : Buffer.from(content).toString('utf8');
    },
    async create(name, record) {
      // The data first: a volume exists from the moment its record does.
      await fs.mkdir(path(name), { recursive: true, mode: 0o701 });
      await fs.mkdir(path(name, DATA), { recursive: true, mode: 0o755 });
      await disk.writeFileAtomic(path(name, RECORD), Buffer.from(record));
    },
    dataPath: (name) => path(name, DATA),
    async usage(name) {
      const output = await runProgram('du', ['-s', '-B1', '--', path(name, DATA)]);
      return Number.parseInt(output, 10) || 0;
    },
    async remove(name) {
      // The record first, so that half a removal leaves no volume with half its data.
      await fs.rm(path(name, RECORD), { force: true });
      await fs.rm(path(name), { recursive: true, force: true });
    },
  };
}

const copies = new Map<string, Promise<void>>();

/**
 * Copies what the image has at `target` into a volume that is empty, with owners and modes, as
 * Docker does. Copies into one volume wait for one another.
 */
export async function fillVolume(
  files: LayeredFiles,
  target: string,
  dataPath: string,
  signal?: AbortSignal,
): Promise<void> {
  const before = copies.get(dataPath) ?? Promise.resolve();
  // Who came before hears of its own error.
  const mine = before.catch(() => undefined).then(() => fill(files, target, dataPath, signal));
  copies.set(dataPath, mine);
  try {
    await mine;
  } finally {
    if (copies.get(dataPath) === mine) copies.delete(dataPath);
  }
}

async function fill(
  files: LayeredFiles,
  target: string,
  dataPath: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const marker = join(dirname(dataPath), COPYING);
  const interrupted = (await ifPresent(fs.stat(marker))) !== undefined;
  if (!interrupted && (await fs.readdir(dataPath)).length > 0) return;
  const source = await files.resolve(target);
  if (source === undefined || !source.isDirectory) return;
  await fs.mkdir(marker, { recursive: true });
  unlessAborted(signal, 'the copy');
  await copyFromLayers(files.layers, source.path, dataPath, marker, signal);
  await fs.rmdir(marker);
}

/**
 * The layers are mounted, read-only, in a mount namespace that dies with the copy, so that nothing
 * stays mounted whatever happens. The path was resolved inside the image: it holds no links.
 */
async function copyFromLayers(
  layers: readonly string[],
  path: string,
  to: string,
  mountPoint: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [upper = '', ...lower] = layers;
  const below = `.${path}/.`;
  if (lower.length === 0) {
    await runProgram('cp', ['-a', '--', below, to], upper, signal);
    return;
  }
  // Relative names: the kernel takes at most a page of options, and layers may be many.
  const base = dirname(dirname(upper));
  const names = layers.map((layer) => relative(base, layer)).join(':');
  const script =
    'set -e; mount -t overlay overlay -o "ro,lowerdir=$1" "$4"; cd "$4"; exec cp -a -- "$2" "$3"';
  const args = [
    '-m',
    '--propagation',
    'private',
    'sh',
    '-c',
    script,
    'sh',
    names,
    below,
    to,
    mountPoint,
  ];
  await runProgram('unshare', args, base, signal);
}
