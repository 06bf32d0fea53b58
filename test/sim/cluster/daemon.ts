// What src/daemon/cluster-node.ts does for a real machine, on simulated ports: joins, starts the
// manager and the agent, follows the role that the managers want. Certificates are names only.
import { SwarmError, messageOf, sleep, type Logger, type Peer } from '../../../src/base/index.ts';
import {
  DEFAULT_CLUSTER_SPEC,
  Manager,
  type Consensus,
  type ConsensusHandler,
  type Issued,
  nodePrincipal,
  type ForwardedCall,
} from '../../../src/manager/index.ts';
import { startLocalConsensus, type Member } from '../../../src/manager/raft/index.ts';
import {
  FEATURE_LEVEL,
  type AgentMessage,
  type ClusterInfo,
  type DispatcherMessage,
} from '../../../src/model/index.ts';
import type { Overlay } from '../../../src/overlay/index.ts';
import { withNetworkAttachments } from '../../../src/daemon/bound-networking.ts';
import { forgetLog } from '../../../src/daemon/config/raft-directory.ts';
import { RoleFollower, type RoleSteps } from '../../../src/daemon/membership/role-follower.ts';
import { Agent, type DispatcherConnection } from '../../../src/worker/index.ts';
import type {
  NetworkAttachmentRequest,
  UserContainers,
} from '../../../src/worker/standalone/index.ts';
import { SimulatedStream } from './connections.ts';
import { processDisk } from './disk.ts';
import { SimulatedExecutor } from './executor.ts';
import { processOverlay } from './kernel.ts';
import type { Machine } from './machine.ts';
import { DaemonCalls, MembershipFile, hostOf, signer, type Membership } from './membership.ts';
import type { SimulatedProcess } from './process.ts';
import { keepUserContainers } from './user-containers.ts';
import type { World } from './world.ts';

const JOIN_RETRY_MS = 500;
const RAFT_TICK_MS = 100;
const RAFT_TICKS_PER_HEARTBEAT = 4;
const SEGMENT_BYTES = 64 * 1024;
/** A planned stop takes no longer, although somebody's start may wait for an address. */
const STOP_LIMIT_MS = 5_000;

/** One run of the daemon of one machine. */
export class SimulatedDaemon {
  readonly machine: Machine;
  readonly process: SimulatedProcess;
  readonly #world: World;
  readonly #logger: Logger;
  readonly #overlay: Overlay;
  readonly #file: MembershipFile;
  readonly #calls: DaemonCalls;
  #membership: Membership | undefined;
  #manager: Manager | undefined;
  /** The manager from the moment it is made, also while its log is being opened. */
  #created: Manager | undefined;
  #agent: Agent | undefined;
  #blacklist: ReadonlySet<string> = new Set();
  readonly #role: RoleFollower;
  readonly containers: UserContainers;
  #phase: 'starting' | 'member' | 'leaving' = 'starting';

  constructor(world: World, machine: Machine, process: SimulatedProcess) {
    this.machine = machine;
    this.process = process;
    this.#world = world;
    this.#logger = world.loggerFor(machine.host);
    this.#file = new MembershipFile(this.#disk);
    this.#calls = new DaemonCalls(world, this);
    this.#role = new RoleFollower(this.#roleSteps(), process.clock, this.#logger);
    this.#overlay = processOverlay(machine, process, this.#logger);
    this.containers = keepUserContainers({
      process,
      machine,
      overlay: this.#overlay,
      disk: this.#disk,
      logger: this.#logger,
      nodeId: () => this.nodeId ?? '',
      askManagers: (request) => this.#attach(request),
    });
  }

  get manager(): Manager | undefined {
    return this.#manager;
  }

  get created(): Manager | undefined {
    return this.#created;
  }

  get agent(): Agent | undefined {
    return this.#agent;
  }

  get nodeId(): string | undefined {
    return this.#membership?.nodeId;
  }

  /** Takes up what is on disk, or joins, or (with `found`) founds the cluster. */
  async start(how: 'found' | { readonly join: 'manager' | 'worker' }): Promise<void> {
    await this.#overlay.start();
    // Before the agent begins: it asks for the containers’ attachments.
    await this.containers.open();
    this.#membership = await this.#file.load();
    let begins: 'manager' | 'worker' | undefined;
    if (this.#membership === undefined && how === 'found') await this.#found();
    else {
      if (this.#membership === undefined && how !== 'found') await this.#join(how.join);
      const { role, raftStarted } = this.#member;
      if (role === 'manager' && raftStarted === true) await this.#startManager('restart');
      else begins = role;
    }
    await this.#startAgent();
    this.#phase = 'member';
    if (begins !== undefined) this.#role.want(begins);
  }

  /** The node's containers and network go; the machine is out of the cluster afterwards. */
  async leave(): Promise<void> {
    this.#phase = 'leaving';
    await this.containers.interrupt();
    await this.#agent?.removeAll();
    await this.#manager?.close();
    this.#manager = undefined;
    await this.#overlay.removeAll();
    await this.#disk.remove('/node');
    await this.#disk.syncDirectory('');
  }

  /** A planned stop. */
  async close(): Promise<void> {
    const limit = sleep(this.process.clock, STOP_LIMIT_MS);
    const containers = Promise.race([this.containers.close(), limit]);
    await this.#agent?.close();
    await this.#manager?.close();
    await containers;
  }

  /** Server's side of a session. */
  serveAgent(nodeId: string, stream: SimulatedStream): void {
    const connection = stream.serverEnd<DispatcherMessage, AgentMessage>();
    if (this.#manager === undefined || this.#blacklist.has(nodeId)) return connection.close();
    const from = this.#world.addressOf(stream.clientHost);
    this.#manager.serveAgent(nodeId, this.#world.tapped(this, nodeId, connection), from);
  }

  /** Server's side of a call between managers. */
  serveCall(call: ForwardedCall): Promise<{ body: string; index: number }> {
    const manager = this.#requireManager();
    if (call.method !== 'leader.addMember') return manager.receive(call);
    const request = JSON.parse(call.body) as Parameters<
      typeof manager.forward<'leader.addMember'>
    >[1];
    return manager
      .forward('leader.addMember', request)
      .then((reply) => ({ body: JSON.stringify(reply), index: manager.view.index }));
  }

  /** Whatever the request says: a node speaks for itself alone. */
  async serveAttach(nodeId: string, body: string): Promise<void> {
    if (this.#blacklist.has(nodeId)) throw new SwarmError('denied', `${nodeId} was removed`);
    const request = JSON.parse(body) as NetworkAttachmentRequest;
    await this.#requireManager().submit(nodePrincipal(nodeId), 'attachment.create', {
      ...request,
      nodeId,
    });
  }

  async serveCertificate(request: { token: string; peer: Peer | undefined }): Promise<Issued> {
    const manager = this.#requireManager();
    if (request.peer !== undefined) return manager.renew('csr', request.peer);
    const { token } = request;
    return manager.join({
      csr: 'csr',
      token,
      availability: 'active',
      from: 'somewhere',
      featureLevel: FEATURE_LEVEL,
    });
  }

  get #disk() {
    return processDisk(this.machine.disk, this.process, this.machine.diskFaults);
  }

  get #member(): Membership {
    if (this.#membership === undefined) throw new SwarmError('internal', 'not in a cluster');
    return this.#membership;
  }

  async #attach(request: NetworkAttachmentRequest): Promise<void> {
    if (this.#phase === 'starting') throw new SwarmError('unavailable', 'the daemon is starting');
    if (this.#phase === 'leaving') throw new SwarmError('notFound', 'this node is in no cluster');
    await this.#calls.attach(this.#managerAddresses().map(hostOf), request);
  }

  #requireManager(): Manager {
    if (this.#manager === undefined) throw new SwarmError('unavailable', 'not a manager');
    return this.#manager;
  }

  async #found(): Promise<void> {
    const { clusterId, tokens } = this.#world;
    const nodeId = `node-${this.machine.host}`;
    await this.#save({ nodeId, clusterId, role: 'manager', managers: [this.machine.address] });
    await this.#startManager('bootstrap');
    const manager = this.#requireManager();
    while (!manager.consensus.status.isLeader) await sleep(this.process.clock, 10);
    await manager.bootstrap({
      clusterId,
      spec: DEFAULT_CLUSTER_SPEC,
      rootCertificate: 'root',
      rootKey: this.#world.rootKey,
      joinTokens: tokens,
      addressPools: ['10.0.0.0/8'],
      subnetSize: 24,
      dataPathPort: 4789,
      node: {
        id: nodeId,
        availability: 'active',
        raftId: this.#member.raftId ?? 0,
        address: this.machine.address,
        raftAddress: this.machine.raftAddress,
        certificateExpiresAt: 2e12,
      },
    });
  }

  async #join(role: 'manager' | 'worker'): Promise<void> {
    const token = this.#world.tokens[role];
    for (;;) {
      try {
        const target = this.process.random.pick(this.#world.managerHosts(this.machine.host));
        const issued = await this.#calls.certificate([target], { token, peer: undefined });
        const { nodeId, clusterId, role: given } = issued;
        const managers = [...new Set([`${target}:2377`, ...(issued.managers ?? [])])];
        await this.#save({ nodeId, clusterId, role: given, managers });
        return;
      } catch (error) {
        this.#logger.info({ error: messageOf(error) }, 'joining is tried again');
        await sleep(this.process.clock, JOIN_RETRY_MS);
      }
    }
  }

  async #startAgent(): Promise<void> {
    const { process, machine } = this;
    const { nodeId } = this.#member;
    const { runtime, description } = machine;
    const overlay = this.#overlay;
    const executor = new SimulatedExecutor({ process, runtime, overlay, description });
    this.#agent = await Agent.start({
      nodeId,
      executor: withNetworkAttachments(executor, this.containers),
      overlay,
      clock: process.clock,
      random: process.random,
      disk: this.#disk,
      logger: this.#logger,
      statePath: '/node/assignments.json',
      dial: (address) => this.#dial(address),
      managers: () => this.#managerAddresses(),
      ownManager: () => (this.#manager === undefined ? undefined : machine.address),
      address: machine.address,
      dataPathAddress: machine.underlay,
      onClusterInfo: (info) => this.#onClusterInfo(info),
    });
  }

  #dial(address: string): DispatcherConnection {
    const host = address.split(':')[0] ?? '';
    return this.#world.openStream(this, host).clientEnd<AgentMessage, DispatcherMessage>();
  }

  /** Where it asks for a session. */
  get knownManagers(): readonly string[] {
    return this.#managerAddresses();
  }

  #managerAddresses(): readonly string[] {
    const own = this.#manager === undefined ? [] : [this.machine.address];
    return [...new Set([...own, ...this.#member.managers])];
  }

  #onClusterInfo(info: ClusterInfo): void {
    this.#blacklist = new Set(info.blacklist);
    const { managers } = this.#member;
    if (info.managers.length > 0 && info.managers.join() !== managers.join()) {
      this.#saveLogged({ managers: info.managers });
    }
    this.#role.want(info.role === 'manager' ? 'manager' : 'worker');
  }

  #roleSteps(): RoleSteps {
    return {
      state: () => {
        // As the real one: who leaves does not become a manager any more.
        if (this.#phase === 'leaving') return undefined;
        const { role, managers } = this.#member;
        const listed = managers.includes(this.machine.address);
        const recorded = this.#manager?.view.get('node', this.#member.nodeId)?.role;
        const certified = recorded === 'worker' ? recorded : role;
        return { certified, runs: this.#manager !== undefined, listed };
      },
      renew: () => this.#renew(),
      startManager: () => this.#startManager('join'),
      stopManager: () => this.#stopManager(),
      confirm: async () => {
        const { nodeId, raftId } = this.#member;
        if (raftId === undefined) return;
        await this.#askToBeAdded({ raftId, nodeId, address: this.machine.raftAddress });
      },
    };
  }

  async #renew(): Promise<void> {
    const { nodeId, clusterId, role, managers } = this.#member;
    const others = managers.filter((address) => address !== this.machine.address);
    const hosts = (others.length > 0 ? others : [this.machine.address]).map(hostOf);
    const peer: Peer = { nodeId, role, clusterId };
    const issued = await this.#calls.certificate(hosts, { token: '', peer });
    await this.#save({ ...this.#member, role: issued.role });
  }

  async #stopManager(): Promise<void> {
    const manager = this.#manager;
    this.#manager = undefined;
    await manager?.close();
    const { raftId: _id, raftStarted: _started, ...rest } = this.#member;
    await this.#save(rest);
    await forgetLog(this.#disk, '');
  }

  async #startManager(how: 'bootstrap' | 'join' | 'restart'): Promise<void> {
    const { process, machine } = this;
    const raftId = this.#member.raftId ?? 1 + process.random.below(2 ** 31);
    if (this.#member.raftId === undefined) await forgetLog(this.#disk, '');
    if (how !== 'restart') await this.#save({ ...this.#member, raftId });
    const { nodeId } = this.#member;
    const self: Member = { raftId, nodeId, address: machine.raftAddress };
    const start =
      how === 'join'
        ? ({ kind: 'join', members: await this.#askToBeAdded(self) } as const)
        : ({ kind: how } as const);
    const manager = await Manager.start({
      nodeId,
      version: 'simulated',
      clock: process.clock,
      random: process.random,
      logger: this.#logger,
      caller: this.#calls,
      probe: (address, limitMs) => this.#calls.probe(address, limitMs),
      newJoinToken: () => this.#world.tokens.worker,
      signer,
      onCreated: (created) => {
        this.#created = created;
        this.#world.managerCreated(this, created);
      },
      startConsensus: (handler) => this.#startConsensus(self, start, handler),
      onEnd: ({ error, removed }) => {
        if (error !== undefined) this.#world.daemonFailed(this, error);
        else if (removed) this.#removedFromRaft();
      },
    });
    this.#manager = manager;
    if (this.#member.raftStarted === true) return;
    // Until the log holds something a start asks for its membership again.
    void manager.store.applied(1).then(() => {
      if (this.#manager === manager) this.#saveLogged({ raftStarted: true });
    });
  }

  async #startConsensus(
    self: Member,
    start: Parameters<typeof startLocalConsensus>[0]['start'],
    handler: ConsensusHandler,
  ): Promise<Consensus> {
    const { process, machine } = this;
    const { Raft: raft } = DEFAULT_CLUSTER_SPEC;
    const consensus = await startLocalConsensus(
      {
        directory: '/raft',
        self,
        listenAddress: machine.raftAddress,
        start,
        tls: { certificate: '', key: '', rootCertificates: '' },
        tickMs: RAFT_TICK_MS,
        electionTicks: raft.ElectionTick,
        heartbeatTicks: raft.HeartbeatTick * RAFT_TICKS_PER_HEARTBEAT,
        snapshotInterval: this.#world.options.snapshotInterval,
        logSegmentBytes: SEGMENT_BYTES,
        dataKey: new Uint8Array(32).fill(machine.number),
      },
      this.#world.watched(this, handler),
      {
        clock: process.clock,
        random: process.random,
        disk: this.#disk,
        logger: this.#logger,
        transport: () =>
          this.#world.raftWires.transport(process, machine.host, self.raftId, self.nodeId),
      },
    );
    return this.#world.proposalsSeen(this, consensus);
  }

  #removedFromRaft(): void {
    if (this.#manager === undefined) return;
    this.#role.removedFromRaft();
  }

  #askToBeAdded(self: Member): Promise<readonly Member[]> {
    return this.#role.asking(() => this.#calls.addMember(this.#member.managers.map(hostOf), self));
  }

  #save(membership: Membership): Promise<void> {
    this.#membership = membership;
    return this.#file.save(membership);
  }

  #saveLogged(change: Partial<Membership>): void {
    this.#save({ ...this.#member, ...change }).catch((error: unknown) => {
      this.#logger.warn({ error: messageOf(error) }, 'membership could not be stored');
    });
  }
}
