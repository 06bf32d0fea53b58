// Where a lab keeps its things. Everything of a lab is below these two folders or in namespaces that
// its processes hold, so that `down` can clean up whatever a crash left.

export interface LabPaths {
  readonly name: string;
  /** State, namespace files; on a tmpfs. */
  readonly run: string;
  /** Data of all hosts. */
  readonly data: string;
  readonly state: string;
  /** A state file per host. */
  readonly hosts: string;
  /** Bind mount of the network namespace with the bridge. */
  readonly bridge: string;
}

export const RUN_ROOT = '/run/tsswarm-lab';
export const DATA_ROOT = '/var/lib/tsswarm-lab';

export function labPaths(name: string): LabPaths {
  const run = `${RUN_ROOT}/${name}`;
  return {
    name,
    run,
    data: `${DATA_ROOT}/${name}`,
    state: `${run}/lab.json`,
    hosts: `${run}/hosts`,
    bridge: `${run}/bridge.net`,
  };
}

export interface HostPaths {
  readonly data: string;
  /** The Engine API of the host, reachable from outside of its namespaces. */
  readonly socket: string;
  readonly log: string;
}

export function hostPaths(lab: LabPaths, host: string): HostPaths {
  const data = `${lab.data}/${host}`;
  return { data: `${data}/data`, socket: `${data}/tsswarm.sock`, log: `${data}/tsswarmd.log` };
}

/** Control group of a host's containers. */
export function cgroupOf(lab: LabPaths, host: string): string {
  return `/tsswarm-lab/${lab.name}/${host}`;
}
