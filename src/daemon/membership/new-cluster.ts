// A cluster that is founded: its keys, tokens, first spec, and the membership of its first manager.
import { SwarmError, newId } from '../../base/index.ts';
import { createJoinToken } from '../../model/index.ts';
import { DEFAULT_CLUSTER_SPEC, type NewCluster } from '../../manager/index.ts';
import type { InitRequest } from '../../engine-api/index.ts';
import {
  certificateDigest,
  createRequest,
  createRoot,
  signCertificate,
  systemClock,
  systemRandom,
} from '../../platform/index.ts';
import { formatAddress, raftAddress, resolveDataPath } from '../config/index.ts';
import { newRaftId, type Membership } from './membership-file.ts';

const DEFAULT_POOLS = ['10.0.0.0/8'];
const DEFAULT_SUBNET_SIZE = 24;
const DEFAULT_DATA_PATH_PORT = 4789;
const SUBNET_SIZE_MAX = 29;

/** Identity, keys and first node of a new cluster. */
export async function prepareCluster(
  request: InitRequest,
  advertise: { host: string; port: number },
): Promise<NewCluster> {
  const subnetSize = request.subnetSize || DEFAULT_SUBNET_SIZE;
  if (subnetSize > SUBNET_SIZE_MAX) {
    throw new SwarmError('invalid', `subnet size ${subnetSize} must be at most ${SUBNET_SIZE_MAX}`);
  }
  const root = await createRoot(systemClock.now());
  const digest = certificateDigest(root.certificate);
  return {
    clusterId: newId(systemRandom),
    spec: mergeSpec(request.spec),
    rootCertificate: root.certificate,
    rootKey: root.key,
    joinTokens: {
      worker: createJoinToken(digest, systemRandom),
      manager: createJoinToken(digest, systemRandom),
    },
    addressPools: request.addressPools.length > 0 ? request.addressPools : DEFAULT_POOLS,
    subnetSize,
    dataPathPort: request.dataPathPort || DEFAULT_DATA_PATH_PORT,
    node: {
      id: newId(systemRandom),
      availability: request.availability,
      raftId: newRaftId(),
      address: formatAddress(advertise),
      raftAddress: raftAddress(advertise),
      certificateExpiresAt:
        systemClock.now() + mergeSpec(request.spec).CAConfig.NodeCertExpiry / 1e6,
    },
  };
}

/** What its first manager remembers of it. */
export async function firstMembership(
  cluster: NewCluster,
  request: InitRequest,
  listen: { host: string; port: number },
  advertise: { host: string; port: number },
): Promise<Membership> {
  const { key, csr } = await createRequest();
  const { certificate } = await signCertificate(
    { certificate: cluster.rootCertificate, key: cluster.rootKey },
    csr,
    { nodeId: cluster.node.id, role: 'manager', clusterId: cluster.clusterId },
    cluster.spec.CAConfig.NodeCertExpiry / 1e6,
    systemClock.now(),
  );
  return {
    clusterId: cluster.clusterId,
    nodeId: cluster.node.id,
    role: 'manager',
    certificate,
    key,
    rootCertificates: cluster.rootCertificate,
    listen,
    advertise,
    dataPathAddress: resolveDataPath(request.dataPathAddr, advertise),
    managers: [formatAddress(advertise)],
    raftId: cluster.node.raftId,
  };
}

function mergeSpec(requested: InitRequest['spec']): NewCluster['spec'] {
  const base = DEFAULT_CLUSTER_SPEC;
  return {
    Name: 'default',
    Labels: { ...base.Labels, ...requested.Labels },
    Orchestration: { ...base.Orchestration, ...requested.Orchestration },
    Raft: { ...base.Raft, ...requested.Raft },
    Dispatcher: { ...base.Dispatcher, ...requested.Dispatcher },
    CAConfig: { ...base.CAConfig, ...requested.CAConfig },
    EncryptionConfig: { ...base.EncryptionConfig, ...requested.EncryptionConfig },
  };
}
