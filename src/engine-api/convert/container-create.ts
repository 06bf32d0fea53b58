// From the body of POST /containers/create to what is to run, in the words of services. Pure. What
// Docker refuses is refused with its words; what we don't have is refused, never dropped.
import { SwarmError } from '../../base/index.ts';
import {
  addressFamily,
  checkContainerOptions,
  type ContainerConfig,
  type ContainerRestartPolicy,
  type ContainerSpec,
  type Healthcheck,
} from '../../model/index.ts';
import { containerMounts } from './container-mounts.ts';
import { checkExposedPorts, containerNetworks, containerPorts } from './container-networks.ts';
import {
  CONTAINER_CREATE_SCHEMA,
  RESTART_POLICIES,
  type ContainerBody,
  type HostConfigBody,
  type Words,
} from './container-schemas.ts';
import { unsupported } from './normalise.ts';
import { validated } from './parse.ts';

export interface ContainerRequest {
  readonly config: ContainerConfig;
  readonly warnings: readonly string[];
}

const NAME_CHARACTERS = '[a-zA-Z0-9][a-zA-Z0-9_.-]';
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const NANO = 1e9;
const NANO_CPUS_MIN = 1e7;
const MEMORY_MIN = 6 * 1024 * 1024;
const CPU_PERIOD_US = 100_000;
const HEALTH_DURATION_MIN = 1e6;

/** `name`: with or without a slash; '' lets the daemon choose. */
export function parseContainer(
  body: Readonly<Record<string, unknown>>,
  name: string,
): ContainerRequest {
  const parsed = validated<ContainerBody>(CONTAINER_CREATE_SCHEMA, body, 'container config');
  const host = parsed.HostConfig ?? {};
  const restart = restartPolicy(host);
  const networks = containerNetworks(
    host.NetworkMode ?? '',
    parsed.NetworkingConfig?.EndpointsConfig ?? {},
  );
  checkExposedPorts(Object.keys(parsed.ExposedPorts ?? {}));
  const ports = containerPorts(host.PortBindings ?? {});
  const portless = networks.find(({ target }) => target === 'host' || target === 'none')?.target;
  const limits = resourceLimits(host);
  const logDriver = logDriverOf(host);
  const spec = containerSpec(parsed, host);
  checkContainerOptions(spec, logDriver);
  return {
    config: {
      name: name === '' ? '' : checkedName(name),
      spec,
      ...(limits === undefined ? {} : { limits }),
      ...(logDriver === undefined ? {} : { logDriver }),
      restart,
      autoRemove: host.AutoRemove ?? false,
      networks,
      ports: portless === undefined ? ports : [],
    },
    warnings: [
      ...(portless !== undefined && ports.length > 0
        ? [`Published ports are discarded when using ${portless} network mode`]
        : []),
      ...(parsed.Tty === true && (host.ConsoleSize ?? []).some((one) => one > 0)
        ? ['HostConfig.ConsoleSize is not carried out: the terminal begins with a size of its own']
        : []),
    ],
  };
}

/** Without its slash. Raises `invalid`. */
export function checkedName(text: string): string {
  const name = text.replace(/^\//, '');
  if (NAME.test(name)) return name;
  throw invalid(`Invalid container name (${text}), only ${NAME_CHARACTERS} are allowed`);
}

function containerSpec(body: ContainerBody, host: HostConfigBody): ContainerSpec {
  if (!body.Image) throw invalid('the container needs an Image');
  const { command, args } = commandOf(words(body.Entrypoint), words(body.Cmd) ?? []);
  return compact<ContainerSpec>({
    Image: body.Image,
    Labels: body.Labels,
    Command: command,
    Args: args,
    Hostname: body.Hostname,
    Env: checkedEnv(body.Env ?? []),
    Dir: checkedDirectory(body.WorkingDir),
    User: body.User,
    Groups: host.GroupAdd,
    Privileges: privileges(host.SecurityOpt ?? []),
    Init: host.Init,
    StopSignal: body.StopSignal,
    TTY: body.Tty,
    ReadOnly: host.ReadonlyRootfs,
    Mounts: containerMounts(body, host),
    StopGracePeriod: stopGracePeriod(body.StopTimeout),
    Healthcheck: checkedHealth(body.Healthcheck),
    Hosts: (host.ExtraHosts ?? []).map(hostLine),
    DNSConfig: compact({
      Nameservers: host.Dns?.map(checkedNameserver),
      Search: host.DnsSearch,
      Options: host.DnsOptions,
    }),
    Sysctls: host.Sysctls,
    CapabilityAdd: host.CapAdd,
    CapabilityDrop: host.CapDrop,
    Ulimits: host.Ulimits,
    OomScoreAdj: host.OomScoreAdj === 0 ? undefined : host.OomScoreAdj,
  });
}

/** Without what says nothing: undefined, '', false and what is empty. */
function compact<T extends object>(value: { readonly [K in keyof T]: T[K] | undefined }): T {
  const entries = Object.entries(value).filter(([, inner]) => {
    if (typeof inner === 'object' && inner !== null) return Object.keys(inner).length > 0;
    return inner !== undefined && inner !== '' && inner !== false;
  });
  return Object.fromEntries(entries) as T;
}

function words(text: Words | undefined): readonly string[] | undefined {
  return typeof text === 'string' ? [text] : text;
}

/**
 * [""] is how the CLI takes the image's entrypoint away, and its command with it: what is left stands
 * in the place of the entrypoint, since nothing of the image may come before or after it.
 */
function commandOf(
  entrypoint: readonly string[] | undefined,
  cmd: readonly string[],
): { command: readonly string[]; args: readonly string[] } {
  if (entrypoint === undefined) return { command: [], args: cmd };
  const cleared = entrypoint.length === 1 && entrypoint[0] === '';
  if (entrypoint.length > 0 && !cleared) return { command: entrypoint, args: cmd };
  if (cmd.length > 0) return { command: cmd, args: [] };
  if (cleared) throw invalid('no command specified');
  throw unsupported('Entrypoint', entrypoint, 'leave it out, or name a Cmd');
}

function checkedEnv(env: readonly string[]): readonly string[] {
  for (const entry of env) {
    if (entry === '' || entry.startsWith('=')) {
      throw invalid(`invalid environment variable: ${entry}`);
    }
  }
  return env;
}

function checkedDirectory(directory = ''): string {
  if (directory === '' || directory.startsWith('/')) return directory;
  throw invalid(`the working directory '${directory}' is invalid, it needs to be an absolute path`);
}

function stopGracePeriod(seconds: number | undefined): number | undefined {
  if (seconds === undefined || seconds >= 0) return seconds && seconds * NANO;
  throw unsupported('StopTimeout', seconds, 'name a number of seconds with --stop-timeout');
}

function checkedHealth(health: Healthcheck = {}): Healthcheck {
  for (const key of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[key] ?? 0;
    if (value !== 0 && value < HEALTH_DURATION_MIN) {
      throw invalid(`${key} in Healthcheck cannot be less than 1ms`);
    }
  }
  if ((health.Retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
  return health;
}

/** "host:ip" (the ip may have brackets) → "ip host". */
function hostLine(text: string): string {
  const [, host, address = ''] = /^([^:\s]+):\[?([^\]\s]+)\]?$/.exec(text) ?? [];
  if (host === undefined) throw invalid(`bad format for add-host: ${JSON.stringify(text)}`);
  if (address === 'host-gateway') {
    throw unsupported('HostConfig.ExtraHosts', text, "name the machine's address");
  }
  if (addressFamily(address) === undefined || address.includes('/')) {
    throw invalid(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
  return `${address} ${host}`;
}

function checkedNameserver(address: string): string {
  if (addressFamily(address) !== undefined && !address.includes('/')) return address;
  throw invalid(`${address} is not an ip address`);
}

function privileges(options: readonly string[]): Readonly<Record<string, unknown>> {
  let result: Readonly<Record<string, unknown>> = {};
  for (const option of options) {
    // Docker takes "key=value" and, from old times, "key:value".
    const [, key = option, value = ''] = /^([^=:]+)[=:](.*)$/s.exec(option) ?? [];
    if (key === 'no-new-privileges' && ['', 'true'].includes(value)) {
      result = { ...result, NoNewPrivileges: true };
    } else if (key === 'seccomp' && value === 'unconfined') {
      result = { ...result, Seccomp: { Mode: 'unconfined' } };
    } else if (!isDefaultOption(key, value)) {
      throw unsupported(
        'HostConfig.SecurityOpt',
        option,
        'use no-new-privileges or seccomp=unconfined',
      );
    }
  }
  return result;
}

/** How our containers are in any case: no labels of AppArmor and SELinux. */
function isDefaultOption(key: string, value: string): boolean {
  if (key === 'no-new-privileges') return value === 'false';
  if (key === 'seccomp') return value === 'builtin' || value === 'default';
  return (key === 'apparmor' && value === 'unconfined') || (key === 'label' && value === 'disable');
}

function resourceLimits(host: HostConfigBody): ContainerConfig['limits'] {
  const { Memory = 0, NanoCpus = 0, CpuQuota = 0, CpuPeriod = 0, PidsLimit = 0 } = host;
  if (Memory !== 0 && Memory < MEMORY_MIN) throw invalid('Minimum memory limit allowed is 6MB');
  if (NanoCpus > 0 && (CpuQuota > 0 || CpuPeriod > 0)) {
    const other = CpuPeriod > 0 ? 'CPU Period' : 'CPU Quota';
    throw invalid(`Conflicting options: Nano CPUs and ${other} cannot both be set.`);
  }
  if (CpuPeriod !== 0 && CpuQuota <= 0) {
    throw unsupported('HostConfig.CpuPeriod', CpuPeriod, 'limit it with --cpus');
  }
  const quota = CpuQuota > 0 ? Math.round((CpuQuota / (CpuPeriod || CPU_PERIOD_US)) * NANO) : 0;
  const cpus = NanoCpus || quota;
  if (cpus !== 0 && cpus < NANO_CPUS_MIN) {
    throw invalid(`${cpus / NANO} CPUs are too few: the limit is 0.01 at least`);
  }
  if (Memory === 0 && cpus === 0 && PidsLimit <= 0) return undefined;
  return {
    ...(cpus === 0 ? {} : { NanoCPUs: cpus }),
    ...(Memory === 0 ? {} : { MemoryBytes: Memory }),
    ...(PidsLimit <= 0 ? {} : { Pids: PidsLimit }),
  };
}

function logDriverOf({ LogConfig: log }: HostConfigBody): ContainerConfig['logDriver'] {
  const options = log?.Config ?? {};
  const name = log?.Type ?? '';
  if (name === '' && Object.keys(options).length === 0) return undefined;
  return {
    ...(name === '' ? {} : { Name: name }),
    ...(Object.keys(options).length === 0 ? {} : { Options: options }),
  };
}

function restartPolicy(host: HostConfigBody): ContainerRestartPolicy {
  const { Name = '', MaximumRetryCount: maximumRetries = 0 } = host.RestartPolicy ?? {};
  const name = RESTART_POLICIES.find((one) => one === (Name || 'no'));
  if (name === undefined) {
    throw invalid(
      `invalid restart policy: unknown policy '${Name}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
    );
  }
  if (maximumRetries < 0) {
    throw invalid('invalid restart policy: maximum retry count cannot be negative');
  }
  if (maximumRetries > 0 && name !== 'on-failure') {
    throw invalid("invalid restart policy: maximum retry count can only be used with 'on-failure'");
  }
  if (host.AutoRemove === true && name !== 'no') {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
  return { name, maximumRetries };
}

function invalid(message: string): SwarmError {
  return new SwarmError('invalid', message);
}
