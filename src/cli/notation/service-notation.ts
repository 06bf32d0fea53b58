// The notations of `service create` flags: ports, mounts, networks, key=value pairs. Pure.
import {
  FIXED_IPV4_OPTION,
  FIXED_IPV6_OPTION,
  type NetworkAttachmentConfig,
} from '../../model/index.ts';
import { parseSize } from './duration.ts';
import type { Loose, WirePort } from '../client/index.ts';

/** `[[ADDRESS:]PUBLISHED:]TARGET[/PROTOCOL]`, ranges, or the long form with commas. */
export function parsePorts(text: string): WirePort[] {
  if (text.includes('=')) return [parseLongPort(text)];
  const [, v6, v4, rest] = /^(?:\[([0-9a-fA-F:.]+)\]|(\d+\.\d+\.\d+\.\d+)):(.+)$/u.exec(text) ?? [];
  const HostIP = v6 ?? v4;
  if (HostIP !== undefined && rest !== undefined) {
    return parsePorts(rest.replace(/^:/u, '')).map((port) => ({ ...port, HostIP }));
  }
  const match = /^(?:(\d+(?:-\d+)?)?:)?(\d+(?:-\d+)?)(?:\/(tcp|udp|sctp))?$/i.exec(text);
  const [, published, target, protocol] = match ?? [];
  if (target === undefined) {
    throw new Error(`invalid port ${JSON.stringify(text)}: use [PUBLISHED:]TARGET[/tcp|udp]`);
  }
  const targets = range(target);
  const publisheds = published === undefined ? undefined : range(published);
  if (publisheds !== undefined && publisheds.length !== targets.length) {
    throw new Error(`invalid port ${JSON.stringify(text)}: both ranges must have the same length`);
  }
  return targets.map((TargetPort, i) => {
    const PublishedPort = publisheds?.[i];
    return {
      Protocol: (protocol ?? 'tcp').toLowerCase(),
      TargetPort,
      PublishMode: 'ingress',
      ...(PublishedPort === undefined ? {} : { PublishedPort }),
    };
  });
}

function range(text: string): number[] {
  const [first = 0, last = first] = text.split('-').map(Number);
  if (last < first || last > 65_535 || first < 1) throw new Error(`invalid port range ${text}`);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function parseLongPort(text: string): WirePort {
  const fields = parseFields(text, ['published', 'target', 'protocol', 'mode', 'host_ip']);
  const { target, published } = fields;
  if (target === undefined) {
    throw new Error(`invalid port ${JSON.stringify(text)}: target is required`);
  }
  const protocol = fields['protocol'] ?? 'tcp';
  const mode = fields['mode'] ?? 'ingress';
  if (!['tcp', 'udp', 'sctp'].includes(protocol))
    throw new Error(`invalid protocol ${JSON.stringify(protocol)}: use tcp or udp`);
  if (!['ingress', 'host'].includes(mode))
    throw new Error(`invalid publish mode ${JSON.stringify(mode)}: use ingress or host`);
  return {
    Protocol: protocol,
    TargetPort: portNumber(text, target),
    PublishMode: mode,
    ...(published === undefined ? {} : { PublishedPort: portNumber(text, published) }),
    ...(fields['host_ip'] === undefined ? {} : { HostIP: fields['host_ip'] }),
  };
}

function portNumber(text: string, digits: string): number {
  const port = Number(digits);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new Error(
    `invalid port ${JSON.stringify(text)}: ${digits} is not a number from 1 to 65535`,
  );
}

/** `a=1,b=2`; a word alone counts as "true". Unknown keys are refused with what there is. */
function parseFields(text: string, known: readonly string[]): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const part of text.split(',')) {
    const [key = '', ...value] = part.split('=');
    const name = key.trim().toLowerCase();
    if (!known.includes(name)) {
      throw new Error(
        `unexpected key ${JSON.stringify(key)} in ${JSON.stringify(text)}: use ${known.join(', ')}`,
      );
    }
    fields[name] = value.length > 0 ? value.join('=') : 'true';
  }
  return fields;
}

const MOUNT_KEYS = [
  'type',
  'source',
  'src',
  'target',
  'destination',
  'dst',
  'readonly',
  'ro',
  'bind-propagation',
  'bind-nonrecursive',
  'volume-nocopy',
  'volume-label',
  'volume-driver',
  'volume-opt',
  'tmpfs-size',
  'tmpfs-mode',
];

const isTrue = (text: string | undefined): boolean => text === 'true' || text === '1';

/** One `--mount` value as the API's Mount. */
export function parseMount(text: string): Loose {
  const fields = parseFields(text, MOUNT_KEYS);
  const type = fields['type'] ?? 'volume';
  if (!['bind', 'volume', 'tmpfs'].includes(type)) {
    throw new Error(`invalid mount type ${JSON.stringify(type)}: use bind, volume or tmpfs`);
  }
  const Target = fields['target'] ?? fields['destination'] ?? fields['dst'];
  if (Target === undefined)
    throw new Error(`invalid mount ${JSON.stringify(text)}: target is required`);
  const Source = fields['source'] ?? fields['src'];
  return {
    Type: type,
    Target,
    ...(Source === undefined ? {} : { Source }),
    ...(isTrue(fields['readonly'] ?? fields['ro']) ? { ReadOnly: true } : {}),
    ...optionGroup('BindOptions', {
      Propagation: fields['bind-propagation'],
      NonRecursive: isTrue(fields['bind-nonrecursive']) ? true : undefined,
    }),
    ...optionGroup('VolumeOptions', {
      NoCopy: isTrue(fields['volume-nocopy']) ? true : undefined,
      Labels: repeated(text, 'volume-label'),
      DriverConfig: driverConfig(text, fields['volume-driver']),
    }),
    ...tmpfsOptions(fields),
  };
}

/** The group without what is not given; nothing when nothing is. */
function optionGroup(name: string, options: Loose): Loose {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return given.length === 0 ? {} : { [name]: Object.fromEntries(given) };
}

/** The `k=v` values of a key that may stand several times in a mount. */
function repeated(text: string, key: string): Record<string, string> | undefined {
  const prefix = `${key}=`;
  const values = text.split(',').filter((part) => part.startsWith(prefix));
  return values.length === 0
    ? undefined
    : parsePairs(values.map((part) => part.slice(prefix.length)));
}

function driverConfig(text: string, driver: string | undefined): Loose | undefined {
  const Options = repeated(text, 'volume-opt');
  if (driver === undefined && Options === undefined) return undefined;
  return {
    ...(driver === undefined ? {} : { Name: driver }),
    ...(Options === undefined ? {} : { Options }),
  };
}

function tmpfsOptions(fields: Readonly<Record<string, string>>): Loose {
  const size = fields['tmpfs-size'];
  const mode = fields['tmpfs-mode'];
  if (size === undefined && mode === undefined) return {};
  return {
    TmpfsOptions: {
      ...(size === undefined ? {} : { SizeBytes: parseSize(size) }),
      ...(mode === undefined ? {} : { Mode: Number.parseInt(mode, 8) }),
    },
  };
}

/** `NAME`, or `name=NAME` with any of `alias=A`, `ip=ADDRESS`, `ip6=ADDRESS` and `driver-opt=K=V`. */
export function parseNetwork(text: string): NetworkAttachmentConfig {
  if (!text.includes('=')) return { Target: text };
  let Target = '';
  const Aliases: string[] = [];
  const options: string[] = [];
  for (const part of text.split(',')) {
    const [, key = '', value = ''] = /^([^=]*)=?(.*)$/su.exec(part) ?? [];
    if (key === 'name') Target = value;
    else if (key === 'alias') Aliases.push(value);
    else if (key === 'ip') options.push(`${FIXED_IPV4_OPTION}=${value}`);
    else if (key === 'ip6') options.push(`${FIXED_IPV6_OPTION}=${value}`);
    else if (key === 'driver-opt') options.push(value);
    else
      throw new Error(
        `unexpected key ${JSON.stringify(key)} in network ${JSON.stringify(text)}: ` +
          'use name, alias, ip, ip6 or driver-opt',
      );
  }
  if (Target === '') throw new Error(`invalid network ${JSON.stringify(text)}: name is required`);
  return {
    Target,
    ...(Aliases.length > 0 ? { Aliases } : {}),
    ...(options.length > 0 ? { DriverOpts: parsePairs(options) } : {}),
  };
}

/** `k=v` pairs into an object; a key alone has the empty value. */
export function parsePairs(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** Environment lines; a name alone takes its value from `environment` and is left out without one. */
export function parseEnv(
  texts: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): string[] {
  const values = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf('=');
    const name = at < 0 ? text : text.slice(0, at);
    const value = at < 0 ? environment[name] : text.slice(at + 1);
    if (value !== undefined) values.set(name, value);
  }
  return [...values].map(([name, value]) => `${name}=${value}`);
}

/** Splits a line into words as a shell does: quotes and backslashes, no expansion. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < line.length; i++) {
    const c = line.charAt(i);
    if (quote !== '') {
      if (c === quote) quote = '';
      else if (c === '\\' && quote === '"' && i + 1 < line.length)
        word = (word ?? '') + line.charAt(++i);
      else word = (word ?? '') + c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (c === '\\' && i + 1 < line.length) word = (word ?? '') + line.charAt(++i);
    else if (/\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else word = (word ?? '') + c;
  }
  if (quote !== '') throw new Error(`a quote is not closed in ${JSON.stringify(line)}`);
  if (word !== undefined) words.push(word);
  return words;
}
