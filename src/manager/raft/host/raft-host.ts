// RaftHost drives one raft member: ticks from the clock, messages from the transport, proposals from
// its owner go in; what raft then wants is written, sent and applied, each of the three concurrently
// with the others. It knows neither threads nor sockets.
import {
  decodeConfChange,
  LOCAL_APPEND_THREAD,
  LOCAL_APPLY_THREAD,
  RaftError,
  RawNode,
  type Entry,
  type Message,
  type Ready,
} from 'raft-ts';
import { messageOf, SwarmError } from '../../../base/index.ts';
import { Applier } from './applier.ts';
import { Barriers } from './barriers.ts';
import {
  CLOSE_TRANSFER_MS,
  COMPACTION_KEEP_ENTRIES,
  type ConsensusOptions,
  type ConsensusStatus,
  type HostPorts,
  type Member,
} from '../contract/index.ts';
import { HostMembers } from './host-members.ts';
import { HostSnapshots } from './host-snapshots.ts';
import { lostLeadership, standSoon } from './leadership.ts';
import { LogWriter } from '../log/index.ts';
import { Metronome } from './metronome.ts';
import { ownVoteFirst } from './own-vote-first.ts';
import { leadershipLost, PendingProposals, stopping, type ProposalItem } from './proposals.ts';
import { raftOptions } from './raft-options.ts';
import { recover, type Recovered } from './recovery.ts';
import { HostStatus } from './host-status.ts';

/** One member of the managers' raft group. */
export class RaftHost {
  readonly #options: ConsensusOptions;
  readonly #ports: HostPorts;
  readonly #node: RawNode;
  readonly #writer: LogWriter;
  readonly #applier: Applier;
  readonly #proposals: PendingProposals;
  readonly #barriers: Barriers;
  readonly #snapshots: HostSnapshots;
  readonly #members: HostMembers;
  #applied: number;
  #isLeader = false;
  readonly #view: HostStatus;
  readonly #metronome: Metronome;
  #pumpScheduled = false;
  #statusStale = true;
  #state: 'running' | 'closing' | 'stopped' = 'running';

  /**
   * Opens log and snapshot, restores the state machine and begins to take part. Rejects with
   * `dataLoss` for damage, `precondition` and `notFound` for a directory that does not fit `start`.
   */
  static async start(options: ConsensusOptions, ports: HostPorts): Promise<RaftHost> {
    const recovered = await recover(options, ports);
    const { snapshot, snapshots } = recovered;
    if (snapshot !== undefined) {
      await ports.machine.restore(snapshot.index, snapshots.read(snapshot.index));
    }
    const host = new RaftHost(options, ports, recovered);
    await ports.transport.start({
      mayBe: (raftId, nodeId) => host.#members.table.mayBe(raftId, nodeId),
      met: (peer) => host.#members.meet(peer),
      receive: (message) => host.#receive(message),
      receiveSnapshot: (message, chunks) => host.#snapshots.receive(message, chunks),
      unreachable: (raftId, refused) =>
        host.#guarded(() => {
          host.#node.reportUnreachable(raftId);
          if (refused && raftId === host.#node.lead) host.#standSoon();
        }),
    });
    host.#begin();
    return host;
  }

  private constructor(options: ConsensusOptions, ports: HostPorts, recovered: Recovered) {
    const { storage, snapshot } = recovered;
    this.#options = options;
    this.#ports = ports;
    this.#applied = snapshot?.index ?? 0;
    this.#node = new RawNode(raftOptions(options, ports.random, storage, this.#applied));
    this.#proposals = new PendingProposals((token, error) =>
      ports.events.proposalFailed(token, error),
    );
    this.#barriers = new Barriers({
      raftId: options.self.raftId,
      seed: ports.random.below(2 ** 31) * 2 ** 16,
      retryTicks: options.electionTicks,
      giveUpTicks: options.electionTicks * 5,
      ask: (context) => this.#node.readIndex(context),
    });
    this.#members = new HostMembers({
      node: this.#node,
      self: options.self,
      confState: snapshot?.confState,
      table: snapshot?.data,
      joining: options.start.kind === 'join' ? options.start.members : [],
      active: () => this.#view.activeIds(),
      peersChanged: (peers) => {
        this.#statusStale = true;
        ports.transport.setPeers(peers);
      },
      changed: () => {
        this.#statusStale = true;
        this.#schedulePump();
      },
    });
    this.#view = new HostStatus({
      node: this.#node,
      members: this.#members,
      raftId: options.self.raftId,
      activeTicks: options.electionTicks,
      changed: (status) => ports.events.statusChanged(status),
    });
    this.#metronome = new Metronome({
      clock: ports.clock,
      tickMs: options.tickMs,
      next: () => this.#ticksToNext(),
      ticks: (count) => this.#ticks(count),
    });
    this.#snapshots = this.#makeSnapshots(recovered);
    this.#writer = this.#makeWriter(recovered);
    this.#applier = new Applier({
      apply: (entries) => this.#apply(entries),
      respond: (responses) => this.#respond(responses),
      failed: (error) => this.#fail(error),
    });
  }

  get status(): ConsensusStatus {
    return this.#view.at(this.#applied);
  }

  /** In this order; each outcome is told by its token. What was decided in another term is refused. */
  propose(term: number, items: readonly ProposalItem[]): void {
    this.#metronome.catchUp();
    const leads = this.#node.isLeader && this.#node.term === term;
    const running = this.#state === 'running';
    const refusal = running ? this.#proposals.refusalOf(items, leads) : stopping();
    if (refusal !== undefined) {
      for (const { token } of items) this.#ports.events.proposalFailed(token, refusal);
      return;
    }
    try {
      this.#node.proposeAll(items.map((item) => item.payload));
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      const failure = new SwarmError('unavailable', 'the leader is busy: retry later');
      for (const { token } of items) this.#ports.events.proposalFailed(token, failure);
      return;
    }
    this.#proposals.add(items, this.#node.lastIndex - items.length + 1, this.#node.term);
    this.#schedulePump();
  }

  /** Resolves once this manager has applied all that was committed at the time of the call. */
  barrier(): Promise<void> {
    if (this.#state !== 'running') return Promise.reject(stopping());
    this.#metronome.catchUp();
    const confirmed = this.#barriers.wait();
    this.#schedulePump();
    return confirmed;
  }

  /** See `Consensus.addMember`. */
  addMember(member: Member): Promise<void> {
    return this.#members.add(member);
  }

  /** See `Consensus.removeMember`. */
  async removeMember(...wanted: number[]): Promise<void> {
    const raftIds = this.#members.removable(wanted);
    const { raftId: own } = this.#options.self;
    const others = raftIds.filter((raftId) => raftId !== own);
    if (others.length > 0) await this.#members.remove(others);
    if (others.length === raftIds.length) return;
    // The leader's own removal is the next leader's business.
    await this.transferLeadership();
    throw new SwarmError('unavailable', 'leadership was handed over for this: ask the new leader');
  }

  /** See `Consensus.transferLeadership`. */
  async transferLeadership(to?: number): Promise<void> {
    this.#metronome.catchUp();
    const target = this.#members.transferTarget(to);
    this.#node.transferLeadership(target);
    this.#schedulePump();
    const limitMs = this.#options.electionTicks * this.#options.tickMs;
    if (!(await lostLeadership(this.#node, this.#ports.clock, limitMs))) {
      throw new SwarmError('unavailable', `member ${target} did not take over in ${limitMs} ms`);
    }
  }

  /** Hands over, stores what is left and ends. */
  async close(): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'closing';
    if (this.#isLeader && this.#members.hasTransferTarget()) {
      this.#node.transferLeadership(this.#members.transferTarget());
      this.#schedulePump();
      await lostLeadership(this.#node, this.#ports.clock, CLOSE_TRANSFER_MS);
    }
    this.#stop(stopping());
    await this.#ports.transport.close();
    await this.#applier.stop();
    await this.#snapshots.stop();
    await this.#writer.close();
  }

  /** Ends at once without storing anything, as a crash does; for simulations. */
  abandon(): void {
    this.#stop(stopping());
  }

  #begin(): void {
    this.#members.announce();
    this.#schedulePump();
  }

  #makeWriter(recovered: Recovered): LogWriter {
    const { storage, wal } = recovered;
    return new LogWriter({
      wal,
      publishSnapshot: (id) => this.#snapshots.publish(id),
      stored: (work) => {
        if (work.snapshot !== undefined) storage.applySnapshot(work.snapshot);
        storage.append(work.entries);
      },
      restore: (work) => this.#restore(work),
      respond: (responses) => this.#respond(responses),
      failed: (error) => this.#fail(error),
    });
  }

  #makeSnapshots(recovered: Recovered): HostSnapshots {
    return new HostSnapshots({
      ...recovered,
      interval: this.#options.snapshotInterval,
      logBytes: this.#options.snapshotLogBytes,
      keepEntries: this.#options.snapshotKeepEntries ?? COMPACTION_KEEP_ENTRIES,
      machine: this.#ports.machine,
      logger: this.#ports.logger,
      transport: this.#ports.transport,
      members: this.#members,
      between: (call) =>
        this.#applier.between(async () => {
          call(this.#applied);
        }),
      step: (message) => {
        this.#receive(message);
        this.#pump();
      },
      delivered: (raftId, ok) => {
        this.#node.reportSnapshot(raftId, ok);
        this.#schedulePump();
      },
    });
  }

  #ticksToNext(): number {
    // Whether a learner has caught up is looked at with every tick.
    if (this.#isLeader && this.#members.hasLearners) return 1;
    return Math.min(this.#node.ticksToNext, this.#barriers.ticksToNext);
  }

  #ticks(count: number): void {
    if (this.#view.ticks(count)) this.#statusStale = true;
    this.#run(() => {
      for (let i = 0; i < count; i++) {
        this.#node.tick();
        this.#barriers.tick();
      }
      if (this.#isLeader) this.#members.promoteLearners((error) => this.#fail(error));
    });
  }

  #receive(message: Message): void {
    this.#guarded(() => {
      if (this.#view.heard(message.from)) this.#statusStale = true;
      try {
        this.#node.step(message);
      } catch (error) {
        // An answer from a removed member, or a proposal that came a moment too late.
        if (!(error instanceof RaftError)) throw error;
      }
    });
  }

  #standSoon(): void {
    const { clock, random } = this.#ports;
    standSoon(this.#node, clock, random, (stand) => this.#guarded(stand));
  }

  #schedulePump(): void {
    if (this.#pumpScheduled || this.#state === 'stopped') return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#state === 'stopped') return;
    try {
      this.#barriers.askNext();
      this.#members.campaignIfAlone();
      while (this.#node.hasReady()) this.#carryOut(this.#node.ready());
      if (this.#statusStale || this.#view.isStale) this.#view.publish(this.#applied);
      this.#statusStale = false;
      this.#metronome.arm();
    } catch (error) {
      this.#fail(error);
    }
  }

  #carryOut(ready: Ready): void {
    if (ready.softState !== undefined) this.#roleChanged(ready.softState.role === 'leader');
    for (const { context, index } of ready.readStates) {
      this.#barriers.confirmed(context, index, this.#applied);
    }
    for (const message of ownVoteFirst(ready.messages)) {
      if (message.to === LOCAL_APPEND_THREAD) {
        if (message.snapshot !== undefined) this.#snapshots.claim(message.snapshot);
        this.#writer.push(message);
      } else if (message.to === LOCAL_APPLY_THREAD) {
        this.#applier.push(message);
      } else if (message.type === 'MsgSnap') {
        this.#snapshots.send(message);
      } else {
        this.#ports.transport.send(message);
      }
    }
  }

  #roleChanged(leads: boolean): void {
    this.#statusStale = true;
    if (this.#isLeader && !leads) {
      this.#proposals.failAll(leadershipLost());
      this.#members.failAll(leadershipLost());
    }
    this.#isLeader = leads;
  }

  /** What had to wait for a write or for the state machine. */
  #respond(responses: readonly Message[]): void {
    for (const message of responses) {
      if (message.to !== this.#options.self.raftId) this.#ports.transport.send(message);
      else this.#guarded(() => this.#node.step(message));
    }
  }

  async #apply(entries: readonly Entry[]): Promise<void> {
    const last = entries.at(-1);
    if (last === undefined) return;
    const committed = entries.map(({ index, term, type, data }) => ({
      index,
      term,
      payload: type === 'normal' ? data : new Uint8Array(0),
    }));
    await this.#ports.machine.apply(committed, this.#proposals.take(entries));
    if (entries.some((entry) => entry.type !== 'normal')) {
      // Else it might wait, after a crash, for the vote of somebody who has left.
      await this.#writer.commitStored(last.index);
    }
    for (const entry of entries) {
      if (entry.type !== 'normal') this.#members.apply(entry, decodeConfChange(entry));
      this.#members.entryApplied(entry);
    }
    this.#reached(last.index);
    this.#snapshots.applied(entries);
  }

  async #restore(work: Message): Promise<void> {
    const { snapshot } = work;
    if (snapshot === undefined) return;
    await this.#applier.between(() => this.#snapshots.restore(snapshot));
    this.#members.restore(snapshot);
    this.#reached(snapshot.index);
  }

  #reached(index: number): void {
    this.#applied = Math.max(this.#applied, index);
    this.#barriers.applied(this.#applied);
    this.#schedulePump();
  }

  /** What depends on time comes after the time that has passed. */
  #guarded(body: () => void): void {
    if (this.#state === 'stopped') return;
    this.#metronome.catchUp();
    this.#run(body);
  }

  #run(body: () => void): void {
    if (this.#state === 'stopped') return;
    try {
      body();
      this.#schedulePump();
    } catch (error) {
      this.#fail(error);
    }
  }

  #stop(reason: SwarmError): void {
    this.#state = 'stopped';
    this.#metronome.stop();
    this.#proposals.failAll(reason);
    this.#members.end(reason);
    this.#barriers.failAll(reason);
  }

  /** The log is broken or a rule of raft is: going on would risk what was promised. */
  #fail(error: unknown): void {
    if (this.#state === 'stopped') return;
    this.#stop(new SwarmError('unavailable', `raft has stopped: ${messageOf(error)}`));
    this.#ports.logger.error({ error: messageOf(error) }, 'raft has stopped');
    this.#ports.events.failed(error instanceof Error ? error : new Error(String(error)));
  }
}
