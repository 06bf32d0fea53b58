// A cluster out of a backup on a machine that is in no cluster: its state becomes the log of a new
// group of one manager, this node a new node with a manager's certificate of the old root.
import { SwarmError, newId, type Logger } from '../../base/index.ts';
import { foundGroup, Store } from '../../manager/index.ts';
import {
  createRequest,
  fileDisk,
  signCertificate,
  systemClock,
  systemRandom,
} from '../../platform/index.ts';
import {
  formatAddress,
  loadDataKey,
  raftAddress,
  raftDirectory,
  type HostPort,
} from '../config/index.ts';
import { openBackup, parseBackupKey } from './backup-file.ts';
import { newRaftId, type Membership } from './membership-file.ts';

/** What is restored, and where. */
export interface RestoreOptions {
  /** Of the node: empty. */
  readonly directory: string;
  readonly key: string;
  readonly file: AsyncIterable<Uint8Array>;
  readonly addresses: {
    readonly listen: HostPort;
    readonly advertise: HostPort;
    readonly dataPathAddress: string;
  };
  readonly logger: Logger;
}

/**
 * Writes the log of the new manager; nothing counts before the membership given back is saved. Raises
 * `invalid` for a wrong key or file, `dataLoss` for a damaged one.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Membership> {
  const { directory, addresses, logger } = options;
  const { header, chunks } = await openBackup(parseBackupKey(options.key), options.file);
  const store = new Store({ clock: systemClock, logger, instance: newId(systemRandom) });
  await store.restore(header.index, chunks);
  const { cluster } = store.view;
  if (cluster === undefined) throw new SwarmError('dataLoss', 'the backup holds no cluster');
  const nodeId = newId(systemRandom);
  const raftId = newRaftId();
  const { key, csr } = await createRequest();
  const { certificate } = await signCertificate(
    { certificate: cluster.rootCertificates, key: cluster.rootKey },
    csr,
    { nodeId, role: 'manager', clusterId: cluster.id },
    cluster.spec.CAConfig.NodeCertExpiry / 1e6,
    systemClock.now(),
  );
  const raft = raftDirectory(directory);
  const files = {
    disk: fileDisk,
    random: systemRandom,
    directory: raft,
    dataKey: await loadDataKey(raft),
  };
  const self = { raftId, nodeId, address: raftAddress(addresses.advertise) };
  const { index, term } = header;
  await foundGroup(files, self, { index, term, chunks: store.snapshot() });
  logger.info({ clusterId: cluster.id, index, createdAt: header.createdAt }, 'backup restored');
  return {
    clusterId: cluster.id,
    nodeId,
    role: 'manager',
    certificate,
    key,
    rootCertificates: cluster.rootCertificates,
    ...addresses,
    managers: [formatAddress(addresses.advertise)],
    raftId,
    raftStarted: true,
    takeOver: true,
  };
}
