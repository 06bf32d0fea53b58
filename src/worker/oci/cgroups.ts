// Control groups: which layout the host has, where a container's group lies, and how the limits of
// a service are written. Pure; the facts come from /proc.
import type { TaskSpec } from '../../model/index.ts';
import type { OciResources } from './oci-types.ts';

export interface CgroupLayout {
  /** Hybrid counts as v1: the controllers are there, v2 only names processes. */
  readonly version: 'v1' | 'v2';
  /** systemd owns the tree where it is PID 1: a group made behind its back may be taken away. */
  readonly driver: 'cgroupfs' | 'systemd';
  /** Where the memory controller (v1) or the whole tree (v2) is mounted. */
  readonly memoryRoot: string | undefined;
}

/** Period of the CPU quota in microseconds, as Docker's. */
const CPU_PERIOD_US = 100_000;
const NANO = 1e9;
/** Weight of a container that reserves one CPU, and of one that says nothing. */
const SHARES_PER_CPU = 1024;

/** Where hierarchies of control groups are mounted, from the text of /proc/self/mountinfo. */
export function cgroupMountPoints(mountInfo: string): readonly string[] {
  return parseMounts(mountInfo)
    .filter(({ type }) => type === 'cgroup' || type === 'cgroup2')
    .map(({ point }) => point);
}

/** Reads the layout from the text of /proc/self/mountinfo and the name of PID 1. */
export function cgroupLayout(mountInfo: string, pid1Name: string): CgroupLayout {
  const mounts = parseMounts(mountInfo);
  const driver = pid1Name.trim() === 'systemd' ? 'systemd' : 'cgroupfs';
  const memory = mounts.findLast(
    ({ type, options }) => type === 'cgroup' && options.includes('memory'),
  );
  const legacy = mounts.some(({ type, options }) => type === 'cgroup' && isController(options));
  if (legacy) return { version: 'v1', driver, memoryRoot: memory?.point };
  const unified = mounts.findLast(({ type }) => type === 'cgroup2');
  return { version: unified === undefined ? 'v1' : 'v2', driver, memoryRoot: unified?.point };
}

interface CgroupMount {
  readonly point: string;
  readonly type: string;
  readonly options: readonly string[];
}

function parseMounts(mountInfo: string): CgroupMount[] {
  return mountInfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ');
    const point = before.split(' ')[4];
    const [type = '', , superOptions = ''] = after.split(' ');
    return point === undefined ? [] : [{ point, type, options: superOptions.split(',') }];
  });
}

/** A v1 mount of a real controller, not only of systemd's own named hierarchy. */
function isController(options: readonly string[]): boolean {
  return ['memory', 'cpu', 'pids', 'devices', 'freezer'].some((name) => options.includes(name));
}

/** Value of `linux.cgroupsPath` for a container. `parent`: "/tsswarm". */
export function cgroupsPath(layout: CgroupLayout, parent: string, containerId: string): string {
  if (layout.driver === 'cgroupfs') return `${parent}/${containerId}`;
  // slice:prefix:name. In systemd's names a dash means a sub-slice, so slashes become dashes.
  const slice = parent.replace(/^\/+/, '').replaceAll('/', '-');
  return `${slice}.slice:tsswarm:${containerId}`;
}

/** The file that counts processes killed for want of memory, and the line to look for. */
export function oomCounter(
  layout: CgroupLayout,
  parent: string,
  containerId: string,
): { readonly file: string; readonly key: 'oom_kill' } | undefined {
  if (layout.memoryRoot === undefined) return undefined;
  const slice = parent.replace(/^\/+/, '').replaceAll('/', '-');
  const path =
    layout.driver === 'cgroupfs'
      ? `${parent}/${containerId}`
      : `/${slice}.slice/tsswarm-${containerId}.scope`;
  const name = layout.version === 'v1' ? 'memory.oom_control' : 'memory.events';
  return { file: `${layout.memoryRoot}${path}/${name}`, key: 'oom_kill' };
}

/** True when the text of the counter file says that a process was killed. */
export function countsOomKill(text: string): boolean {
  const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return count !== undefined && Number(count) > 0;
}

/**
 * Limits and reservations as the runtime wants them (it translates them for v2 itself). A CPU
 * reservation of more than one CPU raises the weight; a smaller one doesn't lower it, else a service
 * would fare worse with a reservation than without.
 */
export function ociResources(resources: TaskSpec['Resources']): OciResources {
  const { Limits: limits = {}, Reservations: reservations = {} } = resources ?? {};
  const memory = {
    ...(positive(limits.MemoryBytes) ? { limit: limits.MemoryBytes } : {}),
    ...(positive(reservations.MemoryBytes) ? { reservation: reservations.MemoryBytes } : {}),
  };
  const shares = Math.round(((reservations.NanoCPUs ?? 0) * SHARES_PER_CPU) / NANO);
  const cpu = {
    ...(positive(limits.NanoCPUs)
      ? { quota: Math.round((limits.NanoCPUs * CPU_PERIOD_US) / NANO), period: CPU_PERIOD_US }
      : {}),
    ...(shares > SHARES_PER_CPU ? { shares } : {}),
  };
  return {
    devices: [{ allow: false, access: 'rwm' }],
    ...(Object.keys(memory).length > 0 ? { memory } : {}),
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    ...(positive(limits.Pids) ? { pids: { limit: limits.Pids } } : {}),
  };
}

function positive(value: number | undefined): value is number {
  return value !== undefined && value > 0;
}
