// What a volume may be called and which options the local driver takes. Pure: managers check a spec's
// volumes with it, nodes make them.
import { SwarmError } from '../../base/index.ts';

/** Also a name of a directory: nothing in it leads out of the volumes' own. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const MAX_NAME_LENGTH = 255;

/** Whether a volume may have this name (Docker’s rule). */
export function isVolumeName(name: string): boolean {
  return name.length <= MAX_NAME_LENGTH && NAME.test(name);
}

/** `name` undefined: an anonymous volume. Raises what Docker says. */
export function checkVolume(request: {
  readonly name: string | undefined;
  readonly driver?: string | undefined;
  readonly options?: Readonly<Record<string, string>> | undefined;
}): void {
  const { name, driver = 'local', options = {} } = request;
  if (name !== undefined && !isVolumeName(name)) {
    throw new SwarmError(
      'invalid',
      `${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    );
  }
  if (driver !== 'local' && driver !== '') {
    throw new SwarmError(
      'notFound',
      `plugin "${driver}" not found: only the driver "local" exists`,
    );
  }
  if (Object.keys(options).length > 0 && bindDevice(options) === undefined) {
    throw new SwarmError(
      'unimplemented',
      'the local driver takes no options here, or type=none, o=bind and device=/path together',
    );
  }
}

/** The directory of the host that a volume stands for, when its options say so. */
export function bindDevice(options: Readonly<Record<string, string>>): string | undefined {
  const { type = 'none', o, device, ...rest } = options;
  const isBind = type === 'none' && o?.split(',').includes('bind') === true;
  if (!isBind || device?.startsWith('/') !== true || Object.keys(rest).length > 0) return undefined;
  return device;
}
