// /services and /tasks: list, inspect, create, update, remove.
import { SwarmError } from '../../base/index.ts';
import type { ClusterQueries } from '../../manager/index.ts';
import { TASK_STATE, desiredAlive, type Service, type Task, modeOf } from '../../model/index.ts';
import {
  compareTasks,
  parseServiceSpec,
  serviceStatus,
  serviceToApi,
  taskToApi,
  withSpecDefaults,
} from '../convert/index.ts';
import {
  checkValues,
  created,
  empty,
  inSlices,
  listOf,
  ok,
  parseFilters,
  passes,
  passesLabels,
  type Filters,
  type Reply,
  type Request,
  type Route,
} from '../http/index.ts';
import { flag, manager, versionOf } from '../requests/index.ts';

export const serviceRoutes: readonly Route[] = [
  { method: 'GET', pattern: '/services', permission: 'service.read', handler: list },
  { method: 'POST', pattern: '/services/create', permission: 'service.write', handler: create },
  {
    method: 'GET',
    pattern: '/services/{id:service}',
    permission: 'service.read',
    handler: inspect,
  },
  {
    method: 'DELETE',
    pattern: '/services/{id:service}',
    permission: 'service.write',
    handler: remove,
  },
  {
    method: 'POST',
    pattern: '/services/{id:service}/update',
    permission: 'service.write',
    handler: update,
  },
  { method: 'GET', pattern: '/tasks', permission: 'task.read', handler: listTasks },
  { method: 'GET', pattern: '/tasks/{id:task}', permission: 'task.read', handler: inspectTask },
];

const SERVICE_FILTERS = ['id', 'name', 'label', 'mode', 'runtime'];
const MODES = ['replicated', 'global', 'replicated-job', 'global-job'];
const TASK_FILTERS = [
  'id',
  'name',
  'service',
  'node',
  'label',
  'desired-state',
  'runtime',
  '_up-to-date',
];

function list(request: Request): Promise<Reply> {
  const { queries } = manager(request).manager;
  const filters = parseFilters(request.query.get('filters'), SERVICE_FILTERS);
  checkValues(filters, 'mode', MODES);
  const services = queries.list('service').filter((service) => matches(service, filters));
  services.sort((a, b) => (a.spec.Name < b.spec.Name ? -1 : 1));
  const withStatus = flag(request, 'status');
  return listOf(services, (service) =>
    withStatus
      ? { ...serviceToApi(service), ServiceStatus: serviceStatus(queries, service) }
      : serviceToApi(service),
  );
}

function matches(service: Service, filters: Filters): boolean {
  const mode = modeOf(service.spec).kind;
  return (
    passes(filters, 'id', (id) => service.id.startsWith(id)) &&
    passes(filters, 'name', (name) => service.spec.Name.startsWith(name)) &&
    passes(filters, 'mode', (wanted) => wanted === mode) &&
    passes(filters, 'runtime', (runtime) => runtime === 'container') &&
    passesLabels(filters, 'label', service.spec.Labels)
  );
}

function inspect(request: Request): Reply {
  const { queries } = manager(request).manager;
  const service = queries.find('service', request.params['id'] ?? '');
  return ok(serviceToApi(flag(request, 'insertDefaults') ? withSpecDefaults(service) : service));
}

async function create(request: Request): Promise<Reply> {
  const { manager: backend } = manager(request);
  const spec = parseServiceSpec(await request.json());
  const registryAuth = authOf(request);
  const { id, warnings } = await backend.submit(request.principal, 'service.create', {
    spec,
    registryAuth,
  });
  return created({ ID: id, ...(warnings.length > 0 ? { Warnings: warnings } : {}) });
}

async function update(request: Request): Promise<Reply> {
  const { manager: backend } = manager(request);
  const service = backend.queries.find('service', request.params['id'] ?? '');
  const rollback = request.query.get('rollback');
  if (rollback !== null && rollback !== '' && rollback !== 'previous') {
    throw new SwarmError('invalid', `unrecognized rollback option ${rollback}: use previous`);
  }
  const body = await request.json();
  const mode = modeOf(service.spec);
  const replicas = mode.kind === 'replicated' ? mode.replicas : undefined;
  const from = request.query.get('registryAuthFrom') ?? '';
  if (!['', 'spec', 'previous-spec'].includes(from)) {
    throw new SwarmError(
      'invalid',
      `unsupported registryAuthFrom ${JSON.stringify(from)}: use spec or previous-spec`,
    );
  }
  const { warnings } = await backend.submit(request.principal, 'service.update', {
    id: service.id,
    version: versionOf(request),
    spec: rollback === 'previous' ? service.spec : parseServiceSpec(body, replicas),
    registryAuth: authOf(request),
    registryAuthFrom: from === 'previous-spec' ? 'previous-spec' : 'spec',
    rollback: rollback === 'previous',
  });
  return ok({ Warnings: warnings.length > 0 ? warnings : null });
}

/** "e30=" is how clients encode that they have no credentials. */
function authOf(request: Request): string | undefined {
  const header = request.header('x-registry-auth');
  return header === undefined || header === '' || header === 'e30=' ? undefined : header;
}

async function remove(request: Request): Promise<Reply> {
  const { manager: backend } = manager(request);
  await backend.submit(request.principal, 'service.remove', { id: request.params['id'] ?? '' });
  return empty();
}

async function listTasks(request: Request): Promise<Reply> {
  const { queries } = manager(request).manager;
  const filters = parseFilters(request.query.get('filters'), TASK_FILTERS);
  const tasks: Task[] = [];
  await inSlices(candidates(queries, filters), (task) => {
    if (taskMatches(queries, task, filters)) tasks.push(task);
  });
  return listOf(tasks.sort(compareTasks), (task) => taskToApi(queries, task));
}

/** Filters on services and nodes (ids or names) leave only their tasks to be looked at. */
function candidates(queries: ClusterQueries, filters: Filters): Task[] {
  const services = (filters.get('service') ?? []).map((one) => queries.find('service', one).id);
  const nodes = new Set((filters.get('node') ?? []).map((one) => queries.find('node', one).id));
  if (services.length === 0) {
    if (nodes.size === 0) return queries.tasks();
    return [...nodes].flatMap((id) => queries.tasksOfNode(id));
  }
  const tasks = [...new Set(services)].flatMap((id) => queries.tasksOfService(id));
  return nodes.size === 0 ? tasks : tasks.filter(({ nodeId = '' }) => nodes.has(nodeId));
}

function taskMatches(queries: ClusterQueries, task: Task, filters: Filters): boolean {
  const upToDate = (): boolean => {
    const service = queries.service(task.serviceId);
    return task.revisionId === service?.revisionId && desiredAlive(task);
  };
  return (
    passes(filters, 'id', (id) => task.id.startsWith(id)) &&
    passes(filters, 'name', (name) => taskNameOf(queries, task).startsWith(name)) &&
    passes(filters, 'runtime', (runtime) => runtime === 'container') &&
    passes(filters, 'desired-state', (wanted) => desiredMatches(task, wanted)) &&
    passes(filters, '_up-to-date', (wanted) => wanted !== 'true' || upToDate()) &&
    passesLabels(filters, 'label', queries.revisionOf(task)?.spec.Labels)
  );
}

/** "running" and "accepted" in Docker's filter are states, anything else is refused. */
function desiredMatches(task: Task, wanted: string): boolean {
  if (!Object.hasOwn(TASK_STATE, wanted.toLowerCase())) {
    throw new SwarmError(
      'invalid',
      `invalid desired-state ${JSON.stringify(wanted)}: use running, shutdown or accepted`,
    );
  }
  return task.desiredState === wanted.toLowerCase();
}

function taskNameOf(queries: ClusterQueries, task: Task): string {
  const name = queries.revisionOf(task)?.spec.Name ?? '';
  return `${name}.${task.slot > 0 ? task.slot : (task.nodeId ?? '')}`;
}

function inspectTask(request: Request): Reply {
  const { queries } = manager(request).manager;
  return ok(taskToApi(queries, queries.find('task', request.params['id'] ?? '')));
}
