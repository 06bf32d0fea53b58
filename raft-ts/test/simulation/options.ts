// What a seed draws before its run: the group, its settings, how bad network, disks and clocks are,
// and which faults happen how often. Most faults are off in any one seed, so that combinations of a
// few get the whole run to themselves (swarm testing, Groce et al. 2012).
import type { Prng } from 'sim';

/** Times are virtual milliseconds; a mean of 0 turns a fault off. */
export interface SimulationOptions {
  readonly voters: number;
  readonly learners: number;
  /** Members without any state, to be taken in later. */
  readonly spares: number;
  /** How long the faults last. */
  readonly faultMs: number;
  readonly group: GroupOptions;
  readonly network: NetworkOptions;
  readonly disk: DiskOptions;
  readonly faults: FaultOptions;
  readonly load: LoadOptions;
}

/** Settings that all members share. */
export interface GroupOptions {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly leases: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly disableProposalForwarding: boolean;
  readonly maxSizePerMessage: number;
  readonly maxCommittedSizePerReady: number;
  readonly maxUncommittedSize: number;
  readonly maxInflightMessages: number;
  readonly maxInflightBytes: number;
  /** How far a member's tick may be from the nominal one, as a part of it. */
  readonly drift: number;
  /** After a pause: whether the ticks that were missed are made up for. */
  readonly catchUpTicks: boolean;
  /** The host gathers what comes in for this long before it takes a Ready. */
  readonly gatherMs: number;
}

/** Per message. */
export interface NetworkOptions {
  readonly minDelay: number;
  readonly maxDelay: number;
  readonly loss: number;
  readonly repeat: number;
  /** Part of the messages that come very late. */
  readonly late: number;
  readonly lateMs: number;
  /** Messages of one link keep their order. */
  readonly ordered: boolean;
}

export interface DiskOptions {
  readonly async: 'none' | 'all' | 'some';
  readonly maxWriteMs: number;
  readonly maxApplyMs: number;
}

/** Mean times between faults. */
export interface FaultOptions {
  readonly crash: number;
  readonly crashAll: number;
  /** Part of the new leaders that something happens to soon after their election. */
  readonly harassLeaders: number;
  /** Part of the membership changes after which old and new voters lose sight of each other. */
  readonly cutMembership: number;
  readonly maxDownMs: number;
  readonly partition: number;
  readonly minPartitionMs: number;
  readonly maxPartitionMs: number;
  readonly oneWay: boolean;
  readonly pause: number;
  readonly maxPauseMs: number;
  readonly confChange: number;
  readonly transfer: number;
  readonly forgetLeader: number;
  readonly campaign: number;
  readonly compact: number;
}

export interface LoadOptions {
  readonly clients: number;
  readonly keys: number;
  readonly maxThinkMs: number;
  readonly maxPayload: number;
  readonly reads: number;
}

/** One nominal tick. */
export const TICK_MS = 10;

/** Draws all options of a run; some runs are bent towards one kind of trouble. */
export function drawOptions(prng: Prng): SimulationOptions {
  const drawn = drawMixed(prng);
  const bend = prng.split('profile');
  const profile = bend.below(10);
  if (profile === 0) return shortLeaders(drawn, bend);
  if (profile === 1 || profile === 2) return membershipInMotion(drawn, bend);
  return profile === 3 ? staleLeaders(drawn, bend) : drawn;
}

/** No leader lasts, and entries travel one by one: those of many terms lie about uncommitted. */
function shortLeaders(drawn: SimulationOptions, prng: Prng): SimulationOptions {
  const { group, network, faults } = drawn;
  return {
    ...drawn,
    voters: prng.pick([3, 5, 5]),
    learners: 0,
    spares: 0,
    faultMs: 4000,
    group: {
      ...group,
      electionTicks: 5,
      heartbeatTicks: 1,
      preVote: false,
      checkQuorum: false,
      leases: false,
      maxSizePerMessage: 0,
      maxInflightMessages: prng.pick([1, 2]),
      maxInflightBytes: 0,
      gatherMs: 0,
    },
    network: { ...network, minDelay: 2, maxDelay: prng.pick([10, 25]), loss: 0, late: 0 },
    faults: {
      ...faults,
      confChange: 0,
      harassLeaders: 0.95,
      partition: 0,
      minPartitionMs: 20,
      maxPartitionMs: prng.pick([100, 300]),
      maxDownMs: 200,
    },
  };
}

/** Memberships change all the time, and the network parts along them. */
function membershipInMotion(drawn: SimulationOptions, prng: Prng): SimulationOptions {
  const { group, network, faults, disk } = drawn;
  return {
    ...drawn,
    voters: prng.pick([1, 2, 3, 3, 3]),
    spares: 3,
    faultMs: 3000,
    group: { ...group, electionTicks: 5, heartbeatTicks: 1, leases: false, gatherMs: 0 },
    network: { ...network, minDelay: 0, maxDelay: 3, loss: 0, late: 0 },
    disk: { ...disk, maxWriteMs: 0, maxApplyMs: prng.pick([0, 5, 100]) },
    faults: {
      ...faults,
      confChange: prng.between(20, 100),
      cutMembership: 0.4,
      partition: 0,
      minPartitionMs: 100,
      maxPartitionMs: 400,
    },
  };
}

/** Leaders are cut off while clients go on reading from them. */
function staleLeaders(drawn: SimulationOptions, prng: Prng): SimulationOptions {
  const { group, network, faults, load } = drawn;
  const leases = prng.chance(0.7);
  const drift = leases ? 0.04 : 0.1;
  return {
    ...drawn,
    voters: 3,
    group: {
      ...group,
      electionTicks: 12,
      heartbeatTicks: 1,
      checkQuorum: leases,
      leases,
      drift,
      catchUpTicks: true,
      gatherMs: 0,
    },
    network: { ...network, minDelay: 0, maxDelay: 2, loss: 0 },
    faults: {
      ...faults,
      crash: 0,
      crashAll: 0,
      harassLeaders: 0,
      partition: 200,
      minPartitionMs: 200,
      maxPartitionMs: 400,
    },
    load: { ...load, clients: 4, maxThinkMs: 5, reads: 0.7 },
  };
}

function drawMixed(prng: Prng): SimulationOptions {
  const voters = prng.pick([1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7]);
  const group = drawGroup(prng.split('group'));
  return {
    voters,
    learners: prng.chance(0.3) ? prng.between(1, 2) : 0,
    spares: prng.chance(0.7) ? prng.between(1, 3) : 0,
    faultMs: prng.between(500, 3000),
    group,
    network: drawNetwork(prng.split('network')),
    disk: drawDisk(prng.split('disk')),
    faults: drawFaults(prng.split('faults'), group.electionTicks * TICK_MS),
    load: drawLoad(prng.split('load')),
  };
}

function drawGroup(prng: Prng): GroupOptions {
  const checkQuorum = prng.chance(0.6);
  const leases = checkQuorum && prng.chance(0.5);
  const heartbeatTicks = prng.between(1, 3);
  const maxSizePerMessage = prng.pick([0, 50, 200, 1_000_000]);
  return {
    electionTicks: prng.between(heartbeatTicks * 2 + 1, 12),
    heartbeatTicks,
    preVote: prng.chance(0.6),
    checkQuorum,
    leases,
    stepDownOnRemoval: prng.chance(0.5),
    disableProposalForwarding: prng.chance(0.2),
    maxSizePerMessage,
    maxCommittedSizePerReady: prng.pick([1, 100, 1_000_000]),
    maxUncommittedSize: prng.pick([100, 1_000_000]),
    maxInflightMessages: prng.pick([1, 2, 4, 256]),
    maxInflightBytes: prng.chance(0.3) ? Math.max(300, maxSizePerMessage) : 0,
    // Leases rest on clocks that differ by little; nothing else does.
    drift: leases ? 0.04 : prng.pick([0, 0.1, 0.2]),
    catchUpTicks: leases || prng.chance(0.5),
    gatherMs: prng.pick([0, 0, 2, 10]),
  };
}

function drawNetwork(prng: Prng): NetworkOptions {
  const minDelay = prng.between(0, 5);
  return {
    minDelay,
    maxDelay: minDelay + prng.pick([0, 2, 10, 40]),
    loss: prng.chance(0.5) ? prng.below(25) / 100 : 0,
    repeat: prng.chance(0.4) ? prng.below(20) / 100 : 0,
    late: prng.chance(0.3) ? prng.below(10) / 100 : 0,
    lateMs: prng.between(50, 800),
    ordered: prng.chance(0.4),
  };
}

function drawDisk(prng: Prng): DiskOptions {
  return {
    async: prng.pick(['none', 'all', 'some']),
    maxWriteMs: prng.pick([0, 0, 3, 20, 60]),
    maxApplyMs: prng.pick([0, 0, 5, 30]),
  };
}

function drawFaults(prng: Prng, electionMs: number): FaultOptions {
  const mean = (chance: number, low: number, high: number): number =>
    prng.chance(chance) ? prng.between(low, high) : 0;
  const minPartitionMs = prng.between(1, electionMs * 2);
  return {
    crash: mean(0.5, 50, 800),
    crashAll: mean(0.15, 400, 1500),
    harassLeaders: prng.chance(0.4) ? prng.between(2, 9) / 10 : 0,
    cutMembership: prng.chance(0.5) ? 0.3 : 0,
    maxDownMs: prng.pick([0, 20, 200, 1000]),
    partition: mean(0.5, 50, 600),
    minPartitionMs,
    maxPartitionMs: minPartitionMs + prng.between(0, electionMs * 6),
    oneWay: prng.chance(0.5),
    pause: mean(0.3, 50, 500),
    maxPauseMs: prng.between(10, 600),
    confChange: mean(0.5, 15, 400),
    transfer: mean(0.3, 50, 600),
    forgetLeader: mean(0.15, 50, 600),
    campaign: mean(0.2, 50, 600),
    compact: mean(0.5, 20, 400),
  };
}

function drawLoad(prng: Prng): LoadOptions {
  return {
    clients: prng.between(1, 4),
    keys: prng.between(1, 3),
    maxThinkMs: prng.pick([5, 20, 80]),
    maxPayload: prng.pick([0, 20, 200]),
    reads: prng.pick([0.1, 0.4, 0.7]),
  };
}

/** The options in a line, for people. */
export function describeOptions(options: SimulationOptions): string {
  const { group, faults, network, disk } = options;
  const flags = [
    group.preVote ? 'pre-vote' : '',
    group.checkQuorum ? 'check-quorum' : '',
    group.leases ? 'leases' : '',
    group.stepDownOnRemoval ? 'step-down' : '',
    `writes-async:${disk.async}`,
    network.loss > 0 ? `loss:${network.loss}` : '',
    network.late > 0 ? `late:${network.late}` : '',
    network.repeat > 0 ? `repeat:${network.repeat}` : '',
    ...Object.entries(faults).map(([name, value]) =>
      !name.startsWith('m') && typeof value === 'number' && value > 0 ? `${name}:${value}` : '',
    ),
  ];
  const size = `${options.voters}+${options.learners}+${options.spares}`;
  return `members ${size}, ${flags.filter((flag) => flag !== '').join(' ')}`;
}
