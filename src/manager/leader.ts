// The methods that only the leader carries out, beside the users' control methods. Everything ends in
// a proposal; what decides is in the parts that are called here.
import { ReadWriteLock } from '../base/async/index.ts';
import { SwarmError, decoder, type Clock, type Logger } from '../base/index.ts';
import {
  NODE_DESCRIPTION,
  levelProblem,
  update,
  type Node,
  type NodeDescription,
} from '../model/index.ts';
import type { Authority } from './ca/index.ts';
import { addressProblem, foreignAddresses } from './queries/index.ts';
import { type ControlMethod, type LeaderControl } from './control/index.ts';
import type { Liveness, EndpointDrains } from './dispatcher/index.ts';
import { METHOD_PERMISSIONS, authorize, type Principal } from './access/index.ts';
import type { LocalLeader } from './leader-proxy.ts';
import type { LeaderMethod, LeaderMethods } from './methods/index.ts';
import type { Consensus } from './raft/contract/index.ts';
import { quorumLoss } from './raft/host/index.ts';
import type { Store } from './store/index.ts';

const NODE_CHANGE_TRIES = 10;

const decodeDescription = decoder(NODE_DESCRIPTION, 'description');

/** What the leader works with. */
export interface LeaderOptions {
  readonly store: Store;
  readonly control: LeaderControl;
  readonly authority: Authority;
  readonly liveness: Liveness;
  readonly endpointDrains: EndpointDrains;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of this build. */
  readonly version: string;
  readonly consensus: () => Consensus;
  /**
   * Resolves once this manager leads and has applied all that earlier leaders have committed: checks
   * against an older state would miss it. Raises `unavailable` where another one leads.
   */
  readonly whenReady: () => Promise<void>;
}

/** A registration whose description was read. */
type Registration = Omit<LeaderMethods['leader.register']['request'], 'description'> & {
  readonly description: NodeDescription;
};

type Own = Exclude<LeaderMethod, ControlMethod>;
type Handlers = {
  [M in Own]: (request: LeaderMethods[M]['request']) => Promise<LeaderMethods[M]['response']>;
};

/** What only the leader does. */
export class Leader implements LocalLeader {
  readonly #options: LeaderOptions;
  readonly #handlers: Handlers;
  /** One after another: a node that is demoted while it is being added must not stay in Raft alone. */
  readonly #membership = new ReadWriteLock();
  /** One that claims addresses which its connection does not show waits for the others, and they for it. */
  readonly #registrations = new ReadWriteLock();

  constructor(options: LeaderOptions) {
    this.#options = options;
    const { authority, liveness, endpointDrains } = options;
    this.#handlers = {
      'leader.register': (request) => this.#register(request),
      'leader.heartbeats': ({ heartbeats }) =>
        Promise.resolve({ refused: liveness.heartbeats(heartbeats) }),
      'leader.applied': ({ hosts }) => {
        endpointDrains.applied(hosts);
        return Promise.resolve({});
      },
      'leader.acknowledged': () => Promise.resolve({ hosts: endpointDrains.acknowledged() }),
      'leader.withdrawn': async (request) => ({
        missing: await endpointDrains.whenDrained(request),
      }),
      'leader.left': (request) => this.#left(request),
      'leader.statuses': (request) => this.#statuses(request),
      'leader.join': (request) => authority.join(request),
      'leader.renew': ({ csr, peer }) => authority.renew(csr, peer),
      'leader.addMember': (request) => this.#membership.run(true, () => this.#addMember(request)),
      'leader.removeMembers': ({ nodeIds }) =>
        this.#membership.run(true, () => this.#removeMembers(nodeIds)),
      'leader.transfer': async ({ to }) => {
        await options.consensus().transferLeadership(to);
        return {};
      },
    };
  }

  /** Carries out a method; raises `denied` where `principal` may not have a control method. */
  async execute<M extends LeaderMethod>(
    method: M,
    request: LeaderMethods[M]['request'],
    principal: Principal,
  ): Promise<LeaderMethods[M]['response']> {
    const isControl = (one: string): one is ControlMethod => Object.hasOwn(METHOD_PERMISSIONS, one);
    if (isControl(method)) authorize(principal, METHOD_PERMISSIONS[method]);
    await this.#options.whenReady();
    if (method === 'node.update') {
      this.#checkDemotion(request as LeaderMethods['node.update']['request']);
    }
    const own = this.#handlers as Partial<Record<string, (request: object) => Promise<object>>>;
    const handler = own[method];
    if (handler !== undefined) return handler(request) as Promise<LeaderMethods[M]['response']>;
    const control = this.#options.control.handle(
      method as ControlMethod,
      request as LeaderMethods[ControlMethod]['request'],
    );
    return control as Promise<LeaderMethods[M]['response']>;
  }

  async #register(
    request: LeaderMethods['leader.register']['request'],
  ): Promise<{ epoch: number }> {
    const description = decodeDescription.json(request.description);
    const alone = foreignAddresses(request).length > 0;
    return this.#registrations.run(alone, () =>
      this.#commitRegistration({ ...request, description }),
    );
  }

  async #commitRegistration(request: Registration): Promise<{ epoch: number }> {
    const { store, liveness, clock } = this.#options;
    for (let tries = 1; ; tries++) {
      const node = store.view.get('node', request.nodeId);
      if (node === undefined) {
        throw new SwarmError('denied', `node ${request.nodeId} is not in the cluster`);
      }
      const problem = addressProblem(store.view, request);
      if (problem !== undefined) throw new SwarmError('denied', problem);
      this.#refuseStale(request);
      const result = await store.tryPropose([
        update('node', registered(node, request, clock.now())),
        { kind: 'session', nodeId: node.id, managerId: request.managerId },
      ]);
      if (result.ok) break;
      if (tries >= NODE_CHANGE_TRIES) throw new SwarmError(result.code, result.message);
    }
    liveness.registered(request.nodeId);
    return { epoch: store.view.get('session', request.nodeId)?.epoch ?? 0 };
  }

  /**
   * A registration that was on its way for long must not end the session that its own agent has begun
   * since. An agent that lost its memory, or never got its answer, is let in once nobody is heard in
   * that session; one that knows a newer session than a restored cluster does is let in at once.
   */
  #refuseStale({ nodeId, lastEpoch }: Pick<Registration, 'nodeId' | 'lastEpoch'>): void {
    const { store, liveness } = this.#options;
    const epoch = store.view.get('session', nodeId)?.epoch ?? 0;
    if (lastEpoch === undefined || lastEpoch >= epoch || !liveness.isKept(nodeId, epoch)) return;
    throw new SwarmError(
      'unavailable',
      `session ${epoch} of node ${nodeId} is newer than ${lastEpoch} and in use: try again`,
    );
  }

  async #statuses(request: LeaderMethods['leader.statuses']['request']): Promise<object> {
    const proposals = request.reports.map((report) =>
      this.#options.store.tryPropose([{ kind: 'taskStatus', ...report }]),
    );
    await Promise.all(proposals);
    return {};
  }

  async #left({ nodeId, epoch }: LeaderMethods['leader.left']['request']): Promise<object> {
    const { store, liveness, clock } = this.#options;
    const isCurrent = (): boolean => store.view.get('session', nodeId)?.epoch === epoch;
    if (!isCurrent()) return {};
    const message = 'the node has left the cluster';
    await this.#changeNode(nodeId, (node) =>
      isCurrent()
        ? { ...node, status: { ...node.status, state: 'down', message, since: clock.now() } }
        : node,
    );
    // Only now: if that had failed, its deadline would still find it.
    if (isCurrent()) liveness.left(nodeId);
    return {};
  }

  async #addMember(
    request: LeaderMethods['leader.addMember']['request'],
  ): Promise<LeaderMethods['leader.addMember']['response']> {
    const { store, consensus, logger } = this.#options;
    const node = store.view.get('node', request.nodeId);
    if (node === undefined || node.spec.Role !== 'manager') {
      throw new SwarmError('denied', `node ${request.nodeId} is not wanted as a manager`);
    }
    this.#checkLevel(node);
    const { nodeId, raftId, address, raftAddress } = request;
    await this.#changeNode(nodeId, (known) => ({
      ...known,
      manager: { raftId, address, raftAddress },
    }));
    await consensus().addMember({ raftId, nodeId, address: raftAddress });
    logger.info({ nodeId, raftId }, 'manager added');
    return { members: [...consensus().status.members] };
  }

  /**
   * A manager has to read and apply everything that the cluster's level allows. One that has not
   * registered yet has just joined, which was checked then.
   */
  #checkLevel({ id, description }: Node): void {
    if (description === undefined) return;
    const { store, version } = this.#options;
    const known = description.featureLevel ?? 0;
    const problem = levelProblem(store.view.cluster?.featureLevel ?? 0, known, {
      cluster: `tsswarm ${version}`,
      node: `tsswarm ${description.engine.version}`,
    });
    if (problem === undefined) return;
    throw new SwarmError('precondition', `node ${id} can't be a manager: ${problem}`);
  }

  /** Changes a node whatever else changes it at the same time. */
  async #changeNode(nodeId: string, change: (node: Node) => Node): Promise<void> {
    const { store } = this.#options;
    for (let tries = 1; ; tries++) {
      const node = store.view.get('node', nodeId);
      if (node === undefined) return;
      const result = await store.tryPropose([update('node', change(node))]);
      if (result.ok) return;
      if (tries >= NODE_CHANGE_TRIES) throw new SwarmError(result.code, result.message);
    }
  }

  async #removeMembers(nodeIds: readonly string[]): Promise<object> {
    const { store, consensus, logger } = this.#options;
    // A first try may have come as far as this.
    const raftIds = nodeIds.flatMap(
      (nodeId) => store.view.get('node', nodeId)?.manager?.raftId ?? [],
    );
    if (raftIds.length > 0) await consensus().removeMember(...raftIds);
    for (const nodeId of nodeIds) {
      await this.#changeNode(nodeId, ({ manager: _gone, ...worker }) => worker);
      logger.info({ nodeId }, 'manager removed from Raft');
    }
    return {};
  }

  /** A demotion is refused at once when the managers that are left could not decide anything. */
  #checkDemotion({ id, spec }: LeaderMethods['node.update']['request']): void {
    const { store, consensus } = this.#options;
    const node = store.view.get('node', id);
    if (spec.Role !== 'worker' || node?.manager === undefined || node.spec.Role === 'worker')
      return;
    const leaving = [node.manager.raftId];
    for (const other of store.view.all('node')) {
      const { manager } = other;
      if (manager !== undefined && other.spec.Role === 'worker') leaving.push(manager.raftId);
    }
    const { voters, active } = consensus().status;
    // That nobody would be left is told in Docker's words, by the control method itself.
    if (voters.every((raftId) => leaving.includes(raftId))) return;
    const loss = quorumLoss({ voters, active, leaving });
    if (loss === undefined) return;
    const name = node.description?.hostname ?? node.id;
    throw new SwarmError('precondition', `node ${name} can't be demoted: ${loss}`);
  }
}

function registered(node: Node, request: Registration, now: number): Node {
  const { address, dataPathAddress, description } = request;
  const wasReady = node.status.state === 'ready';
  return {
    ...node,
    description,
    status: {
      state: 'ready',
      message: '',
      address,
      dataPathAddress,
      since: wasReady ? node.status.since : now,
    },
  };
}
