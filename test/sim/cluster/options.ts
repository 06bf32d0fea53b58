// What one seed draws: the size of the cluster, which faults and which load it has. Each seed leaves
// some out, because faults and load that are always there hide what happens without them.
import type { Prng } from 'sim';

/** Kinds of faults that a seed may have. */
export const FAULTS = [
  'slowWires',
  'raftLoss',
  'clog',
  'partition',
  'oneWay',
  'breakStream',
  'killDaemon',
  'powerCut',
  'pause',
  'slowMachine',
  'clockDrift',
  'clockJump',
  'slowDisk',
  'failingSync',
  'fullDisk',
  'containerCrash',
  'stopLeader',
  'staleSet',
  'longPartition',
  'lostMemory',
] as const;
export type FaultKind = (typeof FAULTS)[number];

/** Kinds of load that a seed may have. */
export const LOADS = [
  'scale',
  'update',
  'badImage',
  'rollback',
  'remove',
  'global',
  'networks',
  'secrets',
  'configs',
  'ports',
  'drain',
  'roles',
  'removeNode',
  'join',
  'reservations',
  'oneShot',
  'resume',
  'replace',
  'history',
] as const;
export type LoadKind = (typeof LOADS)[number];

/** One seed's options. */
export interface ClusterOptions {
  readonly managers: number;
  readonly workers: number;
  readonly faults: ReadonlySet<FaultKind>;
  readonly loads: ReadonlySet<LoadKind>;
  /** How long clients and faults are at work. */
  readonly busyMs: number;
  /** Mean time between two faults, and between two requests of one client. */
  readonly faultEveryMs: number;
  readonly requestEveryMs: number;
  readonly clients: number;
  /** Entries between two snapshots of the log. */
  readonly snapshotInterval: number;
  /** Networks of few addresses, so that a leaked one is missed. */
  readonly smallNetworks: boolean;
  /** Users run containers of their own, with `docker run`. */
  readonly userContainers: boolean;
  /** Somebody has the certificate of a worker. */
  readonly hostile: boolean;
}

/** Draws the options of a seed. */
export function drawOptions(random: Prng): ClusterOptions {
  const calm = random.chance(0.1);
  const some = <T>(all: readonly T[]): Set<T> => {
    const chance = random.pick([0.25, 0.5, 0.8]);
    return new Set(all.filter(() => random.chance(chance)));
  };
  const faults: Set<FaultKind> = calm ? new Set() : some(FAULTS);
  return {
    managers: random.pick([1, 3, 3, 3, 3, 3, 5, 7]),
    workers: random.pick([1, 1, 2, 2, 3, 3, 4, 4, 6, 8, 12, 20]),
    faults,
    loads: some(LOADS),
    busyMs: faults.has('longPartition') ? 50_000 : random.between(20, 40) * 1000,
    faultEveryMs: random.pick([500, 1_500, 4_000]),
    requestEveryMs: random.pick([400, 1_000, 2_000]),
    clients: random.between(1, 3),
    snapshotInterval: random.pick([40, 200, 10_000]),
    smallNetworks: random.chance(0.4),
    userContainers: random.split('user containers').chance(0.7),
    hostile: random.split('hostile').chance(0.4),
  };
}

/** For people. */
export function describeOptions(options: ClusterOptions): string {
  const { managers, workers, faults, loads, userContainers, hostile } = options;
  const more = [...(userContainers ? ['userContainers'] : []), ...(hostile ? ['hostile'] : [])];
  const load = [...loads, ...more].join(' ') || 'plain';
  return `${managers} managers, ${workers} workers, faults ${[...faults].join(' ') || 'none'}, load ${load}`;
}
