// This machine as a node: in a cluster or in none. Init, join and leave; everything that the Engine
// API asks of the daemon ends here.
import { SwarmError, messageOf, type Logger } from '../base/index.ts';
import type { NewCluster } from '../manager/index.ts';
import type { InitRequest, JoinRequest, RestoreRequest } from '../engine-api/index.ts';
import {
  fileDisk,
  loadMethods,
  systemClock,
  systemRandom,
  type WireMethod,
} from '../platform/index.ts';
import type { UserContainers } from '../worker/standalone/index.ts';
import {
  formatAddress,
  parseAddress,
  resolveAdvertise,
  resolveDataPath,
  resolveListen,
  type DaemonConfig,
  type HostPort,
  type InstallPaths,
} from './config/index.ts';
import {
  MembershipChange,
  allInOrder,
  firstMembership,
  goOn,
  inTime,
  loadMembership,
  obtainCertificate,
  parseBackupKey,
  prepareCluster,
  restoreBackup,
  saveMembership,
  sealBackup,
  unlessEnded,
  waitUntil,
  type ChangeKind,
  type Membership,
} from './membership/index.ts';
import { NO_NETWORKS, withNetworkAttachments } from './bound-networking.ts';
import type { ClusterNodeOptions } from './cluster-node-options.ts';
import { ClusterNode } from './cluster-node.ts';
import type { LocalEngine } from './local-engine.ts';
import { readTaskLogBatches, NODE_PROTOS } from './services/index.ts';

/** How long `join` waits for the node to be served by a manager before it answers. */
const JOIN_WAIT_MS = 20_000;
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
  readonly #change = new MembershipChange(systemClock);
  #error: string | undefined;
  #ready = false;
  #closing = false;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.#methods = loadMethods(options.paths.protos, NODE_PROTOS);
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

  /** Takes up the membership that was stored, if there is one. A leave meanwhile ends that in peace. */
  start(): Promise<void> {
    return this.#change.run('start', async (signal) => {
      const membership = await loadMembership(fileDisk, this.#membershipPath);
      if (membership === undefined) this.#options.engine.overlay.update(NO_NETWORKS);
      else await this.#takeUp(membership, signal);
      this.#ready = true;
    });
  }

  async #takeUp(membership: Membership, signal: AbortSignal): Promise<void> {
    const cluster = this.#newClusterNode(membership);
    this.#cluster = cluster;
    try {
      await cluster.start(signal);
    } catch (error) {
      // Who ended it takes it down.
      if (signal.aborted || this.#closing) return;
      this.#error = messageOf(error);
      this.#options.logger.error(
        { error: this.#error },
        'the node could not take up its membership',
      );
      await this.#quietly(() => cluster.close());
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#cluster?.close();
  }

  /** Makes a new cluster with this node as its first manager; returns the node's id. */
  init(request: InitRequest): Promise<string> {
    if (request.forceNewCluster && this.#cluster !== undefined) return this.#forceNew(request);
    return this.#exclusively('init', async (signal) => {
      const listen = resolveListen(request.listenAddr);
      const advertise = resolveAdvertise(request.advertiseAddr, listen);
      const newCluster = await prepareCluster(request, advertise);
      const membership = await firstMembership(newCluster, request, listen, advertise);
      await this.#begin(membership, signal, newCluster);
      return membership.nodeId;
    });
  }

  /** This node's managers lost their quorum for good: it goes on as the only one, with its state. */
  #forceNew(request: InitRequest): Promise<string> {
    return this.#change.run('init', async (signal) => {
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
      goOn(signal);
      const cluster = this.#newClusterNode(membership);
      this.#cluster = cluster;
      try {
        await cluster.start(signal);
      } catch (error) {
        // Still its cluster, with all its files: a second try may do.
        this.#error = messageOf(error);
        await this.#quietly(() => cluster.close());
        throw error;
      }
      this.#error = undefined;
      await this.#served(signal);
      return membership.nodeId;
    });
  }

  /** Takes up the cluster of a backup on this node, as its only manager; returns the node's id. */
  restore(request: RestoreRequest, file: AsyncIterable<Uint8Array>): Promise<string> {
    return this.#exclusively('restore', async (signal) => {
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
      await this.#begin(membership, signal);
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
    return this.#exclusively('join', async (signal) => {
      const listen = resolveListen(request.listenAddr);
      const advertise = resolveAdvertise(request.advertiseAddr, listen);
      const { remoteAddrs, joinToken, availability } = request;
      const issued = await unlessEnded(
        obtainCertificate(this.#methods, remoteAddrs, joinToken, availability),
        signal,
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
        managers: [
          ...new Set([
            ...request.remoteAddrs.map((remote) => formatAddress(parseAddress(remote))),
            ...(issued.managers ?? []),
          ]),
        ],
      };
      await this.#begin(membership, signal);
    });
  }

  /** Ends an init, join, restore or start that is under way, and leaves nothing of it behind. */
  async leave(force: boolean): Promise<void> {
    const kind = this.#change.kind;
    const founding = kind === 'init' || kind === 'restore';
    if (this.#cluster === undefined && kind === undefined) throw noMember();
    if (this.#cluster === undefined && kind === 'start') {
      throw new SwarmError('unavailable', 'This node is looking up its membership. Try again.');
    }
    if ((founding || this.#cluster?.membership.role === 'manager') && !force) {
      throw new SwarmError(
        'unavailable',
        'You are attempting to leave the swarm on a node that is participating as a manager. Use `--force` to suppress this message.',
      );
    }
    await this.#change.end();
    await this.#change.run('leave', async () => {
      const cluster = this.#cluster;
      if (cluster !== undefined) await this.#takeDown(cluster);
      else if (kind === undefined) throw noMember();
    });
  }

  /** Nothing is left of the cluster; where a part can't be taken down, all others are. */
  async #takeDown(cluster: ClusterNode): Promise<void> {
    this.#cluster = undefined;
    this.#error = undefined;
    const { containers, engine, logger } = this.#options;
    await allInOrder(logger, {
      // All networks of this machine go with the cluster's.
      containers: () => inTime(systemClock, 'containers of users', containers.interrupt()),
      cluster: () => cluster.leave(),
      networks: () => engine.overlay.update(NO_NETWORKS),
    });
  }

  /** Init, join and restore exclude each other and an existing membership. */
  #exclusively<T>(kind: ChangeKind, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#cluster !== undefined) return Promise.reject(alreadyMember());
    return this.#change.run(kind, async (signal) => {
      // What a start left behind that did not come as far as a membership.
      await this.#removeFiles();
      try {
        return await act(signal);
      } catch (error) {
        if (this.#cluster === undefined) await this.#quietly(() => this.#removeFiles());
        throw error;
      }
    });
  }

  async #removeFiles(): Promise<void> {
    await fileDisk.remove(this.#membershipPath);
    await fileDisk.remove(`${this.#options.config.dataRoot}/cluster`);
  }

  /** Stores the membership, lives it, and resolves when a manager serves this node. */
  async #begin(
    membership: Membership,
    signal: AbortSignal,
    newCluster?: NewCluster,
  ): Promise<void> {
    goOn(signal);
    await saveMembership(fileDisk, this.#membershipPath, membership);
    const cluster = this.#newClusterNode(membership);
    this.#cluster = cluster;
    try {
      await cluster.start(signal, newCluster);
    } catch (error) {
      // Who ended it takes it down.
      if (!signal.aborted && !this.#closing) await this.#quietly(() => this.#takeDown(cluster));
      throw error;
    }
    await this.#served(signal);
  }

  /** For what is done after a failure, which is the one to be told; its own is in the log. */
  async #quietly(act: () => Promise<void>): Promise<void> {
    await allInOrder(this.#options.logger, { all: act }).catch(() => {});
  }

  #newClusterNode(membership: Membership): ClusterNode {
    const { config, paths, engine, containers, logger, onFatal } = this.#options;
    const options: ClusterNodeOptions = {
      directory: `${config.dataRoot}/cluster`,
      membershipPath: this.#membershipPath,
      raftThreadPath: paths.raftThread,
      methods: this.#methods,
      executor: withNetworkAttachments(engine.executor, containers),
      overlay: engine.overlay,
      readLogs: (query, signal) => readTaskLogBatches(engine.executor, query, signal),
      tunnels: {},
      clock: systemClock,
      random: systemRandom,
      disk: fileDisk,
      logger,
      onFatal,
    };
    return new ClusterNode(options, membership);
  }

  /** Resolves when a manager serves this node's agent, or gives up waiting: it goes on by itself. */
  #served(signal: AbortSignal): Promise<void> {
    return waitUntil(() => isServed(this.#cluster), {
      clock: systemClock,
      everyMs: 20,
      limitMs: JOIN_WAIT_MS,
      signal,
      late: () =>
        new SwarmError(
          'deadline',
          'Timeout was reached before node joined. The attempt to join the swarm will continue in the background. Use the "docker info" command to see the current swarm status of your node.',
        ),
    });
  }
}

function noMember(): SwarmError {
  return new SwarmError('unavailable', 'This node is not part of a swarm');
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
