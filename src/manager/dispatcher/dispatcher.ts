// The dispatcher, on every manager: holds the sessions of the agents that chose this manager, feeds
// them from this manager's own store, and passes what they say to the leader in batches. It writes
// nothing but registrations and statuses.
//
// A session is a Raft entry (node, epoch, manager). It is served only once this manager has applied
// that entry and everything the agent had seen before, and ended when a newer one is applied, when
// this manager is cut off from the leader, or when the leader has given the node up.
import {
  SwarmError,
  decoder,
  messageOf,
  type Clock,
  type Logger,
  type Timer,
} from '../../base/index.ts';
import {
  AGENT_MESSAGE,
  NODE_DESCRIPTION,
  type AgentMessage,
  type ClusterInfo,
  type DispatcherMessage,
  type Node,
  type Register,
  type StoreChange,
  type Task,
} from '../../model/index.ts';
import type { LeaderApi } from '../methods/index.ts';
import type { Store } from '../store/index.ts';
import { Admission, SendQueue, type Applicant } from './flow/index.ts';
import { AppliedReports } from './applied-reports.ts';
import {
  ENDPOINT_DRAINS_PER_SESSION_MAX,
  REGISTRATIONS_MAX,
  REGISTRATIONS_WAITING_MAX,
  WAITING_HEARTBEAT_MS,
} from './limits.ts';
import { HeartbeatRelay } from './heartbeat-relay.ts';
import { AgentSession, type AgentConnection } from './session.ts';
import { SharedSets, differsForItsNode, hostItem } from './sets/index.ts';
import { StatusReports } from './status-reports.ts';

const decodeMessage = decoder(AGENT_MESSAGE, 'message of an agent');
const decodeDescription = decoder(NODE_DESCRIPTION, 'description');
const HEARTBEAT: DispatcherMessage = { heartbeat: {} };

/** What a dispatcher works with. */
export interface DispatcherOptions {
  readonly store: Store;
  readonly leader: LeaderApi;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Node id of this manager. */
  readonly managerId: string;
  /** Hears of agents that are there and have to wait until they are registered. */
  readonly onWaiting?: (nodeId: string) => void;
  /** How long an agent may have been told to wait for a reply of this manager's store. */
  readonly applyTimeoutMs: number;
}

/** Serves the agents that have chosen this manager. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #sessions = new Map<string, AgentSession>();
  /** Agents that have asked and are not registered yet. */
  readonly #registering = new Set<AgentConnection>();
  readonly #admission: Admission;
  #admitting = true;
  readonly #queue: SendQueue<AgentSession>;
  readonly #shared: SharedSets<AgentSession>;
  readonly #heartbeats: HeartbeatRelay;
  readonly #appliedReports: AppliedReports;
  readonly #reports: StatusReports;
  /** By role; the same object for all nodes, so that it is encoded once. */
  #info: Readonly<Record<ClusterInfo['role'], ClusterInfo>> | undefined;
  #infoText = '';
  #closed = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#appliedReports = new AppliedReports(options.leader, options.clock, options.logger);
    this.#heartbeats = new HeartbeatRelay({
      ...options,
      periodMs: () => this.#info?.worker.heartbeatPeriodMs ?? 500,
      refused: (nodeId) => this.end(nodeId),
    });
    this.#reports = new StatusReports(options.store.view, options.leader, options.logger, () =>
      this.endAll('statuses could not be recorded'),
    );
    this.#admission = new Admission(options.clock, {
      underWay: REGISTRATIONS_MAX,
      waiting: REGISTRATIONS_WAITING_MAX,
      waitEveryMs: WAITING_HEARTBEAT_MS,
    });
    this.#queue = new SendQueue(options.clock, (session) => this.#send(session));
    this.#shared = new SharedSets(options.store, (set) => this.#queue.addFollowers(set));
    options.store.watch((changes) => changes.forEach((change) => this.#observe(change)));
    options.store.onRestored(() => this.endAll('the state was replaced by a snapshot'));
  }

  /**
   * Serves one agent; `nodeId` comes from its certificate, `from` (host:port) from its connection. What
   * does not fit ends the session with an error that names the field.
   */
  serve(nodeId: string, connection: AgentConnection, from: string): void {
    if (this.#closed || !this.#admitting) return connection.close();
    this.#registering.add(connection);
    let session: AgentSession | undefined;
    let applicant: Applicant | undefined;
    const refuse = (error: unknown): void => {
      this.#options.logger.warn({ nodeId, error: messageOf(error) }, 'an agent was refused');
      connection.close(error instanceof Error ? error : new Error(messageOf(error)));
    };
    const register = async (request: Register): Promise<void> => {
      try {
        session = await this.#register(nodeId, connection, request, from);
        this.#registering.delete(connection);
      } catch (error) {
        refuse(error);
      }
    };
    connection.onMessage((raw) => {
      try {
        const message = decodeMessage(raw);
        const { register: request } = message;
        if (request === undefined) {
          if (session !== undefined) this.#take(session, message);
          return;
        }
        if (applicant !== undefined)
          throw new SwarmError('invalid', 'a session is registered once');
        // Before anything is committed: the agent must be able to tell us from a dead machine.
        connection.send(HEARTBEAT);
        const wait = (): void => {
          connection.send(HEARTBEAT);
          this.#options.onWaiting?.(nodeId);
        };
        applicant = { register: () => register(request), wait };
        this.#admission.add(applicant);
      } catch (error) {
        refuse(error);
      }
    });
    connection.onClose(() => {
      this.#registering.delete(connection);
      if (applicant !== undefined) this.#admission.remove(applicant);
      if (session === undefined) return;
      this.#queue.remove(session);
      if (this.#sessions.get(nodeId) === session) {
        this.#sessions.delete(nodeId);
        this.#heartbeats.forget(nodeId);
      }
    });
  }

  /** Managers, roots or periods changed: tells every agent, each in its turn. */
  publishClusterInfo(info: ClusterInfo): void {
    const text = JSON.stringify(info);
    if (text === this.#infoText) return;
    this.#infoText = text;
    this.#info = { worker: { ...info, role: 'worker' }, manager: { ...info, role: 'manager' } };
    for (const session of this.#sessions.values()) this.#infoChanged(session);
  }

  /** This manager may be behind: agents go to another one. */
  endAll(reason: string): void {
    if (this.#sessions.size > 0) {
      this.#options.logger.info({ reason, sessions: this.#sessions.size }, 'ending all sessions');
    }
    for (const session of this.#sessions.values()) session.connection.close();
    this.#sessions.clear();
    this.#queue.clear();
    this.#heartbeats.clear();
  }

  /** Another manager leads: it knows nothing yet of what the hosts have applied. */
  leaderChanged(): void {
    for (const session of this.#sessions.values())
      this.#appliedReports.add(session.nodeId, session.covers);
  }

  /** Whether agents that ask are served at all; those that wait to be registered are sent away too. */
  admit(admitting: boolean): void {
    this.#admitting = admitting;
    if (!admitting) this.#dismiss();
  }

  #dismiss(): void {
    for (const connection of this.#registering) connection.close();
    this.#registering.clear();
    this.#admission.clear();
  }

  end(nodeId: string): void {
    this.#sessions.get(nodeId)?.connection.close();
    this.#sessions.delete(nodeId);
    this.#heartbeats.forget(nodeId);
  }

  close(): void {
    this.#closed = true;
    this.#heartbeats.close();
    this.#queue.clear();
    this.#appliedReports.close();
    this.#reports.close();
    this.endAll('this manager is none any more');
    this.#dismiss();
  }

  async #register(
    nodeId: string,
    connection: AgentConnection,
    register: Register,
    from: string,
  ): Promise<AgentSession> {
    const { store, leader, managerId, logger } = this.#options;
    const { address, dataPathAddress, lastEpoch } = register;
    // Decoded here, so that nothing which is none of ours is handed on.
    const description = JSON.stringify(decodeDescription.json(register.description));
    const claimed = { nodeId, managerId, description, address, dataPathAddress, lastEpoch, from };
    const { epoch } = await leader.forward('leader.register', claimed);
    await this.#applied(Math.max(epoch, register.lastIndex));
    // Gone while it was registered: whoever it is now asks anew.
    const isGone = !this.#registering.has(connection);
    if (store.view.get('session', nodeId)?.epoch !== epoch || this.#closed || isGone) {
      throw new SwarmError('unavailable', `session ${epoch} of node ${nodeId} was replaced`);
    }
    const session = new AgentSession(nodeId, epoch, connection, this.#shared, (one) =>
      this.#queue.add(one),
    );
    this.#sessions.get(nodeId)?.connection.close();
    this.#sessions.set(nodeId, session);
    this.#heartbeats.heard(nodeId, epoch);
    connection.send({
      registered: { epoch, heartbeatPeriodMs: this.#info?.worker.heartbeatPeriodMs ?? 500 },
    });
    this.#queue.add(session);
    logger.info({ nodeId, epoch }, 'agent registered');
    return session;
  }

  async #applied(index: number): Promise<void> {
    const { store, clock, applyTimeoutMs } = this.#options;
    let timer: Timer | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = clock.after(applyTimeoutMs, () =>
        reject(new SwarmError('unavailable', `this manager has not caught up with index ${index}`)),
      );
    });
    try {
      await Promise.race([store.applied(index), late]);
    } finally {
      timer?.cancel();
    }
  }

  #take(session: AgentSession, message: AgentMessage): void {
    if (message.heartbeat) {
      this.#heartbeats.heard(session.nodeId, session.epoch);
      session.connection.send(HEARTBEAT);
    } else if (message.statuses) {
      this.#reports.take(session, message.statuses.reports);
    } else if (message.applied) {
      session.applied(message.applied.index);
      if (session.isCurrent) this.#queue.arrived(session);
      this.#appliedReports.add(session.nodeId, session.covers);
    } else if (message.drain) void this.#drain(session, message.drain.taskId);
    else if (message.leaving) void this.#leave(session);
  }

  /** The end of the session tells the agent that it is known, or that it need not wait. */
  async #leave({ nodeId, epoch, connection }: AgentSession): Promise<void> {
    const { leader, logger } = this.#options;
    try {
      await leader.forward('leader.left', { nodeId, epoch });
      logger.info({ nodeId, epoch }, 'node has left');
    } catch (error) {
      logger.warn({ nodeId, error: messageOf(error) }, 'a node leaves, the leader does not know');
    }
    connection.close();
  }

  /** Without an answer the agent goes on after a time of its own, or asks again in a new session. */
  async #drain(session: AgentSession, taskId: string): Promise<void> {
    if (session.endpointDrains >= ENDPOINT_DRAINS_PER_SESSION_MAX) return;
    session.endpointDrains++;
    const { leader, logger, store } = this.#options;
    const { nodeId } = session;
    try {
      const question = { nodeId, taskId, index: store.view.index };
      const { missing } = await leader.forward('leader.withdrawn', question);
      if (this.#sessions.get(nodeId) !== session) return;
      session.connection.send({ drained: { taskId, missing } });
    } catch (error) {
      logger.debug({ taskId, error: messageOf(error) }, 'the leader was not asked');
    } finally {
      session.endpointDrains--;
    }
  }

  #sendClusterInfo(session: AgentSession): void {
    const role = this.#options.store.view.get('node', session.nodeId)?.spec.Role ?? 'worker';
    const info = this.#info?.[role];
    session.infoDue = false;
    if (info !== undefined) session.connection.send({ info });
  }

  #infoChanged(session: AgentSession): void {
    session.infoDue = true;
    this.#queue.add(session);
  }

  #observe(change: StoreChange): void {
    switch (change.table) {
      case 'session':
        this.#observeSession(change.after?.id ?? change.before?.id ?? '', change.after?.epoch);
        break;
      case 'task':
        this.#observeTask(change.before, change.after);
        break;
      case 'node':
        if (change.after === undefined) this.end(change.before?.id ?? '');
        else if (change.before?.spec.Role !== change.after.spec.Role) {
          const session = this.#sessions.get(change.after.id);
          if (session) this.#infoChanged(session);
        }
        this.#observeHost(change.before, change.after);
        break;
      case 'network':
        // Which networks everybody is told has changed.
        if (change.before?.spec.Ingress !== change.after?.spec.Ingress) {
          for (const session of this.#sessions.values()) this.#ownChanged(session);
        }
        break;
      case 'payload':
      case 'revision':
      case 'credential':
        this.#observeNamed((change.after ?? change.before)?.id ?? '');
        break;
      default:
    }
  }

  /** A newer session exists, here or on another manager: the older one is over. */
  #observeSession(nodeId: string, epoch: number | undefined): void {
    const session = this.#sessions.get(nodeId);
    if (session !== undefined && session.epoch !== epoch) this.end(nodeId);
  }

  #observeTask(before: Task | undefined, after: Task | undefined): void {
    if (!differsForItsNode(before, after)) return;
    for (const nodeId of new Set([before?.nodeId, after?.nodeId])) {
      const session = this.#sessions.get(nodeId ?? '');
      if (session) this.#ownChanged(session);
    }
  }

  #observeHost(before: Node | undefined, after: Node | undefined): void {
    const session = this.#sessions.get(after?.id ?? '');
    if (session === undefined || after === undefined) return;
    const known = before && hostItem(before);
    if (known?.body !== hostItem(after)?.body) this.#ownChanged(session);
  }

  /** Something that tasks refer to, which many nodes may have. */
  #observeNamed(id: string): void {
    for (const session of this.#sessions.values()) {
      if (session.names(id)) this.#ownChanged(session);
    }
  }

  #ownChanged(session: AgentSession): void {
    session.ownChanged();
    this.#queue.add(session);
  }

  #send(session: AgentSession): number {
    const { view } = this.#options.store;
    if (session.infoDue) this.#sendClusterInfo(session);
    const bytes = session.sendAssignments(view);
    // Nothing new for this host: it need not say so.
    if (session.covers === view.index) this.#appliedReports.add(session.nodeId, session.covers);
    return bytes;
  }
}
