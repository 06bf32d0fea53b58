// /networks: the cluster's networks beside the predefined ones of this machine.
import { SwarmError } from '../../base/index.ts';
import type { ClusterQueries } from '../../manager/index.ts';
import { PREDEFINED_NETWORKS, isPredefinedNetwork, type Network } from '../../model/index.ts';
import {
  attachedContainers,
  networkDetails,
  networkToApi,
  parseNetwork,
  predefinedNetworkToApi,
} from '../convert/index.ts';
import {
  created,
  empty,
  nameMatcher,
  ok,
  parseFilters,
  passes,
  passesLabels,
  type Filters,
  type Reply,
  type Request,
  type Route,
} from '../http/index.ts';
import { flag, manager } from '../requests/index.ts';

export const networkRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/networks', permission: 'network.read', handler: list },
  { method: 'POST', pattern: '/networks/create', permission: 'network.write', handler: create },
  {
    method: 'GET',
    pattern: '/networks/{id:network}',
    permission: 'network.read',
    handler: inspect,
  },
  {
    method: 'DELETE',
    pattern: '/networks/{id:network}',
    permission: 'network.write',
    handler: remove,
  },
];

const FILTERS = ['id', 'name', 'driver', 'scope', 'label', 'type', 'dangling'];

type NameTest = (name: string) => boolean;

function list(request: Request): Reply {
  const filters = parseFilters(request.query.get('filters'), FILTERS);
  const hasName = nameMatcher(filters, 'name');
  const queries = request.backend.cluster()?.manager?.queries;
  const isDangling = queries === undefined ? (): boolean => true : unusedIn(queries);
  const swarm = (queries?.list('network') ?? []).filter(
    (network) =>
      matches(network, filters, hasName) &&
      passes(filters, 'dangling', (wanted) => isTrue(wanted) === isDangling(network)),
  );
  const local = PREDEFINED_NETWORKS.filter((name) => localMatches(name, filters, hasName));
  return ok([...local.map(predefinedNetworkToApi), ...swarm.map(networkToApi)]);
}

const isTrue = (text: string): boolean => ['1', 'true'].includes(text);

/** No task has it, and no service asks for it. */
function unusedIn(queries: ClusterQueries): (network: Network) => boolean {
  const asked = new Set(
    queries
      .list('service')
      .flatMap(({ spec }) => (spec.TaskTemplate.Networks ?? []).map(({ Target }) => Target)),
  );
  return ({ id, spec }) =>
    spec.Ingress !== true && !asked.has(id) && queries.endpointsOfNetwork(id).length === 0;
}

function matches(network: Network, filters: Filters, hasName: NameTest): boolean {
  return (
    passes(filters, 'id', (id) => network.id.startsWith(id)) &&
    hasName(network.spec.Name) &&
    passes(filters, 'driver', (driver) => driver === network.spec.Driver) &&
    passes(filters, 'scope', (scope) => scope === 'swarm') &&
    passes(filters, 'type', (type) => type === 'custom') &&
    passesLabels(filters, 'label', network.spec.Labels)
  );
}

function localMatches(name: string, filters: Filters, hasName: NameTest): boolean {
  return (
    passes(filters, 'id', (id) => name.startsWith(id)) &&
    hasName(name) &&
    passes(filters, 'driver', (driver) => driver === (name === 'none' ? 'null' : name)) &&
    passes(filters, 'scope', (scope) => scope === 'local') &&
    // What Docker comes with is never dangling.
    passes(filters, 'dangling', (wanted) => !isTrue(wanted)) &&
    passes(filters, 'type', (type) => type === 'builtin') &&
    passesLabels(filters, 'label', {})
  );
}

async function inspect(request: Request): Promise<Reply> {
  const id = request.params['id'] ?? '';
  const scope = request.query.get('scope') ?? '';
  if (!['', 'swarm', 'local', 'global'].includes(scope)) {
    throw new SwarmError('invalid', `invalid scope ${JSON.stringify(scope)}: use swarm or local`);
  }
  // `--network host` of a service asks with scope=swarm for networks that are everywhere.
  if (isPredefinedNetwork(id)) return ok(predefinedNetworkToApi(id));
  const backend = request.backend.cluster()?.manager;
  if (backend === undefined) throw new SwarmError('notFound', `network ${id} not found`);
  const network = backend.queries.find('network', id);
  if (scope !== '' && scope !== 'swarm') {
    throw new SwarmError('notFound', `network ${id} not found in scope ${scope}`);
  }
  const body = {
    ...networkToApi(network),
    Containers: attachedContainers(backend.queries, network),
  };
  if (!flag(request, 'verbose')) return ok(body);
  // While there is no leader the rest is still worth showing.
  const acknowledged = await backend.acknowledged().catch((error: unknown) => {
    if (error instanceof SwarmError && error.temporary) return undefined;
    throw error;
  });
  return ok({
    ...body,
    ...networkDetails(backend.queries, network, acknowledged),
  });
}

async function create(request: Request): Promise<Reply> {
  const { spec, driver } = parseNetwork(await request.json());
  if (driver === 'bridge' || driver === '') {
    throw new SwarmError(
      'unimplemented',
      'networks of this machine alone are not available in this release: use --driver overlay',
    );
  }
  const { manager: backend } = manager(request);
  const { id } = await backend.submit(request.principal, 'network.create', { spec });
  return created({ Id: id, Warning: '' });
}

async function remove(request: Request): Promise<Reply> {
  const { manager: backend } = manager(request);
  await backend.submit(request.principal, 'network.remove', { id: request.params['id'] ?? '' });
  return empty(204);
}
