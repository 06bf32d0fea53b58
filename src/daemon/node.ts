// This machine as a node: in a cluster or in none. Init, join and leave; everything that the Engine
// API asks of the daemon ends here.
import { SwarmError, messageOf, newId, sleep, type Logger } from '../base/index.ts';
import { createJoinToken } from '../model/index.ts';
import { DEFAULT_CLUSTER_SPEC, type NewCluster } from '../manager/index.ts';
import type { InitRequest, JoinRequest, RestoreRequest } from '../engine-api/index.ts';
import {
  certificateDigest,
  createRequest,
  createRoot,
  fileDisk,
  loadMethods,
  signCertificate,
  systemClock,
  systemRandom,
  type WireMethod,
} from '../platform/index.ts';
import type { UserContainers } from '../worker/standalone/index.ts';
import {
  formatAddress,
  parseAddress,
  raftAddress,
  resolveAdvertise,
  resolveDataPath,
  resolveListen,
  type HostPort,
} from './addresses.ts';
import { parseBackupKey, sealBackup } from './backup-file.ts';
import { NO_NETWORKS, withPlaces } from './bound-networking.ts';
import { ClusterNode, type ClusterNodeOptions } from './cluster-node.ts';
import type { DaemonConfig } from './config.ts';
import type { InstallPaths } from './install-paths.ts';
import { obtainCertificate } from './join.ts';
import type { LocalEngine } from './local-engine.ts';
import { restoreBackup } from './restore.ts';
import { loadMembership, newRaftId, saveMembership, type Membership } from './membership-file.ts';
import { readTaskLogBatches } from './task-logs.ts';

const DEFAULT_POOLS = ['10.0.0.0/8'];
const DEFAULT_SUBNET_SIZE = 24;
const DEFAULT_DATA_PATH_PORT = 4789;
/** How long `join` waits for the node to be served by a manager before it answers. */
const JOIN_WAIT_MS = 20_000;
const SUBNET_SIZE_MAX = 29;
const BACKUP_SALT_BYTES = 32;

export interface NodeOptions {
  readonly config: DaemonConfig;
  readonly paths: InstallPaths;
  readonly engine: LocalEngine;
  readonly containers: UserContainers;
  readonly logger: Logger;
  readonly onFatal: (error: Error) => void;
}

export class SwarmNode {
  readonly #options: NodeOptions;
  readonly #methods: ReadonlyMap<string, WireMethod>;
  readonly #membershipPath: string;
  #cluster: ClusterNode | undefined;
  #changing: string | undefined;
  #error: string | undefined;
  #ready = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#methods = loadMethods(options.paths.protos);
    this.#membershipPath = `${options.config.dataRoot}/membership.json`;
  }

  get cluster(): ClusterNode | undefined {
    return this.#cluster;
  }

  /** The stored membership, if there is one, has been taken up. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Why the node is not up although it is a member. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Takes up the membership that was stored, if there is one. */
  async start(): Promise<void> {
    const membership = await loadMembership(fileDisk, this.#membershipPath);
    if (membership === undefined) {
      this.#options.engine.overlay.update(NO_NETWORKS);
      this.#ready = true;
      return;
    }
    const cluster = this.#newClusterNode(membership);
    this.#cluster = cluster;
    try {
      await cluster.start();
      this.#ready = true;
    } catch (error) {
      this.#error = messageOf(error);
      this.#options.logger.error(
        { error: this.#error },
        'the node could not take up its membership',
      );
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#cluster?.close();
  }

  /** Makes a new cluster with this node as its first manager; returns the node's id. */
  init(request: InitRequest): Promise<string> {
    if (request.forceNewCluster && this.#cluster !== undefined) return this.#forceNew(request);
    return this.#exclusively('init', async () => {
      const listen = resolveListen(request.listenAddr);
      const advertise = resolveAdvertise(request.advertiseAddr, listen);
      const newCluster = await this.#prepareCluster(request, advertise);
      const membership = await this.#firstMembership(newCluster, request, listen, advertise);
      await saveMembership(fileDisk, this.#membershipPath, membership);
      await this.#begin(membership, newCluster);
      await this.#served();
      return membership.nodeId;
    });
  }

  /** This node's managers lost their quorum for good: it goes on as the only one, with its state. */
  #forceNew(request: InitRequest): Promise<string> {
    return this.#alone('init', async () => {
      const old = this.#cluster;
      if (old?.membership.role !== 'manager' || old.membership.raftId === undefined) {
        throw new SwarmError(
          'unavailable',
          'This node is not a swarm manager. Force a new cluster on a node that was one of its managers.',
        );
      }
      const { listen, advertise } = forcedAddresses(request, old.membership);
      const managers = [formatAddress(advertise)];
      const membership = { ...old.membership, listen, advertise, managers, takeOver: true };
      await old.close();
      await saveMembership(fileDisk, this.#membershipPath, membership);
      this.#cluster = this.#newClusterNode(membership);
      await this.#cluster.start();
      await this.#served();
      return membership.nodeId;
    });
  }

  /** Takes up the cluster of a backup on this node, as its only manager; returns the node's id. */
  restore(request: RestoreRequest, file: AsyncIterable<Uint8Array>): Promise<string> {
    return this.#exclusively('restore', async () => {
      const listen = resolveListen(request.listenAddr);
      const advertise = resolveAdvertise(request.advertiseAddr, listen);
      const dataPathAddress = resolveDataPath(request.dataPathAddr, advertise);
      const { logger, config } = this.#options;
      const membership = await restoreBackup({
        directory: `${config.dataRoot}/cluster`,
        key: request.key,
        file,
        addresses: { listen, advertise, dataPathAddress },
        logger,
      });
      await saveMembership(fileDisk, this.#membershipPath, membership);
      await this.#begin(membership, undefined);
      await this.#served();
      return membership.nodeId;
    });
  }

  /** The cluster as a sealed file. Raises `unavailable` without a quorum. */
  async backup(key: string): Promise<AsyncIterable<Uint8Array>> {
    const parsed = parseBackupKey(key);
    const manager = this.#cluster?.manager;
    const cluster = manager?.view.cluster;
    if (manager === undefined || cluster === undefined) {
      throw new SwarmError('unavailable', 'This node is not a swarm manager.');
    }
    const { index, term, chunks } = await manager.backup();
    const header = { clusterId: cluster.id, createdAt: systemClock.now(), index, term };
    return sealBackup(parsed, systemRandom.bytes(BACKUP_SALT_BYTES), header, chunks);
  }

  join(request: JoinRequest): Promise<void> {
    return this.#exclusively('join', async () => {
      const listen = resolveListen(request.listenAddr);
      const advertise = resolveAdvertise(request.advertiseAddr, listen);
      const issued = await obtainCertificate(
        this.#methods,
        request.remoteAddrs,
        request.joinToken,
        request.availability,
      );
      const { clusterId, nodeId, role, certificate, key, rootCertificates } = issued;
      const membership: Membership = {
        clusterId,
        nodeId,
        role,
        certificate,
        key,
        rootCertificates,
        listen,
        advertise,
        dataPathAddress: resolveDataPath(request.dataPathAddr, advertise),
        managers: request.remoteAddrs.map((remote) => formatAddress(parseAddress(remote))),
      };
      await saveMembership(fileDisk, this.#membershipPath, membership);
      await this.#begin(membership, undefined);
      await this.#served();
    });
  }

  async leave(force: boolean): Promise<void> {
    const cluster = this.#cluster;
    if (cluster === undefined)
      throw new SwarmError('unavailable', 'This node is not part of a swarm');
    if (cluster.membership.role === 'manager' && !force) {
      throw new SwarmError(
        'unavailable',
        'You are attempting to leave the swarm on a node that is participating as a manager. Use `--force` to suppress this message.',
      );
    }
    this.#cluster = undefined;
    this.#error = undefined;
    const { containers, engine } = this.#options;
    // All networks of this machine go with the cluster's.
    await containers.interrupt();
    await cluster.leave();
    engine.overlay.update(NO_NETWORKS);
  }

  /** Init, join and restore exclude each other and an existing membership. */
  #exclusively<T>(what: string, act: () => Promise<T>): Promise<T> {
    if (this.#cluster !== undefined) return Promise.reject(alreadyMember());
    return this.#alone(what, async () => {
      // What a start left behind that did not come as far as a membership.
      await fileDisk.remove(`${this.#options.config.dataRoot}/cluster`);
      return act();
    });
  }

  /** One change of the membership at a time. */
  async #alone<T>(what: string, act: () => Promise<T>): Promise<T> {
    if (this.#changing !== undefined) throw alreadyMember();
    this.#changing = what;
    try {
      return await act();
    } finally {
      this.#changing = undefined;
    }
  }

  async #begin(membership: Membership, newCluster: NewCluster | undefined): Promise<void> {
    const cluster = this.#newClusterNode(membership);
    this.#cluster = cluster;
    try {
      await cluster.start(newCluster);
    } catch (error) {
      this.#cluster = undefined;
      await cluster.leave();
      throw error;
    }
  }

  #newClusterNode(membership: Membership): ClusterNode {
    const { config, paths, engine, containers, logger, onFatal } = this.#options;
    const options: ClusterNodeOptions = {
      directory: `${config.dataRoot}/cluster`,
      membershipPath: this.#membershipPath,
      raftThreadPath: paths.raftThread,
      methods: this.#methods,
      executor: withPlaces(engine.executor, containers),
      overlay: engine.overlay,
      readLogs: (query, signal) => readTaskLogBatches(engine.executor, query, signal),
      clock: systemClock,
      random: systemRandom,
      disk: fileDisk,
      logger,
      onFatal,
    };
    return new ClusterNode(options, membership);
  }

  async #prepareCluster(
    request: InitRequest,
    advertise: { host: string; port: number },
  ): Promise<NewCluster> {
    const subnetSize = request.subnetSize || DEFAULT_SUBNET_SIZE;
    if (subnetSize > SUBNET_SIZE_MAX) {
      throw new SwarmError(
        'invalid',
        `subnet size ${subnetSize} must be at most ${SUBNET_SIZE_MAX}`,
      );
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

  async #firstMembership(
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

  /** Resolves when a manager serves this node's agent, or gives up waiting: it goes on by itself. */
  async #served(): Promise<void> {
    const deadline = systemClock.monotonicMs() + JOIN_WAIT_MS;
    while (!isServed(this.#cluster)) {
      if (systemClock.monotonicMs() > deadline) {
        throw new SwarmError(
          'deadline',
          'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "docker info" command to see the current swarm status of your node.',
        );
      }
      await sleep(systemClock, 20);
    }
  }
}

function alreadyMember(): SwarmError {
  return new SwarmError(
    'unavailable',
    'This node is already part of a swarm. Use "docker swarm leave" to leave this swarm and join another one.',
  );
}

/** The old ones, but for what the request says. */
function forcedAddresses(
  request: InitRequest,
  old: Membership,
): { listen: HostPort; advertise: HostPort } {
  const listen = request.listenAddr === '' ? old.listen : resolveListen(request.listenAddr);
  const advertise =
    request.advertiseAddr === ''
      ? { host: old.advertise.host, port: listen.port }
      : resolveAdvertise(request.advertiseAddr, listen);
  return { listen, advertise };
}

function isServed(cluster: ClusterNode | undefined): boolean {
  if (cluster?.agent?.connected !== true) return false;
  return cluster.membership.role === 'worker' || cluster.manager?.caughtUp === true;
}

function mergeSpec(wish: InitRequest['spec']): NewCluster['spec'] {
  const base = DEFAULT_CLUSTER_SPEC;
  return {
    Name: 'default',
    Labels: { ...base.Labels, ...wish.Labels },
    Orchestration: { ...base.Orchestration, ...wish.Orchestration },
    Raft: { ...base.Raft, ...wish.Raft },
    Dispatcher: { ...base.Dispatcher, ...wish.Dispatcher },
    CAConfig: { ...base.CAConfig, ...wish.CAConfig },
    EncryptionConfig: { ...base.EncryptionConfig, ...wish.EncryptionConfig },
  };
}
