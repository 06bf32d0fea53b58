// A node's life in one cluster: its gRPC port, its agent, its manager while it has that role, the
// renewal of its certificate, promotion and demotion. Made by init, join, or a restart.
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SwarmError, messageOf } from '../base/index.ts';
import { createJoinToken, type ClusterInfo } from '../model/index.ts';
import {
  Manager,
  Store,
  forceNewGroup,
  type Consensus,
  type NewCluster,
} from '../manager/index.ts';
import {
  TlsIdentity,
  certificateDigest,
  certificateValidity,
  createRequest,
  probeMachine,
} from '../platform/index.ts';
import { Agent } from '../worker/index.ts';
import type { NetworkAttachmentRequest } from '../worker/standalone/index.ts';
import {
  VERSION,
  forgetLog,
  formatAddress,
  loadDataKey,
  raftAddress,
  raftDirectory,
} from './config/index.ts';
import {
  CertificateRenewal,
  MembershipWriter,
  PeerRoles,
  RoleFollower,
  allInOrder,
  clusterSigner,
  goOn,
  newRaftId,
  unlessEnded,
  waitUntil,
  type Membership,
  type RoleSteps,
} from './membership/index.ts';
import { startNodeConsensus, type ClusterNodeOptions } from './cluster-node-options.ts';
import {
  ClusterRpc,
  callAnyManager,
  dialDispatcher,
  renewCertificate,
  requestAttachment,
} from './services/index.ts';

const LEADER_WAIT_MS = 20_000;

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
  /** Aborts with the first of leave, close, and the end of what started it. */
  readonly #ending = new AbortController();
  /** A manager that is being started: who takes it down waits for it. */
  #managerStart: Promise<void> = Promise.resolve();

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
      tunnels: options.tunnels,
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

  /**
   * Takes up a stored or new membership; `newCluster` makes this node the first manager. Rejects, with
   * `signal`'s reason, soon after that has aborted. After a failure the owner calls `leave` or `close`:
   * either takes down what had begun.
   */
  async start(signal: AbortSignal, newCluster?: NewCluster): Promise<void> {
    const end = (): void => this.#ending.abort(signal.reason);
    signal.addEventListener('abort', end);
    try {
      goOn(signal);
      await this.#begin(newCluster);
      goOn(this.#ending.signal);
      this.#renewal.schedule();
    } finally {
      signal.removeEventListener('abort', end);
    }
  }

  async #begin(newCluster: NewCluster | undefined): Promise<void> {
    const membership = this.#membership;
    const { signal } = this.#ending;
    await this.rpc.server.listen(formatAddress(membership.listen));
    goOn(signal);
    if (newCluster !== undefined) {
      await this.#startManager('bootstrap');
      await this.#whenLeading();
      await this.#manager?.bootstrap(newCluster);
    } else if (membership.takeOver === true) {
      await this.#takeOver();
    } else if (membership.role === 'manager') {
      await this.#startManager(membership.raftStarted === true ? 'restart' : 'join');
    }
    goOn(signal);
    await this.#startAgent();
  }

  /** Stops, leaving containers and network as they are. */
  close(): Promise<void> {
    this.#end();
    // Leadership goes first: nobody takes a write before somebody else has it.
    const handedOver = this.#managerStart.then(() => this.#manager?.close());
    handedOver.catch(() => {}); // told below
    return allInOrder(this.#options.logger, {
      agent: () => this.#agent?.close(),
      manager: () => handedOver,
      listener: () => this.rpc.close(),
    });
  }

  /** Leaves the cluster: tasks are stopped, the network and all state of the membership removed. */
  leave(): Promise<void> {
    this.#end();
    const { overlay, disk, membershipPath, directory, logger } = this.#options;
    return allInOrder(logger, {
      agent: () => this.#agent?.removeAll(),
      manager: () => this.#managerStart.then(() => this.#manager?.close()),
      listener: () => this.rpc.close(),
      network: () => overlay.removeAll(),
      membership: async () => {
        await this.#stored.end();
        await disk.remove(membershipPath);
        // A loss of power must not bring it back without its files.
        await disk.syncDirectory(dirname(membershipPath));
      },
      state: () => rm(directory, { recursive: true, force: true }),
    });
  }

  #end(): void {
    this.#ending.abort(new SwarmError('unavailable', 'this node is leaving or stopping'));
    this.#renewal.stop();
  }

  /** Asks the managers for a container’s attachment to their networks. */
  attach(request: NetworkAttachmentRequest): Promise<void> {
    return requestAttachment(this.rpc.clients, this.#managerAddresses(), request);
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
      dial: (address) =>
        address === this.#ownManager()
          ? this.rpc.dialOwnDispatcher(this.#membership.nodeId, address)
          : dialDispatcher(this.rpc.clients, address),
      managers: () => this.#managerAddresses(),
      ownManager: () => this.#ownManager(),
      address: formatAddress(this.#membership.advertise),
      dataPathAddress: this.#membership.dataPathAddress,
      onClusterInfo: (info) => this.#onClusterInfo(info),
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
    await forceNewGroup(files, { raftId, nodeId, address: addresses.raftAddress }, machine);
    await this.#startManager('restart');
    await this.#whenLeading();
    const certificateExpiresAt = certificateValidity(certificate).to;
    const self = { id: nodeId, raftId, ...addresses, certificateExpiresAt };
    await this.#manager?.takeOver({ ...self, availability: 'active' });
    const { takeOver: _done, ...membership } = this.#membership;
    await this.#save(membership);
    logger.warn({ nodeId, raftId }, 'this node is the only manager now');
  }

  #ownManager(): string | undefined {
    return this.#manager === undefined ? undefined : formatAddress(this.#membership.advertise);
  }

  #managerAddresses(): readonly string[] {
    return [...new Set([this.#ownManager() ?? [], this.#membership.managers].flat())];
  }

  /** Others first: a manager that was just taken out of Raft can't help itself. */
  #managersButUs(): readonly string[] {
    const own = formatAddress(this.#membership.advertise);
    const others = this.#membership.managers.filter((address) => address !== own);
    return others.length > 0 ? others : [own];
  }

  #onClusterInfo(info: ClusterInfo): void {
    this.#peerRoles.told(info);
    const { managers } = this.#membership;
    if (info.managers.length > 0 && info.managers.join() !== managers.join()) {
      void this.#saveLogged({ managers: info.managers });
    }
    this.#role.want(info.role === 'manager' ? 'manager' : 'worker');
  }

  #roleSteps(): RoleSteps {
    return {
      state: () => {
        if (this.#ending.signal.aborted) return undefined;
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

  #startManager(how: 'bootstrap' | 'join' | 'restart'): Promise<void> {
    const started = this.#beginManager(how);
    this.#managerStart = started.catch(() => {});
    return started;
  }

  async #beginManager(how: 'bootstrap' | 'join' | 'restart'): Promise<void> {
    const { signal } = this.#ending;
    goOn(signal);
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
    goOn(signal);
    const dataKey = await loadDataKey(raftDirectory(this.#options.directory));
    goOn(signal);
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
        const { listen } = this.#membership;
        const of = { self, listen, start, tls: this.#identity.pems, dataKey };
        const consensus = await startNodeConsensus(this.#options, of, handler);
        this.#consensus = consensus;
        return consensus;
      },
      onEnd: ({ error, removed }) => {
        if (error !== undefined) onFatal(error);
        else if (removed) this.#removedFromRaft();
      },
    });
    this.#manager = manager;
    goOn(signal);
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
      if (this.#ending.signal.aborted) return;
      this.#options.logger.error({ error: messageOf(error) }, 'membership could not be stored');
    }
  }

  #removedFromRaft(): void {
    if (this.#ending.signal.aborted || this.#manager === undefined) return;
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
    const asked = this.#role.asking(() =>
      callAnyManager(this.rpc.clients, managers, 'leader.addMember', request),
    );
    return (await unlessEnded(asked, this.#ending.signal)).members;
  }

  #whenLeading(): Promise<void> {
    return waitUntil(() => this.#consensus?.status.isLeader === true, {
      clock: this.#options.clock,
      everyMs: 10,
      limitMs: LEADER_WAIT_MS,
      signal: this.#ending.signal,
      late: () => new SwarmError('unavailable', 'the new manager did not become leader'),
    });
  }

  async #renew(): Promise<void> {
    goOn(this.#ending.signal);
    const { key, csr } = await createRequest();
    const issued = await renewCertificate(this.rpc.clients, this.#managersButUs(), csr);
    const { certificate, rootCertificates, role } = issued;
    await this.#save({ ...this.#membership, certificate, key, rootCertificates, role });
    this.#identity.update({ certificate, key, rootCertificates });
    // Open connections still show the old certificate, which says the old role.
    this.rpc.clients.reconnect();
    this.#options.logger.info({ role }, 'certificate renewed');
  }

  #save(membership: Membership): Promise<void> {
    this.#membership = membership;
    return this.#stored.save(membership);
  }
}
