// Everything that a container mounts: `-v`, `--mount`, `--tmpfs`, anonymous volumes and the size of
// /dev/shm, as mounts of a service's kind. Pure; what a host has to look up is the executor's.
import { SwarmError } from '../../base/index.ts';
import type { Mount } from '../../model/index.ts';
import type { ContainerBody, HostConfigBody, MountBody } from './container-schemas.ts';
import { unsupported } from './normalise.ts';

export const SHM_TARGET = '/dev/shm';
export const SHM_BYTES = 64 * 1024 * 1024;
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** Labels of SELinux, and hints for Docker's virtual machines: nothing to do on our hosts. */
const MEANINGLESS_MODES = ['rw', 'z', 'Z', 'cached', 'delegated', 'consistent', 'default'];
/** How our tmpfs are in any case. */
const TMPFS_DEFAULTS = ['', 'rw', 'noexec', 'nosuid', 'nodev'];
const UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** Raises `invalid` for what Docker refuses and `unimplemented` for what we don't have. */
export function containerMounts(body: ContainerBody, host: HostConfigBody): Mount[] {
  const mounts = [
    ...(host.Binds ?? []).map(parseBind),
    ...(host.Mounts ?? []).map(parseMount),
    ...Object.entries(host.Tmpfs ?? {}).map(([target, options]) => parseTmpfs(target, options)),
  ];
  const taken = new Set<string>();
  for (const { Target } of mounts) {
    checkTarget(Target, Target);
    if (taken.has(place(Target))) throw invalid(`Duplicate mount point: ${Target}`);
    taken.add(place(Target));
  }
  // As in Docker, a volume of the image or of `-v /data` gives way to what is mounted there by name.
  for (const Target of Object.keys(body.Volumes ?? {})) {
    checkTarget(Target, Target);
    if (taken.has(place(Target))) continue;
    taken.add(place(Target));
    mounts.push({ Type: 'volume', Target });
  }
  const shm = host.ShmSize ?? 0;
  if (shm < 0) throw invalid('SHM size can not be less than 0');
  if (shm > 0 && shm !== SHM_BYTES && !taken.has(SHM_TARGET)) {
    mounts.push({ Type: 'tmpfs', Target: SHM_TARGET, TmpfsOptions: { SizeBytes: shm } });
  }
  return mounts;
}

/** "src:dst:modes", "src:dst" or "dst". */
function parseBind(text: string): Mount {
  const parts = text.split(':');
  const [first = '', second, modes = ''] = parts;
  if (parts.length > 3 || parts.includes('')) {
    throw invalid(`invalid volume specification: '${text}'`);
  }
  if (second === undefined) {
    checkTarget(first, text);
    return { Type: 'volume', Target: first };
  }
  checkTarget(second, text);
  const options = parseModes(modes, text);
  const readOnly = options.readOnly ? { ReadOnly: true } : {};
  if (first.startsWith('/')) {
    const { propagation } = options;
    const BindOptions = {
      CreateMountpoint: true,
      ...(propagation === undefined ? {} : { Propagation: propagation }),
    };
    return { Type: 'bind', Source: first, Target: second, ...readOnly, BindOptions };
  }
  checkVolumeName(first);
  if (options.propagation !== undefined) throw invalid(`invalid mode: ${modes}`);
  const volume = options.noCopy ? { VolumeOptions: { NoCopy: true } } : {};
  return { Type: 'volume', Source: first, Target: second, ...readOnly, ...volume };
}

interface BindModes {
  readonly readOnly: boolean;
  readonly noCopy: boolean;
  readonly propagation: string | undefined;
}

function parseModes(text: string, whole: string): BindModes {
  const modes = text === '' ? [] : text.split(',');
  for (const mode of modes) {
    const known = ['ro', 'nocopy', ...MEANINGLESS_MODES, ...PROPAGATIONS].includes(mode);
    if (!known) throw invalid(`invalid volume specification: '${whole}': invalid mode: ${text}`);
  }
  return {
    readOnly: modes.includes('ro'),
    noCopy: modes.includes('nocopy'),
    propagation: modes.find((mode) => PROPAGATIONS.includes(mode)),
  };
}

function parseMount(body: MountBody): Mount {
  const { Type = 'volume', Source = '', Target = '', ReadOnly, BindOptions, TmpfsOptions } = body;
  if (Target === '') throw invalid('invalid mount config: field Target must not be empty');
  checkTarget(Target, Target);
  const { Consistency = '' } = body;
  const common = {
    Target,
    ...(ReadOnly === true ? { ReadOnly } : {}),
    ...(Consistency === '' ? {} : { Consistency }),
  };
  if (Type === 'tmpfs') {
    if (Source !== '') {
      throw invalid('invalid mount config for type "tmpfs": field Source must not be specified');
    }
    const { SizeBytes, Mode } = TmpfsOptions ?? {};
    return { Type, ...common, ...tmpfsOptions(SizeBytes, Mode) };
  }
  if (Type === 'bind') {
    if (!Source.startsWith('/')) {
      throw invalid(
        `invalid mount config for type "bind": invalid mount path: '${Source}' mount path must be absolute`,
      );
    }
    const { Propagation = '', ...flags } = BindOptions ?? {};
    if (Propagation !== '' && !PROPAGATIONS.includes(Propagation)) {
      throw invalid(`invalid mount config: invalid propagation mode: ${Propagation}`);
    }
    const options = {
      ...(Propagation === '' ? {} : { Propagation }),
      ...Object.fromEntries(Object.entries(flags).filter(([, on]) => on)),
    };
    const has = Object.keys(options).length > 0;
    return { Type, Source, ...common, ...(has ? { BindOptions: options } : {}) };
  }
  if (Type !== 'volume') {
    throw unsupported('Mount Type', Type, 'use a bind, volume or tmpfs');
  }
  if (Source !== '') checkVolumeName(Source);
  const { VolumeOptions } = body;
  return {
    Type,
    ...(Source === '' ? {} : { Source }),
    ...common,
    ...(VolumeOptions === undefined ? {} : { VolumeOptions }),
  };
}

/** The options of `--tmpfs`, those of mount(8). */
function parseTmpfs(target: string, text: string): Mount {
  let size: number | undefined;
  let mode: number | undefined;
  let readOnly = false;
  for (const option of text.split(',')) {
    const [key = '', value = ''] = option.split('=');
    if (option === 'ro') readOnly = true;
    else if (key === 'size') size = parseSize(value, target);
    else if (key === 'mode' && /^[0-7]{1,5}$/.test(value)) mode = Number.parseInt(value, 8);
    else if (!TMPFS_DEFAULTS.includes(option)) {
      throw unsupported(`HostConfig.Tmpfs ${target}: option`, option, 'use ro, size=… or mode=…');
    }
  }
  return {
    Type: 'tmpfs',
    Target: target,
    ...(readOnly ? { ReadOnly: true } : {}),
    ...tmpfsOptions(size, mode),
  };
}

function tmpfsOptions(size: number | undefined, mode: number | undefined): Partial<Mount> {
  if (size === undefined && mode === undefined) return {};
  return {
    TmpfsOptions: {
      ...(size === undefined ? {} : { SizeBytes: size }),
      ...(mode === undefined ? {} : { Mode: mode }),
    },
  };
}

function parseSize(text: string, target: string): number {
  const [, digits, unit = ''] = /^(\d+)([kmg]?)$/i.exec(text) ?? [];
  if (digits === undefined) throw invalid(`invalid tmpfs size for ${target}: ${text}`);
  return Number(digits) * (UNITS[unit.toLowerCase()] ?? 1);
}

function checkTarget(target: string, whole: string): void {
  if (!target.startsWith('/')) {
    throw invalid(
      `invalid volume specification: '${whole}': invalid mount config: invalid mount path: '${target}' mount path must be absolute`,
    );
  }
  if (place(target) === '') {
    throw invalid(`invalid volume specification: '${whole}': destination can't be '/'`);
  }
}

function checkVolumeName(name: string): void {
  if (VOLUME_NAME.test(name)) return;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
  );
}

/** Two ways to write one place are the same. */
const place = (target: string): string => target.replaceAll(/\/+/g, '/').replace(/\/$/, '');

function invalid(message: string): SwarmError {
  return new SwarmError('invalid', message);
}
