// Puts one manager together: store, Raft, control, loops, dispatcher, certificate authority. Leads or
// follows; the list of what starts with leadership is all there is to it.
import {
  decoder,
  newId,
  sleep,
  SwarmError,
  messageOf,
  type Clock,
  type Logger,
  type Peer,
  type Random,
  type Timer,
} from '../base/index.ts';
import type { ClusterInfo, StoreChange } from '../model/index.ts';
import { OPERATOR, PRINCIPAL, type Principal } from './access/index.ts';
import { Allocator } from './allocator/index.ts';
import { bootstrapActions, type NewCluster } from './bootstrap.ts';
import { Authority, type Issued, type Signer } from './ca/index.ts';
import { ControlLoopRunner } from './loops/index.ts';
import { LeaderControl, type ControlMethod, type ControlMethods } from './control/index.ts';
import {
  Dispatcher,
  Liveness,
  EndpointDrains,
  type AgentConnection,
  type Probe,
} from './dispatcher/index.ts';
import { FeatureLevelLoop } from './feature-level-loop.ts';
import {
  checkMethod,
  decodeRequest,
  type LeaderApi,
  type LeaderMethod,
  type LeaderMethods,
} from './methods/index.ts';
import { LeaderProxy, type ForwardedCall, type ManagerCaller } from './leader-proxy.ts';
import { Leader } from './leader.ts';
import { ConstraintEnforcer, Orchestrator, TaskReaper } from './orchestrator/index.ts';
import { SchedulerLoop } from './placement/index.ts';
import type { Consensus, ConsensusHandler, ConsensusStatus } from './raft/contract/index.ts';
import { managerAddresses } from './queries/index.ts';
import { RoleKeeper } from './role-keeper.ts';
import type { FoundingState } from './raft/host/index.ts';
import { Store, type StoreView } from './store/index.ts';
import { forceNewClusterActions, type Successor } from './force-new-cluster.ts';

/** An agent waits at most this long for a manager that has to catch up. */
const SESSION_APPLY_TIMEOUT_MS = 3_000;
const CATCH_UP_POLL_MS = 50;
/** An election takes at most about as long, if there is a quorum at all. */
const ELECTION_MS = 1_500;
/** Heartbeat periods grow with the cluster: this much for every node. */
const PERIOD_MS_PER_NODE = 0.5;
/** Nodes that come or go without a new period, of which everybody would have to be told. */
const PERIOD_STEP_NODES = 500;

const decodePrincipal = decoder(PRINCIPAL, 'principal');

/** What a manager is made of. */
export interface ManagerOptions {
  readonly nodeId: string;
  /** Of this build. */
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signer: Signer;
  readonly newJoinToken: () => string;
  readonly caller: ManagerCaller;
  /** Tells a machine without a daemon from one that is dead. */
  readonly probe: Probe;
  /** Starts Raft with this manager as its handler. */
  readonly startConsensus: (handler: ConsensusHandler) => Promise<Consensus>;
  /** Told before the first entry is applied: for those who have to see every change. */
  readonly onCreated?: (manager: Manager) => void;
  /** This manager can't go on (broken log), or was removed from Raft. */
  readonly onEnd: (reason: { readonly error?: Error; readonly removed: boolean }) => void;
}

/** One manager: follows, and leads when it is elected. */
export class Manager implements LeaderApi {
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly #options: ManagerOptions;
  readonly #runner: ControlLoopRunner;
  readonly #liveness: Liveness;
  readonly #endpointDrains: EndpointDrains;
  readonly #leader: Leader;
  readonly #roleKeeper: RoleKeeper;
  readonly #proxy: LeaderProxy;
  #consensus: Consensus | undefined;
  /** The term in which this manager leads, and when it is ready to. */
  #leading: { readonly term: number; readonly ready: Promise<void> } | undefined;
  #leaderId: number | undefined;
  #wasMember = false;
  #caughtUp = false;
  #leaderlessTimer: Timer | undefined;
  #toldPeriodMs = 0;
  /** Some other manager led since this process began. */
  #followed = false;

  static async start(options: ManagerOptions): Promise<Manager> {
    const manager = new Manager(options);
    options.onCreated?.(manager);
    const consensus = await options.startConsensus(manager.#handler());
    manager.#consensus = consensus;
    manager.store.connect(consensus);
    manager.#proxy.connect(consensus);
    manager.#statusChanged(consensus.status);
    void manager.#catchUp();
    return manager;
  }

  private constructor(options: ManagerOptions) {
    this.#options = options;
    const { clock, random, logger, signer } = options;
    const store = new Store({ clock, logger, instance: newId(random) });
    const { time } = store;
    this.store = store;
    this.#liveness = new Liveness(store, clock, logger, {
      periodMs: () => this.heartbeatPeriodMs,
      probe: options.probe,
    });
    this.#endpointDrains = new EndpointDrains(store, clock, logger, (id) =>
      this.#liveness.isAway(id),
    );
    this.#leader = new Leader({
      store,
      version: options.version,
      clock: time,
      logger,
      liveness: this.#liveness,
      endpointDrains: this.#endpointDrains,
      control: new LeaderControl({
        store,
        clock: time,
        random,
        newJoinToken: options.newJoinToken,
      }),
      authority: new Authority(store, signer, random, clock, options.version),
      consensus: () => this.consensus,
      whenReady: () => this.#whenReady(),
    });
    this.#proxy = new LeaderProxy(store, clock, this.#leader, options.caller, logger);
    this.#roleKeeper = new RoleKeeper(store, this.#leader, clock, logger);
    this.#runner = new ControlLoopRunner(
      store,
      [
        new Allocator(),
        new Orchestrator(random),
        new SchedulerLoop(),
        new ConstraintEnforcer(),
        new TaskReaper(),
        new FeatureLevelLoop(),
      ],
      time,
      logger,
    );
    this.dispatcher = new Dispatcher({
      store,
      leader: this.#proxy,
      clock,
      logger,
      managerId: options.nodeId,
      onWaiting: (nodeId) => this.#liveness.seen(nodeId),
      applyTimeoutMs: SESSION_APPLY_TIMEOUT_MS,
    });
    store.watch((changes) => {
      const isNew = this.heartbeatPeriodMs !== this.#toldPeriodMs;
      if (isNew || changes.some(concernsClusterInfo)) this.#publishClusterInfo();
    });
    store.onRestored(() => this.#publishClusterInfo());
  }

  get consensus(): Consensus {
    if (this.#consensus === undefined) throw new Error('invariant broken: Raft is not started yet');
    return this.#consensus;
  }

  /** After a start: this manager has applied all that was committed before, so its answers are not old. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  get view(): StoreView {
    return this.store.view;
  }

  /** Milliseconds between two heartbeats of each node. */
  get heartbeatPeriodMs(): number {
    const requested = (this.view.cluster?.spec.Dispatcher.HeartbeatPeriod ?? 5e8) / 1e6;
    const steps = Math.ceil(this.view.count('node') / PERIOD_STEP_NODES);
    return Math.max(requested, steps * PERIOD_STEP_NODES * PERIOD_MS_PER_NODE);
  }

  /** Has a control method carried out for `principal`, here or on the leader; see LeaderProxy. */
  submit<M extends ControlMethod>(
    principal: Principal,
    method: M,
    request: ControlMethods[M]['request'],
  ): Promise<ControlMethods[M]['response']> {
    const response = this.#proxy.forward<ControlMethod>(method, request, principal);
    return response as Promise<ControlMethods[M]['response']>;
  }

  /** Has one of the managers' own methods carried out, here or on the leader. */
  forward<M extends LeaderMethod>(
    method: M,
    request: LeaderMethods[M]['request'],
  ): Promise<LeaderMethods[M]['response']> {
    return this.#proxy.forward(method, request);
  }

  /** Carries out what another manager sent to us as the leader. Raises `invalid` for what is no call. */
  async receive({
    method,
    body,
    principal,
  }: ForwardedCall): Promise<{ body: string; index: number }> {
    const known = checkMethod(method);
    // A manager of a release before principals hands on what an operator asked it for.
    const caller = principal === '' ? OPERATOR : decodePrincipal.json(principal);
    const response = await this.#leader.execute(known, decodeRequest(known, body), caller);
    return { body: JSON.stringify(response), index: this.view.index };
  }

  /** First start of a new cluster, once this manager leads it. */
  async bootstrap(requested: NewCluster): Promise<void> {
    const { random } = this.#options;
    await this.store.propose(bootstrapActions(requested, random, this.store.time.now()));
    // Leadership came before there was a cluster: start over with what there is now.
    this.#runner.start();
  }

  /** First start of a cluster founded anew (`forceNewGroup`, `foundGroup`), once this manager leads it. */
  async takeOver(self: Successor): Promise<void> {
    await this.store.propose(forceNewClusterActions(this.view, self, this.store.time.now()));
  }

  /**
   * The state as of now, and where in the log it is. Raises `unavailable` when no quorum confirms that
   * it is not an old one.
   */
  async backup(): Promise<FoundingState> {
    await this.consensus.barrier();
    const rest = this.store.snapshot()[Symbol.asyncIterator]();
    // Asked for at once: that fixes the view.
    const first = rest.next();
    const chunks = (async function* (): AsyncGenerator<Uint8Array> {
      for (let next = await first; next.done !== true; next = await rest.next()) yield next.value;
    })();
    return { index: this.view.index, term: this.consensus.status.term, chunks };
  }

  /** `from`: host:port that the connection comes from. */
  serveAgent(nodeId: string, connection: AgentConnection, from: string): void {
    this.dispatcher.serve(nodeId, connection, from);
  }

  join(request: LeaderMethods['leader.join']['request']): Promise<Issued> {
    return this.#proxy.forward('leader.join', request);
  }

  renew(csr: string, peer: Peer): Promise<Issued> {
    return this.#proxy.forward('leader.renew', { csr, peer });
  }

  /** Stops this manager in good order: leadership is handed over first. */
  async close(): Promise<void> {
    this.#leaderlessTimer?.cancel();
    this.#caughtUp = true;
    this.#stopLeading();
    this.dispatcher.close();
    this.#proxy.close();
    await this.#consensus?.close();
  }

  async #catchUp(): Promise<void> {
    let told = '';
    while (!this.#caughtUp) {
      try {
        await this.#consensus?.barrier();
        this.#caughtUp = true;
      } catch (error) {
        // Mostly there is no leader yet; what else it is, the log has once.
        const text = messageOf(error);
        if (text !== told)
          this.#options.logger.info({ error: text }, 'this manager has to catch up');
        told = text;
        await sleep(this.#options.clock, CATCH_UP_POLL_MS);
      }
    }
  }

  #handler(): ConsensusHandler {
    return {
      apply: (entries) => this.store.apply(entries),
      snapshot: () => this.store.snapshot(),
      restore: (index, chunks) => this.store.restore(index, chunks),
      statusChanged: (status) => this.#statusChanged(status),
      failed: (error) => this.#options.onEnd({ error, removed: false }),
    };
  }

  #statusChanged(status: ConsensusStatus): void {
    if (status.leader?.raftId !== this.#leaderId) {
      this.#leaderId = status.leader?.raftId;
      this.#proxy.leaderChanged();
      this.dispatcher.leaderChanged();
    }
    if (status.leader !== undefined && !status.isLeader) this.#followed = true;
    this.#leaderless(status.leader === undefined);
    if (this.#leading !== undefined && !(status.isLeader && status.term === this.#leading.term)) {
      this.#stopLeading();
    }
    if (status.isLeader) this.#lead(status.term);
    const member = status.members.some((one) => one.raftId === status.raftId);
    if (member) this.#wasMember = true;
    else if (this.#wasMember) {
      // An agent that came now would wait in vain.
      this.dispatcher.close();
      this.#options.onEnd({ removed: true });
    }
  }

  /** Without a leader no agent is served; one that asks may wait for an election, not longer. */
  #leaderless(now: boolean): void {
    if (!now) {
      this.#leaderlessTimer?.cancel();
      this.#leaderlessTimer = undefined;
      this.dispatcher.admit(true);
      return;
    }
    this.dispatcher.endAll('this manager has no leader');
    this.#leaderlessTimer ??= this.#options.clock.after(ELECTION_MS, () => {
      this.dispatcher.admit(false);
    });
  }

  /** Begins once everything that earlier leaders committed is applied here. */
  #lead(term: number): void {
    if (this.#consensus === undefined || this.#leading !== undefined) return;
    const leading = { term, ready: this.#applied(term) };
    this.#leading = leading;
    leading.ready.then(
      () => {
        if (this.#leading === leading) this.#startLoops(term);
      },
      (error: unknown) => {
        this.#options.logger.warn({ error: messageOf(error) }, 'leadership was lost at once');
      },
    );
  }

  /** Asks until it is confirmed, however long a quorum is silent; rejects once the term is over. */
  async #applied(term: number): Promise<void> {
    const { clock, logger } = this.#options;
    for (;;) {
      try {
        await this.consensus.barrier();
        return;
      } catch (error) {
        if (this.#leading?.term !== term) throw error;
        logger.warn({ error: messageOf(error) }, 'nobody confirms this leader yet');
        await sleep(clock, CATCH_UP_POLL_MS);
      }
    }
  }

  async #whenReady(): Promise<void> {
    const leading = this.#leading;
    await leading?.ready;
    if (leading !== undefined && this.#leading === leading) return;
    throw new SwarmError('unavailable', 'this manager is not the leader');
  }

  #startLoops(term: number): void {
    this.#options.logger.info({ term }, 'leading');
    this.#runner.start();
    this.#liveness.start(!this.#followed);
    this.#roleKeeper.start();
  }

  #stopLeading(): void {
    this.#leading = undefined;
    this.#runner.stop();
    this.#liveness.stop();
    this.#endpointDrains.stop();
    this.#roleKeeper.stop();
  }

  #publishClusterInfo(): void {
    const cluster = this.view.cluster;
    if (cluster === undefined) return;
    this.#toldPeriodMs = this.heartbeatPeriodMs;
    const managerIds: string[] = [];
    for (const node of this.view.all('node')) {
      if (node.spec.Role === 'manager') managerIds.push(node.id);
    }
    const info: ClusterInfo = {
      managers: managerAddresses(this.view),
      managerIds: managerIds.sort((a, b) => (a < b ? -1 : 1)),
      rootCertificates: cluster.rootCertificates,
      dataPathPort: cluster.dataPathPort,
      heartbeatPeriodMs: this.heartbeatPeriodMs,
      role: 'worker',
      blacklist: Object.keys(cluster.blacklist),
    };
    this.dispatcher.publishClusterInfo(info);
  }
}

/** Of nodes only what makes them managers: thousands of others come, go and register. */
function concernsClusterInfo(change: StoreChange): boolean {
  if (change.table !== 'node') return change.table === 'cluster';
  const { before, after } = change;
  const isManager = (node: typeof after): boolean => node?.spec.Role === 'manager';
  return (
    isManager(before) !== isManager(after) || before?.manager?.address !== after?.manager?.address
  );
}
