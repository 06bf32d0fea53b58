// The methods that only the leader carries out, beside the users' control methods. Everything ends in
// a proposal; what decides is in the parts that are called here.
import { SwarmError, type Clock, type Logger } from '../base/index.ts';
import { update, type Node, type NodeDescription } from '../model/index.ts';
import type { Authority } from './ca/index.ts';
import type { ControlMethod, LeaderControl } from './control/index.ts';
import type { Liveness } from './dispatcher/index.ts';
import type { LeaderApi, LeaderMethod, LeaderMethods } from './leader-methods.ts';
import type { Consensus } from './raft/consensus.ts';
import type { Store } from './store/index.ts';

const NODE_CHANGE_TRIES = 10;

export interface LeaderOptions {
  readonly store: Store;
  readonly control: LeaderControl;
  readonly authority: Authority;
  readonly liveness: Liveness;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly consensus: () => Consensus;
}

type Own = Exclude<LeaderMethod, ControlMethod>;
type Handlers = {
  [M in Own]: (request: LeaderMethods[M]['request']) => Promise<LeaderMethods[M]['response']>;
};

export class Leader implements LeaderApi {
  readonly #options: LeaderOptions;
  readonly #handlers: Handlers;

  constructor(options: LeaderOptions) {
    this.#options = options;
    const { authority, liveness } = options;
    this.#handlers = {
      'leader.register': (request) => this.#register(request),
      'leader.beats': ({ beats }) => Promise.resolve({ refused: liveness.beats(beats) }),
      'leader.statuses': (request) => this.#statuses(request),
      'leader.join': (request) => authority.join(request),
      'leader.renew': ({ csr, peer }) => authority.renew(csr, peer),
      'leader.addMember': (request) => this.#addMember(request),
      'leader.removeMember': ({ nodeId }) => this.#removeMember(nodeId),
      'leader.transfer': async ({ to }) => {
        await options.consensus().transferLeadership(to);
        return {};
      },
    };
  }

  async call<M extends LeaderMethod>(
    method: M,
    request: LeaderMethods[M]['request'],
  ): Promise<LeaderMethods[M]['response']> {
    if (!this.#options.consensus().status.isLeader) {
      throw new SwarmError('unavailable', 'this manager is not the leader');
    }
    const own = this.#handlers as Partial<Record<string, (request: object) => Promise<object>>>;
    const handler = own[method];
    if (handler !== undefined) return handler(request) as Promise<LeaderMethods[M]['response']>;
    const control = this.#options.control.call(
      method as ControlMethod,
      request as LeaderMethods[ControlMethod]['request'],
    );
    return control as Promise<LeaderMethods[M]['response']>;
  }

  async #register(
    request: LeaderMethods['leader.register']['request'],
  ): Promise<{ epoch: number }> {
    const { store, liveness, clock } = this.#options;
    for (let tries = 1; ; tries++) {
      const node = store.view.get('node', request.nodeId);
      if (node === undefined) {
        throw new SwarmError('denied', `node ${request.nodeId} is not in the cluster`);
      }
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

  async #statuses(request: LeaderMethods['leader.statuses']['request']): Promise<object> {
    const proposals = request.reports.map((report) =>
      this.#options.store.tryPropose([{ kind: 'taskStatus', ...report }]),
    );
    await Promise.all(proposals);
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
    const { nodeId, raftId, address, raftAddress } = request;
    await this.#changeNode(nodeId, (known) => ({
      ...known,
      manager: { raftId, address, raftAddress },
    }));
    await consensus().addMember({ raftId, nodeId, address: raftAddress });
    logger.info({ nodeId, raftId }, 'manager added');
    return { members: [...consensus().status.members] };
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

  async #removeMember(nodeId: string): Promise<object> {
    const { store, consensus, logger } = this.#options;
    const raftId = store.view.get('node', nodeId)?.manager?.raftId;
    if (raftId === undefined) return {};
    // A first try may have come as far as this.
    const member = consensus().status.members.some((one) => one.raftId === raftId);
    if (member) await consensus().removeMember(raftId);
    await this.#changeNode(nodeId, ({ manager: _gone, ...worker }) => worker);
    logger.info({ nodeId, raftId }, 'manager removed from Raft');
    return {};
  }
}

function registered(
  node: Node,
  request: LeaderMethods['leader.register']['request'],
  now: number,
): Node {
  const { address, dataPathAddress } = request;
  const wasReady = node.status.state === 'ready';
  return {
    ...node,
    description: JSON.parse(request.description) as NodeDescription,
    status: {
      state: 'ready',
      message: '',
      address,
      dataPathAddress,
      since: wasReady ? node.status.since : now,
    },
  };
}
