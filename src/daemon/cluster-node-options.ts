// What a node's life in a cluster is made of, and how its Raft is started.
import type { Clock, Disk, Logger, Random } from '../base/index.ts';
import {
  DEFAULT_CLUSTER_SPEC,
  startConsensus,
  type Consensus,
  type ConsensusHandler,
  type ConsensusOptions,
} from '../manager/index.ts';
import type { WireMethod } from '../platform/index.ts';
import type { Overlay } from '../overlay/index.ts';
import type { Executor } from '../worker/index.ts';
import { raftAddress, raftDirectory, type HostPort } from './config/index.ts';
import type { LogReader, TunnelHandlers } from './services/index.ts';

/** Times the cluster's election tick (10): a follower stands for election after a second or two. */
const RAFT_TICK_MS = 50;
/**
 * Times the cluster's heartbeat tick (1). One that has to be sent again by the kernel (after 200 ms) is
 * still in time for the shortest election time-out.
 */
const RAFT_TICKS_PER_HEARTBEAT = 4;

export interface ClusterNodeOptions {
  readonly directory: string;
  readonly membershipPath: string;
  readonly raftThreadPath: string;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly executor: Executor;
  readonly overlay: Overlay;
  readonly readLogs: LogReader;
  readonly tunnels: TunnelHandlers;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  /** The manager can't go on (broken log): the daemon has to stop. */
  readonly onFatal: (error: Error) => void;
}

/** What differs from one start of a manager to another. */
type ConsensusOf = Pick<ConsensusOptions, 'self' | 'start' | 'tls' | 'dataKey'> & {
  readonly listen: HostPort;
};

export function startNodeConsensus(
  options: ClusterNodeOptions,
  { listen, ...of }: ConsensusOf,
  handler: ConsensusHandler,
): Promise<Consensus> {
  const { Raft: raft } = DEFAULT_CLUSTER_SPEC;
  return startConsensus(
    {
      ...of,
      directory: raftDirectory(options.directory),
      listenAddress: raftAddress(listen),
      tickMs: RAFT_TICK_MS,
      electionTicks: raft.ElectionTick,
      heartbeatTicks: raft.HeartbeatTick * RAFT_TICKS_PER_HEARTBEAT,
      snapshotInterval: raft.SnapshotInterval,
    },
    handler,
    { threadScript: options.raftThreadPath, logger: options.logger },
  );
}
