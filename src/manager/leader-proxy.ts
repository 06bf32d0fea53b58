// Hands calls to whoever leads: this manager itself, or another one over the network. Waits through a
// change of leader, and afterwards for this manager's own store to have what the call wrote, so that a
// client reads its own writes wherever it asks.
import { SwarmError, silentLogger, sleep, type Clock } from '../base/index.ts';
import { MANAGER, type Principal } from './access/index.ts';
import { HeartbeatChannel, type HeartbeatStream, type Heartbeats } from './heartbeat-channel.ts';
import type { Consensus } from './raft/contract/index.ts';
import {
  decodeResponse,
  type LeaderApi,
  type LeaderMethod,
  type LeaderMethods,
} from './methods/index.ts';
import type { Store } from './store/index.ts';

/** How long a call looks for a leader before it gives up (SwarmKit: 10 s). */
const LEADER_WAIT_MS = 10_000;
const LEADER_POLL_MS = 20;
const CATCH_UP_MS = 5_000;

/** What a second try is told when the first one was carried out and only its answer was lost. */
const MADE_BY_SUCCESS: ReadonlySet<string> = new Set(['conflict', 'outOfSequence', 'notFound']);

/** What would be made a second time where the first try made it and somebody else has removed it since. */
const MAKES_ANEW: ReadonlySet<LeaderMethod> = new Set<LeaderMethod>([
  'service.create',
  'network.create',
  'secret.create',
  'config.create',
]);

/** How errors begin that say that the call was not begun, here or at the manager that was asked. */
const NOT_BEGUN = [
  'The swarm does not have a leader',
  'this manager is not the leader',
  'this node is not a manager',
  // gRPC's own: nothing was sent.
  'No connection established',
];

/** A method on its way to another manager. */
export interface ForwardedCall {
  readonly method: string;
  /** JSON of its request. */
  readonly body: string;
  /** JSON of who asks; '' from a release before that was told. */
  readonly principal: string;
}

/** The port to other managers. */
export interface ManagerCaller {
  /** Sends a call to another manager; `signal` aborts when leadership moves. */
  send(
    manager: { nodeId: string; address: string },
    call: ForwardedCall,
    signal: AbortSignal,
  ): Promise<{ body: string; index: number }>;
  /** A stream for heartbeats of sessions; absent where there are only calls. */
  heartbeats?(manager: { nodeId: string; address: string }): HeartbeatStream;
}

/** The leader itself, when it is this manager. */
export interface LocalLeader {
  execute<M extends LeaderMethod>(
    method: M,
    request: LeaderMethods[M]['request'],
    principal: Principal,
  ): Promise<LeaderMethods[M]['response']>;
}

/** The leader, wherever it is. */
export class LeaderProxy implements LeaderApi {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #local: LocalLeader;
  readonly #remote: ManagerCaller;
  readonly #heartbeats: HeartbeatChannel | undefined;
  #consensus: Consensus | undefined;
  /** Calls to the present leader; aborted when another one is elected. */
  #era = new AbortController();

  constructor(
    store: Store,
    clock: Clock,
    local: LocalLeader,
    remote: ManagerCaller,
    logger = silentLogger,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#local = local;
    this.#remote = remote;
    const open = remote.heartbeats?.bind(remote);
    this.#heartbeats = open && new HeartbeatChannel(open, logger);
  }

  connect(consensus: Consensus): void {
    this.#consensus = consensus;
  }

  leaderChanged(): void {
    this.#era.abort();
    this.#era = new AbortController();
    this.#heartbeats?.close();
  }

  /** This manager ends. */
  close(): void {
    this.#heartbeats?.close();
  }

  /** See `LeaderApi`: over a stream where the leader knows how. */
  async tellHeartbeats(request: Heartbeats, refused: (nodeId: string) => void): Promise<void> {
    const leader = this.#leaderElsewhere();
    if (leader !== undefined && this.#heartbeats?.send(leader, request, refused) === true) return;
    const answer = await this.forward('leader.heartbeats', request);
    for (const nodeId of answer.refused) refused(nodeId);
  }

  async forward<M extends LeaderMethod>(
    method: M,
    request: LeaderMethods[M]['request'],
    principal: Principal = MANAGER,
  ): Promise<LeaderMethods[M]['response']> {
    const deadline = this.#clock.monotonicMs() + LEADER_WAIT_MS;
    let uncertain = false;
    for (;;) {
      try {
        return await this.#try(method, request, principal);
      } catch (error) {
        const known = error instanceof SwarmError;
        if (known && uncertain && MADE_BY_SUCCESS.has(error.code)) throw outcomeUnknown(method);
        if (!known || error.code !== 'unavailable' || this.#clock.monotonicMs() > deadline)
          throw error;
        uncertain ||= !NOT_BEGUN.some((words) => error.message.startsWith(words));
        if (uncertain && MAKES_ANEW.has(method)) throw outcomeUnknown(method);
        await sleep(this.#clock, LEADER_POLL_MS);
      }
    }
  }

  async #try<M extends LeaderMethod>(
    method: M,
    request: LeaderMethods[M]['request'],
    principal: Principal,
  ): Promise<LeaderMethods[M]['response']> {
    if (this.#consensus?.status.isLeader === true) {
      return this.#local.execute(method, request, principal);
    }
    const leader = this.#leaderElsewhere();
    if (leader === undefined) throw noLeader();
    const reply = await this.#remote.send(
      leader,
      { method, body: JSON.stringify(request), principal: JSON.stringify(principal) },
      this.#era.signal,
    );
    await this.#caughtUpWith(reply.index);
    return decodeResponse(method, reply.body);
  }

  #leaderElsewhere(): { nodeId: string; address: string } | undefined {
    const status = this.#consensus?.status;
    if (status?.leader === undefined || status.isLeader) return undefined;
    const { nodeId } = status.leader;
    const address = this.#store.view.get('node', nodeId)?.manager?.address;
    return address === undefined ? undefined : { nodeId, address };
  }

  /** Until this manager's store has what the call wrote, or for a while. */
  async #caughtUpWith(index: number): Promise<void> {
    if (this.#store.view.index >= index) return;
    const inTime = new AbortController();
    const late = sleep(this.#clock, CATCH_UP_MS, inTime.signal);
    await Promise.race([this.#store.applied(index), late]);
    // Else a timer of seconds would be left behind by each call.
    inTime.abort();
  }
}

function outcomeUnknown(method: string): SwarmError {
  return new SwarmError(
    'unavailable',
    `the leader changed while ${method} was under way: check whether it was done, and try again`,
  );
}

function noLeader(): SwarmError {
  return new SwarmError(
    'unavailable',
    "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than half of the managers are online.",
  );
}
