// Control on the leader: validates against its store, proposes, answers. Everything before the
// proposal is pure; the transaction repeats what could have changed meanwhile (versions, unique names).
import { ReadWriteLock } from '../../base/async/index.ts';
import { SwarmError, type Clock, type Random } from '../../base/index.ts';
import {
  fixedAddresses,
  specIndexOf,
  update,
  validateClusterSpec,
  type ServiceSpec,
} from '../../model/index.ts';
import type { Store } from '../store/index.ts';
import type { ControlApi, ControlMethod, ControlMethods } from './control.ts';
import { createAttachment } from './attachments.ts';
import { removeNode, updateNode } from './nodes.ts';
import {
  checkLabels,
  createNetwork,
  createPayloadObject,
  removeNetwork,
  removePayloadObject,
  updatePayloadObject,
} from './objects.ts';
import { createService, removeService, updateService, type Change } from './services.ts';

/** How often a change is planned again when another write got in between. */
const TRIES = 3;

type Handlers = {
  [M in ControlMethod]: (
    request: ControlMethods[M]['request'],
  ) => Change<ControlMethods[M]['response']>;
};

/** What control works with. */
export interface LeaderControlOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** A new join token for the same root certificate. */
  readonly newJoinToken: () => string;
}

/** On the leader: checks what users ask for and proposes it. */
export class LeaderControl implements ControlApi {
  readonly #store: Store;
  readonly #handlers: Handlers;
  /**
   * Changes go on side by side, but for those whose check looks at objects that the transaction itself
   * does not guard: what is on its way to be committed is not in the store yet.
   */
  readonly #lock = new ReadWriteLock();

  constructor(options: LeaderControlOptions) {
    this.#store = options.store;
    this.#handlers = handlers(options);
  }

  async handle<M extends ControlMethod>(
    method: M,
    request: ControlMethods[M]['request'],
  ): Promise<ControlMethods[M]['response']> {
    const handler = this.#handlers[method];
    if (handler === undefined) throw new SwarmError('unimplemented', `unknown method ${method}`);
    return this.#lock.run(goesAlone(method, request), () => this.#carryOut(handler, request));
  }

  async #carryOut<Request, Response>(
    handler: (request: Request) => Change<Response>,
    request: Request,
  ): Promise<Response> {
    for (let tries = 1; ; tries++) {
      const { actions, response } = handler(request);
      const result = await this.#store.tryPropose(actions);
      if (result.ok) return response;
      // The version that the user named was checked by the handler: a refusal here is a race.
      if (result.code !== 'outOfSequence' || tries >= TRIES) {
        throw new SwarmError(result.code, result.message);
      }
    }
  }
}

/**
 * Checks that other changes on their way could make untrue: that nobody uses what is removed, that
 * nobody has the port, the address or the subnet, that another manager is left.
 */
function goesAlone<M extends ControlMethod>(
  method: M,
  request: ControlMethods[M]['request'],
): boolean {
  switch (method) {
    case 'service.create':
    case 'service.update': {
      const { spec, rollback } = request as ControlMethods['service.update']['request'];
      // A rollback does not say what it goes back to.
      return rollback === true || asksForItsOwn(spec);
    }
    case 'attachment.create':
    case 'network.create':
    case 'network.remove':
    case 'secret.remove':
    case 'config.remove':
    case 'node.update':
    case 'node.remove':
      return true;
    default:
      return false;
  }
}

/** Ports or addresses that nobody else may have. */
function asksForItsOwn({ EndpointSpec, TaskTemplate }: ServiceSpec): boolean {
  const networks = TaskTemplate.Networks ?? [];
  return (
    (EndpointSpec?.Ports ?? []).length > 0 ||
    networks.some((config) => fixedAddresses(config).length > 0)
  );
}

function handlers({ store, clock, random, newJoinToken }: LeaderControlOptions): Handlers {
  const { view } = store;
  return {
    'service.create': (request) => createService(view, request, random),
    'service.update': (request) => updateService(view, request, random, clock.now()),
    'service.remove': (request) => removeService(view, request),
    'network.create': (request) => createNetwork(view, request, random),
    'network.remove': (request) => removeNetwork(view, request),
    'secret.create': ({ spec }) => createPayloadObject(view, 'secret', spec, random),
    'secret.update': (request) => updatePayloadObject(view, 'secret', request),
    'secret.remove': ({ id }) => removePayloadObject(view, 'secret', id),
    'config.create': ({ spec }) => createPayloadObject(view, 'config', spec, random),
    'config.update': (request) => updatePayloadObject(view, 'config', request),
    'config.remove': ({ id }) => removePayloadObject(view, 'config', id),
    'node.update': (request) => updateNode(view, request),
    'node.remove': (request) => removeNode(view, request, clock.now()),
    'attachment.create': (request) => createAttachment(view, request, clock.now()),
    'cluster.update': (request) => updateCluster(store, request, newJoinToken),
  };
}

function updateCluster(
  store: Store,
  request: ControlMethods['cluster.update']['request'],
  newJoinToken: () => string,
): Change<object> {
  const cluster = store.view.cluster;
  if (cluster === undefined) throw new SwarmError('unavailable', 'the cluster is being set up');
  if (specIndexOf(cluster) !== request.version) {
    throw new SwarmError('outOfSequence', 'update out of sequence');
  }
  validateClusterSpec(request.spec);
  checkLabels('swarm', request.spec.Labels);
  const joinTokens = {
    worker: request.rotateWorkerToken === true ? newJoinToken() : cluster.joinTokens.worker,
    manager: request.rotateManagerToken === true ? newJoinToken() : cluster.joinTokens.manager,
  };
  return {
    actions: [update('cluster', { ...cluster, spec: request.spec, joinTokens })],
    response: {},
  };
}
