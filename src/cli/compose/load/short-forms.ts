// The short notations inside stack files (ports, volumes, tmpfs) as their long forms. Pure; errors
// name the text and the form that is expected.
import { isAbsolute, join, normalize } from 'node:path';
import { parsePorts } from '../../notation/index.ts';
import type { ComposeMount, ComposePort } from '../source/index.ts';

/** What paths are relative to. */
export interface Directories {
  /** Directory of the first stack file. */
  readonly base: string;
  readonly home: string;
}

/** `[[HOST_IP:]PUBLISHED:]TARGET[/PROTOCOL]`, or a number. */
export function portsFromText(value: string | number): ComposePort[] {
  const text = String(value);
  if (text.includes('=')) {
    throw new Error(`invalid port ${JSON.stringify(text)}: use [PUBLISHED:]TARGET[/tcp|udp]`);
  }
  return parsePorts(text).map(({ TargetPort, PublishedPort, Protocol, HostIP }) => ({
    target: TargetPort,
    ...(PublishedPort === undefined ? {} : { published: PublishedPort }),
    protocol: Protocol ?? 'tcp',
    mode: 'ingress',
    ...(HostIP === undefined ? {} : { host_ip: HostIP }),
  }));
}

interface LongPort {
  readonly target: number;
  readonly published?: string | number;
  readonly protocol?: string;
  readonly mode?: string;
  readonly name?: string;
  readonly host_ip?: string;
}

/** The long form; `published` may be a text, but not a range: one target has one port. */
export function portFromLong(port: LongPort): ComposePort {
  const published =
    port.published === undefined || port.published === '' ? 0 : Number(port.published);
  if (!Number.isInteger(published) || published < 0 || published > 65_535) {
    const text = JSON.stringify(port.published);
    throw new Error(`invalid published port ${text}: use one port from 1 to 65535`);
  }
  return {
    target: port.target,
    ...(published === 0 ? {} : { published }),
    protocol: port.protocol ?? 'tcp',
    mode: port.mode ?? 'ingress',
    ...(port.name === undefined ? {} : { name: port.name }),
    ...(port.host_ip === undefined ? {} : { host_ip: port.host_ip }),
  };
}

const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave'];
/** Said by people who share files between hosts with SELinux or macOS: without effect here. */
const NO_EFFECT = ['z', 'Z', 'cached', 'delegated', 'consistent'];

/** `[SOURCE:]TARGET[:OPTIONS]`: paths are bound, other sources are names of volumes. */
export function mountFromText(text: string, directories: Directories): ComposeMount {
  const parts = text.split(':');
  const [first = '', second, options = '', ...rest] = parts;
  if (rest.length > 0 || parts.some((part) => part === '')) {
    throw new Error(`invalid volume ${JSON.stringify(text)}: use [SOURCE:]TARGET[:ro]`);
  }
  if (second === undefined) return { type: 'volume', target: absoluteTarget(text, first) };
  const isPath = /^[./~]/.test(first);
  const mount: ComposeMount = {
    type: isPath ? 'bind' : 'volume',
    source: isPath ? hostPath(first, directories) : first,
    target: absoluteTarget(text, second),
  };
  return options.split(',').reduce((before, option) => withOption(before, option, text), mount);
}

function withOption(mount: ComposeMount, option: string, text: string): ComposeMount {
  if (option === '' || option === 'rw' || NO_EFFECT.includes(option)) return mount;
  if (option === 'ro') return { ...mount, read_only: true };
  if (option === 'nocopy') return { ...mount, volume: { nocopy: true } };
  if (PROPAGATIONS.includes(option)) return { ...mount, bind: { propagation: option } };
  throw new Error(
    `invalid option ${JSON.stringify(option)} of volume ${JSON.stringify(text)}: use ro, rw or nocopy`,
  );
}

function absoluteTarget(text: string, target: string): string {
  if (isAbsolute(target)) return target;
  throw new Error(
    `invalid volume ${JSON.stringify(text)}: the path in the container must be absolute`,
  );
}

/** An absolute path on the host, `~` and relative ones resolved. */
export function hostPath(path: string, { base, home }: Directories): string {
  if (path === '~' || path.startsWith('~/')) return normalize(join(home, path.slice(1)));
  return isAbsolute(path) ? normalize(path) : join(base, path);
}

/** `PATH[:size=64m,mode=1777]` of the service key `tmpfs`. */
export function tmpfsFromText(text: string): ComposeMount {
  const at = text.indexOf(':');
  const target = at < 0 ? text : text.slice(0, at);
  const options: { size?: string; mode?: number } = {};
  for (const option of at < 0 ? [] : text.slice(at + 1).split(',')) {
    const [key, value = ''] = option.split('=');
    if (key === 'size') options.size = value;
    else if (key === 'mode' && /^[0-7]+$/.test(value)) options.mode = Number.parseInt(value, 8);
    else
      throw new Error(
        `invalid option ${JSON.stringify(option)} of tmpfs ${JSON.stringify(text)}: use size=, mode=`,
      );
  }
  return {
    type: 'tmpfs',
    target: absoluteTarget(text, target),
    ...(Object.keys(options).length > 0 ? { tmpfs: options } : {}),
  };
}
