// From a service's spec and an image's configuration to what the OCI runtime runs. Pure: everything
// that must be looked up on the host comes in as a fact.
import { SwarmError, words } from '../../base/index.ts';
import {
  containerCapabilities,
  seccompMode,
  type ContainerSpec,
  type TaskSpec,
} from '../../model/index.ts';
import type { ImageConfig } from '../images/index.ts';
import { cgroupsPath, ociResources, type CgroupLayout } from './cgroups.ts';
import type { OciMount, OciNamespace, OciProcess, OciSpec, OciUser } from './oci-types.ts';
import { seccompProfile } from './seccomp.ts';
import { ociLimit } from './spec-json.ts';

const OCI_VERSION = '1.0.2';
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SHM_BYTES = 64 * 1024 * 1024;
/** Where the host's init program is put when a service asks for one (Docker's place). */
export const INIT_TARGET = '/sbin/docker-init';

const MASKED_PATHS = words(`
  /proc/asound /proc/acpi /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats
  /proc/timer_list /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware
  /sys/devices/virtual/powercap
`);
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Facts of the host, read once. */
export interface HostFacts {
  /** Go's name: "amd64". */
  readonly architecture: string;
  readonly hostname: string;
  readonly cgroups: CgroupLayout;
  /** "/tsswarm", or what the daemon was told. */
  readonly cgroupParent: string;
  /** Bit mask of the capabilities that this process may hand on. */
  readonly capabilities: bigint;
  /** Lowest oom_score_adj that may be set here; undefined = any. */
  readonly minimumOomScore: number | undefined;
  /** Whether runtime and kernel can make a mount read-only with all below it. */
  readonly recursiveReadOnly: boolean;
  /** Program for `Init: true`, if there is one. */
  readonly initPath: string | undefined;
}

export interface SpecInput {
  readonly containerId: string;
  /** With templates expanded. */
  readonly spec: ContainerSpec;
  readonly resources: TaskSpec['Resources'];
  readonly image: ImageConfig;
  readonly user: OciUser;
  readonly hostname: string;
  /** As in TaskNamespace: undefined = the host's network, '' = a new empty one. */
  readonly networkPath: string | undefined;
  /** Binds, volumes, tmpfs, files of the task, secrets: in any order. */
  readonly mounts: readonly OciMount[];
  readonly host: HostFacts;
}

/** The whole runtime spec of a task's container; throws `invalid` for what can't be run. */
export function ociSpec(input: SpecInput): OciSpec {
  const { spec, image, host, networkPath } = input;
  const capabilities = containerCapabilities(
    spec.CapabilityAdd ?? [],
    spec.CapabilityDrop ?? [],
    host.capabilities,
  );
  const confined = seccompMode(spec.Privileges?.['Seccomp']) === 'default';
  const seccomp = confined ? seccompProfile(capabilities, host.architecture) : undefined;
  const sysctl = { ...defaultSysctls(networkPath), ...spec.Sysctls };
  return {
    ociVersion: OCI_VERSION,
    process: {
      ...ociProcess(spec, image, input.user, input.hostname, host),
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      ...(spec.Privileges?.['NoNewPrivileges'] === true ? { noNewPrivileges: true } : {}),
    },
    root: { path: 'rootfs', readonly: spec.ReadOnly ?? false },
    hostname: input.hostname,
    mounts: mergeMounts(defaultMounts(), [...initMounts(spec, host), ...input.mounts]),
    linux: {
      cgroupsPath: cgroupsPath(host.cgroups, host.cgroupParent, input.containerId),
      namespaces: namespaces(networkPath, host.cgroups),
      resources: ociResources(input.resources),
      ...(seccomp === undefined ? {} : { seccomp }),
      ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
}

function ociProcess(
  spec: ContainerSpec,
  image: ImageConfig,
  user: OciUser,
  hostname: string,
  host: HostFacts,
): OciProcess {
  const args = processArgs(spec, image);
  const rlimits = (spec.Ulimits ?? []).map(({ Name, Soft, Hard }) => ({
    type: `RLIMIT_${Name.toUpperCase()}`,
    soft: ociLimit(Soft),
    hard: ociLimit(Hard),
  }));
  return {
    terminal: spec.TTY ?? false,
    user,
    args: spec.Init === true ? [INIT_TARGET, '--', ...args] : args,
    env: processEnv(spec, image, hostname),
    cwd: spec.Dir || image.WorkingDir || '/',
    ...(rlimits.length > 0 ? { rlimits } : {}),
    oomScoreAdj: Math.max(spec.OomScoreAdj ?? 0, host.minimumOomScore ?? -1000),
  };
}

/**
 * Docker's rule: a command of the service replaces the image's entrypoint and drops the image's
 * arguments; arguments of the service replace the image's.
 */
export function processArgs(spec: ContainerSpec, image: ImageConfig): readonly string[] {
  const command = spec.Command ?? [];
  const args = spec.Args ?? [];
  const result =
    command.length > 0
      ? [...command, ...args]
      : [...(image.Entrypoint ?? []), ...(args.length > 0 ? args : (image.Cmd ?? []))];
  if (result.length === 0) {
    throw new SwarmError(
      'invalid',
      'no command specified: neither the service nor its image has one',
    );
  }
  return result;
}

/** PATH and HOSTNAME, then the image's variables, then the service's; a name without "=" unsets. */
export function processEnv(
  spec: ContainerSpec,
  image: ImageConfig,
  hostname: string,
): readonly string[] {
  const variables = new Map<string, string>();
  const defaults = [DEFAULT_PATH, `HOSTNAME=${hostname}`, ...(spec.TTY ? ['TERM=xterm'] : [])];
  for (const entry of [...defaults, ...(image.Env ?? []), ...(spec.Env ?? [])]) {
    const at = entry.indexOf('=');
    if (at < 0) variables.delete(entry);
    else variables.set(entry.slice(0, at), entry);
  }
  return [...variables.values()];
}

/**
 * With a network of its own a container may use low ports and ping without being root, as in
 * Docker.
 */
function defaultSysctls(networkPath: string | undefined): Record<string, string> {
  if (networkPath === undefined) return {};
  return {
    'net.ipv4.ip_unprivileged_port_start': '0',
    'net.ipv4.ping_group_range': '0 2147483647',
  };
}

function namespaces(networkPath: string | undefined, cgroups: CgroupLayout): OciNamespace[] {
  const result: OciNamespace[] = [
    { type: 'mount' },
    { type: 'pid' },
    { type: 'uts' },
    { type: 'ipc' },
  ];
  if (networkPath !== undefined) {
    result.push(networkPath === '' ? { type: 'network' } : { type: 'network', path: networkPath });
  }
  if (cgroups.version === 'v2') result.push({ type: 'cgroup' });
  return result;
}

function defaultMounts(): OciMount[] {
  const safe = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: safe },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...safe, 'ro'] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro', ...safe] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: safe },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...safe, 'mode=1777', `size=${SHM_BYTES}`],
    },
  ];
}

function initMounts(spec: ContainerSpec, host: HostFacts): OciMount[] {
  if (spec.Init !== true) return [];
  if (host.initPath === undefined) {
    throw new SwarmError(
      'invalid',
      'the container wants an init process, and this host has none: run scripts/setup.sh there',
    );
  }
  const options = ['bind', 'ro', 'rprivate'];
  return [{ destination: INIT_TARGET, type: 'bind', source: host.initPath, options }];
}

/** A mount of the service replaces a default one of the same place; outer places come first. */
function mergeMounts(defaults: readonly OciMount[], more: readonly OciMount[]): OciMount[] {
  const taken = new Set(more.map(({ destination }) => destination));
  const depth = ({ destination }: OciMount): number =>
    destination.split('/').filter((part) => part !== '').length;
  const kept = defaults.filter(({ destination }) => !taken.has(destination));
  return [...kept, ...more.toSorted((a, b) => depth(a) - depth(b))];
}
