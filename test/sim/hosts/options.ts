// What a seed draws before it begins: how many members, how large things are, and which faults there
// are at all. Each seed leaves some out, since one fault may hide another (swarm testing).
import type { Prng } from 'sim';

/** Everything that can go wrong in this size. */
export const FAULTS = [
  'kill',
  'power-loss',
  'pause',
  'partition',
  'one-way-cut',
  'connection-break',
  'message-loss',
  'slow-disk',
  'busy-owner',
  'sync-failure',
  'full-disk',
  'flipped-bit',
  'clock-jump',
  'membership',
  'left-behind',
  'transfer',
  'planned-stop',
] as const;

export type Fault = (typeof FAULTS)[number];

/** The draw of one seed. Times are virtual milliseconds. */
export interface HostsOptions {
  readonly members: number;
  readonly clients: number;
  readonly faults: readonly Fault[];
  readonly faultPhaseMs: number;
  /** The pause between two faults is up to this. */
  readonly faultPauseMs: number;
  readonly snapshotInterval: number;
  readonly snapshotLogBytes: number;
  /** The fewer, the more often a member that is a little late is sent a snapshot. */
  readonly snapshotKeepEntries: number;
  readonly segmentBytes: number;
  readonly valueBytesMax: number;
  readonly operationPauseMs: number;
  /** Messages of a connection keep their order, as on a real one; else they overtake each other. */
  readonly inOrder: boolean;
  readonly delayMsMax: number;
  readonly syncMsMax: number;
  /** The thread of the state machine is behind raft's by up to this. */
  readonly ownerBusyMsMax: number;
  /** Clocks run this much faster or slower. */
  readonly drift: number;
}

/** Draws the options. */
export function drawOptions(prng: Prng): HostsOptions {
  const faults = FAULTS.filter(() => prng.chance(0.5));
  // Who is left behind is sent a snapshot only if the leader soon has none of the entries.
  const short = faults.includes('left-behind') && prng.chance(0.7);
  return {
    members: prng.pick([1, 2, 3, 3, 3, 3, 4, 5]),
    clients: prng.between(1, 4),
    faults,
    faultPhaseMs: prng.between(6_000, 14_000),
    faultPauseMs: prng.pick([200, 500, 1500]),
    snapshotInterval: short ? 8 : prng.pick([8, 20, 50, 200]),
    snapshotLogBytes: prng.pick([5000, 50_000, 10_000_000]),
    snapshotKeepEntries: short ? 1 : prng.pick([1, 5, 500]),
    segmentBytes: prng.pick([4096, 16_384, 32_768]),
    valueBytesMax: prng.pick([20, 200, 3000]),
    operationPauseMs: prng.pick([25, 60, 200]),
    inOrder: prng.chance(0.7),
    delayMsMax: prng.pick([1, 5, 40]),
    syncMsMax: prng.pick([1, 3, 20]),
    ownerBusyMsMax: prng.pick([0, 0, 3, 30]),
    drift: prng.pick([0, 0.01, 0.1]),
  };
}

/** For the trace and for failures. */
export function describeOptions(options: HostsOptions): string {
  const { faults, ...rest } = options;
  const values = Object.entries(rest).map(([name, value]) => `${name}=${value}`);
  return `${values.join(' ')} faults=${faults.join(',')}`;
}
