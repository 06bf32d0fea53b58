// A node's life in one cluster: its gRPC port, its agent, its manager while it has that role, the
// renewal of its certificate, promotion and demotion. Made by init, join, or a restart.
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  SwarmError,
  messageOf,
  sleep,
  type Clock,
  type Disk,
  type Logger,
  type Random,
} from '../base/index.ts';
import { createJoinToken, type ClusterNews } from '../model/index.ts';
import {
  DEFAULT_CLUSTER_SPEC,
  Manager,
  Store,
  refoundGroup,
  startConsensus,
  type Consensus,
  type NewCluster,
} from '../manager/index.ts';
import {
  TlsIdentity,
  certificateDigest,
  certificateValidity,
  createRequest,
  probeMachine,
  type WireMethod,
} from '../platform/index.ts';
import type { Overlay } from '../overlay/index.ts';
import { Agent, type Executor } from '../worker/index.ts';
import type { PlaceRequest } from '../worker/standalone/index.ts';
import { formatAddress, raftAddress } from './addresses.ts';
import { CertificateRenewal } from './certificate-renewal.ts';
import { ClusterRpc, type LogReader } from './cluster-rpc.ts';
import { loadDataKey } from './data-key.ts';
import { MembershipWriter, newRaftId, type Membership } from './membership-file.ts';
import { clusterSigner } from './signer.ts';
import { forgetLog, raftDirectory } from './raft-directory.ts';
import { PeerRoles } from './peer-roles.ts';
import { RoleFollower, type RoleSteps } from './role-follower.ts';
import { VERSION } from './version.ts';

/** Times the cluster's election tick (10): a follower stands for election after a second or two. */
const RAFT_TICK_MS = 50;
const LEADER_WAIT_MS = 20_000;

export interface ClusterNodeOptions {
  readonly directory: string;
  readonly membershipPath: string;
  readonly raftThreadPath: string;
  readonly methods: ReadonlyMap<string, WireMethod>;
  readonly executor: Executor;
  readonly overlay: Overlay;
  readonly readLogs: LogReader;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  /** The manager can't go on (broken log): the daemon has to stop. */
  readonly onFatal: (error: Error) => void;
}

export class ClusterNode {
  readonly rpc: ClusterRpc;
  readonly #options: ClusterNodeOptions;
  readonly #identity: TlsIdentity;
  readonly #stored: MembershipWriter;
  #membership: Membership;
  #manager: Manager | undefined;
  #consensus: Consensus | undefined;
  #agent: Agent | undefined;
  readonly #peerRoles: PeerRoles;
  readonly #renewal: CertificateRenewal;
  readonly #role: RoleFollower;
  #closed = false;

  constructor(options: ClusterNodeOptions, membership: Membership) {
    this.#options = options;
    this.#membership = membership;
    this.#stored = new MembershipWriter(options.disk, options.membershipPath);
    this.#identity = new TlsIdentity(membership);
    this.#renewal = new CertificateRenewal({
      ...options,
      certificate: () => this.#membership.certificate,
      renew: () => this.#renew(),
    });
    this.#role = new RoleFollower(this.#roleSteps(), options.clock, options.logger);
    this.#peerRoles = new PeerRoles(
      () => this.#manager?.view,
      (nodeId) => this.rpc.server.disconnect(nodeId),
    );
    this.rpc = new ClusterRpc({
      identity: this.#identity,
      methods: options.methods,
      clusterId: membership.clusterId,
      logger: options.logger,
      manager: () => this.#manager,
      roleOf: (peer) => this.#peerRoles.roleOf(peer),
      readLogs: options.readLogs,
      trace: (question) => options.overlay.trace(question),
    });
  }

  get membership(): Membership {
    return this.#membership;
  }

  get manager(): Manager | undefined {
    return this.#manager;
  }

  get agent(): Agent | undefined {
    return this.#agent;
  }

  /** Takes up a stored or new membership; `newCluster` makes this node the first manager. */
  async start(newCluster?: NewCluster): Promise<void> {
    const membership = this.#membership;
    await this.rpc.server.listen(formatAddress(membership.listen));
    if (newCluster !== undefined) {
      await this.#startManager('bootstrap');
      await this.#whenLeading();
      await this.#manager?.bootstrap(newCluster);
    } else if (membership.takeOver === true) {
      await this.#takeOver();
    } else if (membership.role === 'manager') {
      await this.#startManager(membership.raftStarted === true ? 'restart' : 'join');
    }
    await this.#startAgent();
    this.#renewal.schedule();
  }

  /** Stops, leaving containers and network as they are. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#renewal.stop();
    // Leadership goes first: nobody takes a write before somebody else has it.
    const handedOver = this.#manager?.close();
    await this.#agent?.close();
    await handedOver;
    this.rpc.close();
  }

  /** Leaves the cluster: tasks are stopped, the network and all state of the membership removed. */
  async leave(): Promise<void> {
    this.#closed = true;
    this.#renewal.stop();
    await this.#agent?.removeAll();
    await this.#manager?.close();
    this.rpc.close();
    await this.#options.overlay.removeAll();
    await this.#options.disk.remove(this.#options.membershipPath);
    // A loss of power must not bring it back without its files.
    await this.#options.disk.syncDirectory(dirname(this.#options.membershipPath));
    await rm(this.#options.directory, { recursive: true, force: true });
  }

  /** Asks the managers for a container's place on their networks. */
  attach(request: PlaceRequest): Promise<void> {
    return this.rpc.attach(this.#managerAddresses(), request);
  }

  /** A fresh join token for this cluster's root. */
  newJoinToken(): string {
    const digest = certificateDigest(this.#membership.rootCertificates);
    return createJoinToken(digest, this.#options.random);
  }

  async #startAgent(): Promise<void> {
    const { executor, overlay, clock, random, disk, logger, directory } = this.#options;
    await mkdir(directory, { recursive: true, mode: 0o700 });
    this.#agent = await Agent.start({
      nodeId: this.#membership.nodeId,
      executor,
      overlay,
      clock,
      random,
      disk,
      logger,
      statePath: `${directory}/assignments.json`,
      dial: (address) => this.rpc.dialDispatcher(address),
      managers: () => this.#managerAddresses(),
      address: formatAddress(this.#membership.advertise),
      dataPathAddress: this.#membership.dataPathAddress,
      onNews: (news) => this.#onNews(news),
    });
  }

  /** Becomes the only manager; after a crash on the way the next start does it once more. */
  async #takeOver(): Promise<void> {
    const { disk, random, clock, logger } = this.#options;
    const { nodeId, raftId, advertise, certificate } = this.#membership;
    if (raftId === undefined) {
      throw new SwarmError('precondition', 'this manager has no log yet: it can’t take over');
    }
    const directory = raftDirectory(this.#options.directory);
    const files = { disk, random, directory, dataKey: await loadDataKey(directory) };
    const addresses = { address: formatAddress(advertise), raftAddress: raftAddress(advertise) };
    const machine = new Store({ clock, logger, instance: nodeId });
    await refoundGroup(files, { raftId, nodeId, address: addresses.raftAddress }, machine);
    await this.#startManager('restart');
    await this.#whenLeading();
    const certificateExpiresAt = certificateValidity(certificate).to;
    const self = { id: nodeId, raftId, ...addresses, certificateExpiresAt };
    await this.#manager?.takeOver({ ...self, availability: 'active' });
    const { takeOver: _done, ...membership } = this.#membership;
    await this.#save(membership);
    logger.warn({ nodeId, raftId }, 'this node is the only manager now');
  }

  #managerAddresses(): readonly string[] {
    const own = this.#manager === undefined ? [] : [formatAddress(this.#membership.advertise)];
    return [...new Set([...own, ...this.#membership.managers])];
  }

  /** Others first: a manager that was just taken out of Raft can't help itself. */
  #managersButUs(): readonly string[] {
    const own = formatAddress(this.#membership.advertise);
    const others = this.#membership.managers.filter((address) => address !== own);
    return others.length > 0 ? others : [own];
  }

  #onNews(news: ClusterNews): void {
    this.#peerRoles.told(news);
    const { managers } = this.#membership;
    if (news.managers.length > 0 && news.managers.join() !== managers.join()) {
      void this.#saveLogged({ managers: news.managers });
    }
    this.#role.want(news.role === 'manager' ? 'manager' : 'worker');
  }

  #roleSteps(): RoleSteps {
    return {
      state: () => {
        if (this.#closed) return undefined;
        const { role, managers, advertise } = this.#membership;
        const listed = managers.includes(formatAddress(advertise));
        const recorded = this.#manager?.view.get('node', this.#membership.nodeId)?.role;
        const certified = recorded === 'worker' ? recorded : role;
        return { certified, runs: this.#manager !== undefined, listed };
      },
      renew: () => this.#renew(),
      startManager: () => this.#startManager('join'),
      stopManager: () => this.#stopManager(),
      confirm: async () => {
        const { nodeId, raftId, advertise } = this.#membership;
        if (raftId === undefined) return;
        await this.#askToBeAdded({ raftId, nodeId, address: raftAddress(advertise) });
      },
    };
  }

  async #stopManager(): Promise<void> {
    const manager = this.#manager;
    this.#manager = undefined;
    this.#consensus = undefined;
    await manager?.close();
    const { raftId: _id, raftStarted: _started, ...rest } = this.#membership;
    await this.#save(rest);
    await forgetLog(this.#options.disk, this.#options.directory);
  }

  async #startManager(how: 'bootstrap' | 'join' | 'restart'): Promise<void> {
    const { clock, random, logger, onFatal } = this.#options;
    const { nodeId } = this.#membership;
    const raftId = this.#membership.raftId ?? newRaftId();
    if (this.#membership.raftId === undefined) {
      await forgetLog(this.#options.disk, this.#options.directory);
    }
    // Stored before anybody hears of it, also when a first try failed: a member that forgot its id
    // could never be one again.
    if (how === 'join') await this.#save({ ...this.#membership, raftId });
    const self = { raftId, nodeId, address: raftAddress(this.#membership.advertise) };
    const start =
      how === 'join'
        ? ({ kind: 'join', members: await this.#askToBeAdded(self) } as const)
        : ({ kind: how } as const);
    const dataKey = await loadDataKey(raftDirectory(this.#options.directory));
    const manager = await Manager.start({
      nodeId,
      version: VERSION,
      clock,
      random,
      logger,
      caller: this.rpc,
      probe: probeMachine,
      newJoinToken: () => this.newJoinToken(),
      signer: clusterSigner(() => this.#manager?.view.cluster, clock),
      startConsensus: async (handler) => {
        const { Raft: raft } = DEFAULT_CLUSTER_SPEC;
        const consensus = await startConsensus(
          {
            directory: raftDirectory(this.#options.directory),
            self,
            listenAddress: raftAddress(this.#membership.listen),
            start,
            tls: this.#identity.pems,
            tickMs: RAFT_TICK_MS,
            electionTicks: raft.ElectionTick,
            heartbeatTicks: raft.HeartbeatTick,
            snapshotInterval: raft.SnapshotInterval,
            dataKey,
          },
          handler,
          { threadScript: this.#options.raftThreadPath, logger },
        );
        this.#consensus = consensus;
        return consensus;
      },
      onEnd: ({ error, removed }) => {
        if (error !== undefined) onFatal(error);
        else if (removed) this.#removedFromRaft();
      },
    });
    this.#manager = manager;
    manager.store.watch((changes) => this.#peerRoles.observe(changes));
    this.#identity.onUpdate((pems) => this.#consensus?.updateTls(pems));
    logger.info({ nodeId, how }, 'manager started');
    if (this.#membership.raftStarted !== true) void this.#noteStarted(manager);
  }

  /** Until the log holds something a start asks for its membership again. */
  async #noteStarted(manager: Manager): Promise<void> {
    await manager.store.applied(1);
    if (this.#manager === manager) await this.#saveLogged({ raftStarted: true });
  }

  async #saveLogged(change: Partial<Membership>): Promise<void> {
    try {
      await this.#save({ ...this.#membership, ...change });
    } catch (error) {
      this.#options.logger.error({ error: messageOf(error) }, 'membership could not be stored');
    }
  }

  #removedFromRaft(): void {
    if (this.#closed || this.#manager === undefined) return;
    this.#options.logger.info({}, 'this node is not a manager any more');
    this.#role.removedFromRaft();
  }

  async #askToBeAdded(self: { raftId: number; nodeId: string; address: string }) {
    const request = {
      nodeId: self.nodeId,
      raftId: self.raftId,
      address: formatAddress(this.#membership.advertise),
      raftAddress: self.address,
    };
    const { managers } = this.#membership;
    const { members } = await this.#role.asking(() =>
      this.rpc.callAny(managers, 'leader.addMember', request),
    );
    return members;
  }

  async #whenLeading(): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.monotonicMs() + LEADER_WAIT_MS;
    while (this.#consensus?.status.isLeader !== true) {
      if (clock.monotonicMs() > deadline)
        throw new SwarmError('unavailable', 'the new manager did not become leader');
      await sleep(clock, 10);
    }
  }

  async #renew(): Promise<void> {
    const { key, csr } = await createRequest();
    const issued = await this.rpc.renew(this.#managersButUs(), csr);
    const { certificate, rootCertificates, role } = issued;
    await this.#save({ ...this.#membership, certificate, key, rootCertificates, role });
    this.#identity.update({ certificate, key, rootCertificates });
    // Open connections still show the old certificate, which says the old role.
    this.rpc.reconnect();
    this.#options.logger.info({ role }, 'certificate renewed');
  }

  #save(membership: Membership): Promise<void> {
    this.#membership = membership;
    return this.#stored.save(membership);
  }
}
