// A validated file in its long form, so that several files can be merged by key. Reports what is
// ignored.
import { splitWords } from '../../notation/index.ts';
import type {
  ComposeEnvFile,
  ComposeMount,
  ComposePort,
  ComposeService,
  Path,
  Source,
} from '../source/index.ts';
import { IGNORED_SERVICE_KEYS } from '../schema/index.ts';
import {
  hostPath,
  mountFromText,
  portFromLong,
  portsFromText,
  tmpfsFromText,
  type Directories,
} from './short-forms.ts';

type Values = Readonly<Record<string, unknown>>;

/** What the conversion of a file needs. */
export interface LongFormContext {
  readonly source: Source;
  readonly directories: Directories;
  readonly warn: (text: string) => void;
}

const SECTIONS = ['services', 'networks', 'volumes', 'secrets', 'configs'] as const;

/** The five sections of a file that fits the schema; absent ones are empty. */
export function longForm(context: LongFormContext): Values {
  const file = context.source.value as Values;
  tellAboutHeader(context, file);
  return Object.fromEntries(
    SECTIONS.map((section) => {
      const entries = Object.entries((file[section] ?? {}) as Values).filter(
        ([key]) => !key.startsWith('x-'),
      );
      const convert = section === 'services' ? serviceLong : objectLong(section);
      return [
        section,
        Object.fromEntries(
          entries.map(([key, value]) => [
            key,
            convert(context, [section, key], (value ?? {}) as Values),
          ]),
        ),
      ];
    }),
  );
}

/** A file is read as the Compose Specification, and the command names the stack. */
function tellAboutHeader({ source, warn }: LongFormContext, file: Values): void {
  const { version, name } = file;
  if (version !== undefined && !/^3(?:\.\d+)?$/.test(String(version as string | number))) {
    warn(`Ignoring version ${JSON.stringify(version)} of ${source.name}: it changes nothing here`);
  }
  if (name !== undefined) {
    warn(`Ignoring name ${JSON.stringify(name)} of ${source.name}: the command names the stack`);
  }
}

/** Runs one conversion per key; errors get the key's place. */
function convertKeys(
  context: LongFormContext,
  path: Path,
  value: Values,
  converters: Readonly<Record<string, (value: unknown, path: Path) => unknown>>,
): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value)) {
    if (key.startsWith('x-')) continue;
    const convert = Object.hasOwn(converters, key) ? converters[key] : undefined;
    result[key] = convert === undefined ? inner : located(context, [...path, key], inner, convert);
  }
  return result;
}

function located(
  { source }: LongFormContext,
  path: Path,
  value: unknown,
  convert: (value: unknown, path: Path) => unknown,
): unknown {
  try {
    return convert(value, path);
  } catch (error) {
    if (error instanceof Error && error.constructor === Error)
      throw source.error(path, error.message);
    throw error;
  }
}

function serviceLong(context: LongFormContext, path: Path, service: Values): Values {
  const ignored = IGNORED_SERVICE_KEYS.filter((key) => Object.hasOwn(service, key));
  const deploy = service['deploy'] as Values | undefined;
  const reservations = (deploy?.['resources'] as Values | undefined)?.['reservations'] as
    Values | undefined;
  if (reservations?.['devices'] !== undefined) {
    ignored.push('deploy.resources.reservations.devices');
  }
  if (((reservations?.['generic_resources'] ?? []) as readonly unknown[]).length > 0) {
    throw context.source.error(
      [...path, 'deploy', 'resources', 'reservations', 'generic_resources'],
      'is not available: label the nodes that have them and use a placement constraint',
      'key',
    );
  }
  if ((service['isolation'] ?? 'default') !== 'default') {
    throw context.source.error([...path, 'isolation'], 'is for Windows: leave it out');
  }
  if (ignored.length > 0) {
    context.warn(`Ignoring unsupported options: ${ignored.join(', ')} (service ${path[1]})`);
  }
  const kept = Object.fromEntries(
    Object.entries(service).filter(([key]) => !ignored.includes(key)),
  );
  const { tmpfs, scale, cpus, mem_limit, mem_reservation, pids_limit, ...long } = convertKeys(
    context,
    path,
    kept,
    serviceConverters(context, path),
  );
  const mounts = [
    ...((long['volumes'] ?? []) as ComposeMount[]),
    ...((tmpfs ?? []) as ComposeMount[]),
  ];
  const limits = withoutUndefined({ cpus, memory: mem_limit, pids: pids_limit });
  const older = { scale, limits, reservations: withoutUndefined({ memory: mem_reservation }) };
  return {
    ...long,
    ...(mounts.length > 0 ? { volumes: mounts } : {}),
    ...withOlderKeys(long as ComposeService, older),
  };
}

const withoutUndefined = (value: Values): Values =>
  Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== undefined));

/** `scale`, `cpus`, `mem_limit`, …: count where `deploy` says nothing. */
function withOlderKeys(
  service: ComposeService,
  older: { scale: unknown; limits: Values; reservations: Values },
): Values {
  const { scale, limits, reservations } = older;
  const some = [limits, reservations].some((amounts) => Object.keys(amounts).length > 0);
  if (scale === undefined && !some) return {};
  const { deploy = {} } = service;
  const resources = {
    limits: { ...limits, ...deploy.resources?.limits },
    reservations: { ...reservations, ...deploy.resources?.reservations },
  };
  return {
    deploy: {
      ...(scale === undefined ? {} : { replicas: scale }),
      ...deploy,
      ...(some ? { resources } : {}),
    },
  };
}

function serviceConverters(
  context: LongFormContext,
  service: Path,
): Readonly<Record<string, (value: unknown, path: Path) => unknown>> {
  const { directories } = context;
  const warn = (text: string): void => context.warn(`${text} (service ${service[1]})`);
  const each = (convert: (value: never) => unknown) => (value: unknown, path: Path) =>
    (value as readonly unknown[]).flatMap((one, i) =>
      located(context, [...path, i], one, (inner) => convert(inner as never)),
    );
  const words = (value: unknown): unknown =>
    typeof value === 'string' ? splitWords(value) : value;
  return {
    command: words,
    entrypoint: words,
    environment: (value) => pairs(value, null),
    env_file: (value) => envFiles(value, directories),
    labels: texts,
    sysctls: texts,
    dns: listOf,
    dns_search: listOf,
    group_add: (value) => (value as readonly unknown[]).map(String),
    extra_hosts: extraHosts,
    tmpfs: (value, path) => each(tmpfsFromText)(listOf(value), path),
    ports: each((port: string | number | { target: number }): ComposePort[] => {
      if (typeof port !== 'object') return portsFromText(port);
      if ('app_protocol' in port) warn('Ignoring unsupported options: ports.app_protocol');
      return [portFromLong(port)];
    }),
    volumes: each((volume: string | Values) => mountLong(volume, directories, warn)),
    networks: (value) => attachments(value, warn),
    secrets: each(payloadReference),
    configs: each(payloadReference),
    healthcheck: (value) => {
      const { test, ...rest } = value as Values;
      if (test === undefined) return rest;
      return { ...rest, test: typeof test === 'string' ? ['CMD-SHELL', test] : test };
    },
    logging: (value) => withTexts(value, 'options'),
    deploy: (value) => withTexts(value, 'labels'),
  };
}

const listOf = (value: unknown): readonly unknown[] => [value].flat();

/** Numbers and booleans of a map as the texts that they are sent as. */
function texts(value: unknown): Record<string, string> {
  return pairs(value, '') as Record<string, string>;
}

function withTexts(value: unknown, key: string): Values {
  const inner = value as Values;
  return inner[key] === undefined ? inner : { ...inner, [key]: texts(inner[key]) };
}

/** `[A=1, B]` or `{A: 1, B: null}`; `bare` is the value of a name alone. */
function pairs(value: unknown, bare: string | null): Record<string, string | null> {
  if (!Array.isArray(value)) {
    const entries = Object.entries(value as Values);
    return Object.fromEntries(
      entries.map(([key, one]) => [key, one === null ? bare : String(one as string | number)]),
    );
  }
  return Object.fromEntries(
    (value as readonly string[]).map((text) => {
      const at = text.indexOf('=');
      return at < 0 ? [text, bare] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function envFiles(value: unknown, directories: Directories): ComposeEnvFile[] {
  return listOf(value).map((one) => {
    const { path, required = true } =
      typeof one === 'string' ? { path: one } : (one as { path: string; required?: boolean });
    return { path: hostPath(path, directories), required };
  });
}

/** `HOST:IP`, `HOST=IP` or a map, as `HOST=IP`. */
function extraHosts(value: unknown): string[] {
  if (!Array.isArray(value)) {
    const entries = Object.entries(value as Record<string, string | readonly string[]>);
    return entries.flatMap(([host, addresses]) =>
      [addresses].flat().map((one) => `${host}=${one}`),
    );
  }
  return (value as readonly string[]).map((text) => {
    const match = /^([^:=]+)[:=]\s*(\S+)$/.exec(text.trim());
    if (match?.[1] === undefined || match[2] === undefined) {
      throw new Error(`invalid host ${JSON.stringify(text)}: use HOST:IP`);
    }
    return `${match[1].trim()}=${match[2].replace(/^\[(.*)\]$/, '$1')}`;
  });
}

function mountLong(
  volume: string | Values,
  directories: Directories,
  warn: (text: string) => void,
): unknown {
  if (typeof volume === 'string') return mountFromText(volume, directories);
  const { type, source, volume: options } = volume;
  const other = ['bind', 'volume', 'tmpfs'].find((key) => key !== type && key in volume);
  if (other !== undefined) {
    throw new Error(`"${other}" is for mounts of that type, and this one is a ${String(type)}`);
  }
  if (((volume['bind'] ?? {}) as Values)['selinux'] !== undefined) {
    warn('Ignoring unsupported options: volumes.bind.selinux');
  }
  if ((options as Values | undefined)?.['subpath'] !== undefined) {
    throw new Error('"volume.subpath" is not available: mount the whole volume');
  }
  if (type === 'bind' && source === undefined)
    throw new Error('"source" is missing: a bind mount needs a path');
  if (type === 'tmpfs' && source !== undefined) throw new Error('a tmpfs has no "source"');
  return {
    ...volume,
    ...(type === 'bind' ? { source: hostPath(String(source), directories) } : {}),
    ...(options === undefined ? {} : { volume: withTexts(options, 'labels') }),
  };
}

/** What an attachment can carry; the rest of Compose's keys is accepted and ignored. */
const ATTACHMENT_KEYS = new Set(['aliases', 'driver_opts', 'ipv4_address', 'ipv6_address']);

function attachments(value: unknown, warn: (text: string) => void): Values {
  if (Array.isArray(value)) return Object.fromEntries(value.map((name: string) => [name, {}]));
  const entries = Object.entries(value as Values);
  for (const [name, one] of entries) {
    const ignored = Object.keys(one ?? {}).filter(
      (key) => !ATTACHMENT_KEYS.has(key) && !key.startsWith('x-'),
    );
    if (ignored.length === 0) continue;
    warn(`Ignoring unsupported options: networks.${name}.${ignored.join(', ')}`);
  }
  return Object.fromEntries(
    entries.map(([name, one]) => [name, withTexts(one ?? {}, 'driver_opts')]),
  );
}

function payloadReference(value: string | Values): Values {
  if (typeof value === 'string') return { source: value };
  const { uid, gid, mode } = value;
  if (typeof mode === 'string' && !/^0?[0-7]{3,4}$/.test(mode)) {
    throw new Error(`invalid mode ${JSON.stringify(mode)}: use an octal number such as 0440`);
  }
  return {
    ...value,
    ...(uid === undefined ? {} : { uid: String(uid as string | number) }),
    ...(gid === undefined ? {} : { gid: String(gid as string | number) }),
    ...(typeof mode === 'string' ? { mode: Number.parseInt(mode, 8) } : {}),
  };
}

/** What Docker would do otherwise without it is an error at its place. */
function refuseKeys(
  { source }: LongFormContext,
  path: Path,
  value: Values,
  refusals: Readonly<Record<string, string>>,
): void {
  for (const [key, instead] of Object.entries(refusals)) {
    if (!Object.hasOwn(value, key)) continue;
    throw source.error([...path, key], `is not available: ${instead}`, 'key');
  }
}

function refuseIpam(context: LongFormContext, path: Path, ipam: unknown): void {
  const { driver = 'default', options = {}, config = [] } = (ipam ?? {}) as Values;
  if (driver !== 'default') {
    throw context.source.error(
      [...path, 'driver'],
      'the managers give out addresses: leave it out',
    );
  }
  if (Object.keys(options as Values).length > 0) {
    refuseKeys(context, path, ipam as Values, { options: 'leave it out' });
  }
  for (const [at, one] of (config as readonly Values[]).entries()) {
    refuseKeys(context, [...path, 'config', at], one, {
      ip_range: 'name a smaller subnet',
      aux_addresses: 'name a subnet without them',
    });
  }
}

/** Networks, volumes, secrets and configs at the top level. */
function objectLong(
  section: string,
): (context: LongFormContext, path: Path, value: Values) => Values {
  return (context, path, value) => {
    const { external, ...rest } = convertKeys(context, path, value, {
      labels: texts,
      driver_opts: texts,
      file: (file) => hostPath(String(file), context.directories),
    });
    if (section === 'networks') refuseIpam(context, [...path, 'ipam'], rest['ipam']);
    if (section === 'volumes' && 'x-cluster-spec' in value) {
      context.warn(`Ignoring unsupported options: x-cluster-spec (${section}.${path[1]})`);
    }
    const isPayload = section === 'secrets' || section === 'configs';
    if (isPayload) {
      refuseKeys(context, path, rest, {
        driver: 'give the data itself, with "file", "content" or "environment"',
        driver_opts: 'give the data itself, with "file", "content" or "environment"',
        template_driver: 'templates are expanded in variables, hostname and mounts alone',
      });
    }
    if (section === 'networks' && rest['enable_ipv4'] === false) {
      throw context.source.error([...path, 'enable_ipv4'], 'every network has IPv4: leave it out');
    }
    const ignored = ['enable_ipv4'];
    const outside = external === true || (typeof external === 'object' && external !== null);
    const name = typeof external === 'object' ? (external as Values | null)?.['name'] : undefined;
    const kept = Object.fromEntries(Object.entries(rest).filter(([key]) => !ignored.includes(key)));
    const contents = ['file', 'content', 'environment'].filter((key) => Object.hasOwn(kept, key));
    if (isPayload && !outside && contents.length !== 1) {
      const problem =
        contents.length === 0 ? 'is missing' : `can't have ${contents.join(' and ')} at once`;
      throw context.source.error(
        path,
        `${contents.length === 0 ? '"file", "content" or "environment" ' : ''}${problem}`,
      );
    }
    return {
      ...kept,
      ...(outside ? { external: true } : {}),
      ...(name === undefined ? {} : { name }),
    };
  };
}
