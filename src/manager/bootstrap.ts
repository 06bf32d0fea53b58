// The first transaction of a new cluster: the cluster object with Docker's defaults, its first node
// and the ingress network.
import { newId, type Random } from '../base/index.ts';
import {
  FEATURE_LEVEL,
  create,
  type Action,
  type Cluster,
  type ClusterSpec,
  type Draft,
} from '../model/index.ts';

/** Docker counts durations in nanoseconds. */
const SECOND = 1e9;

/** Docker’s defaults; times in ns. */
export const DEFAULT_CLUSTER_SPEC: ClusterSpec = {
  Name: 'default',
  Labels: {},
  Orchestration: { TaskHistoryRetentionLimit: 5 },
  Raft: {
    SnapshotInterval: 10_000,
    KeepOldSnapshots: 0,
    LogEntriesForSlowFollowers: 500,
    ElectionTick: 10,
    HeartbeatTick: 1,
  },
  // Ten times as often as Docker's: a dead node is replaced in a second or two instead of fifteen.
  Dispatcher: { HeartbeatPeriod: 0.5 * SECOND },
  CAConfig: { NodeCertExpiry: 90 * 24 * 3600 * SECOND },
  EncryptionConfig: { AutoLockManagers: false },
};

/** What a cluster is founded with. */
export interface NewCluster {
  readonly clusterId: string;
  readonly spec: ClusterSpec;
  readonly rootCertificate: string;
  readonly rootKey: string;
  readonly joinTokens: Cluster['joinTokens'];
  readonly addressPools: readonly string[];
  readonly subnetSize: number;
  readonly dataPathPort: number;
  readonly node: {
    readonly id: string;
    readonly availability: 'active' | 'pause' | 'drain';
    readonly raftId: number;
    /** host:port of its gRPC and Raft listeners. */
    readonly address: string;
    readonly raftAddress: string;
    readonly certificateExpiresAt: number;
  };
}

/** The first transaction of a cluster, at `now` (ms since 1970). */
export function bootstrapActions(requested: NewCluster, random: Random, now: number): Action[] {
  const cluster: Draft<Cluster> = {
    id: requested.clusterId,
    spec: requested.spec,
    rootCertificates: requested.rootCertificate,
    rootKey: requested.rootKey,
    joinTokens: requested.joinTokens,
    addressPools: requested.addressPools,
    subnetSize: requested.subnetSize,
    dataPathPort: requested.dataPathPort,
    blacklist: {},
    nextNodeNumber: 1,
    featureLevel: FEATURE_LEVEL,
  };
  const { id, availability, raftId, address, raftAddress, certificateExpiresAt } = requested.node;
  return [
    create('cluster', cluster),
    {
      kind: 'addNode',
      object: {
        id,
        spec: { Role: 'manager', Availability: availability, Labels: {} },
        role: 'manager',
        certificateExpiresAt,
        manager: { raftId, address, raftAddress },
        status: { state: 'unknown', message: '', address, dataPathAddress: '', since: now },
      },
    },
    create('network', {
      id: newId(random),
      spec: { Name: 'ingress', Driver: 'overlay', Ingress: true, EnableIPv6: true, Labels: {} },
      subnets: [],
    }),
  ];
}
