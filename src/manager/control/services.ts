// Creating, updating, rolling back and removing services: checks against the store, then one
// transaction. The service's spec is stored with names resolved to ids and Docker's defaults filled in.
import { SwarmError, newId, type Random } from '../../base/index.ts';
import {
  reservedPorts,
  create,
  isPredefinedNetwork,
  validateService,
  remove,
  specIndexOf,
  update,
  type Action,
  type NetworkAttachmentConfig,
  type PortConfig,
  type Service,
  type ServiceSpec,
} from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import type { ControlMethods } from './control.ts';
import { checkFixedAddresses } from './fixed-addresses.ts';
import { specsInForce } from './specs-in-force.ts';
import { find } from './lookup.ts';
import { randomName } from './random-name.ts';

type Request<M extends keyof ControlMethods> = ControlMethods[M]['request'];

export interface Change<R> {
  readonly actions: readonly Action[];
  readonly response: R;
}

export function createService(
  view: StoreView,
  { spec: given, registryAuth }: Request<'service.create'>,
  random: Random,
): Change<ControlMethods['service.create']['response']> {
  const isTaken = (name: string): boolean => view.byName('service', name) !== undefined;
  const wish = given.Name === '' ? { ...given, Name: randomName(random, isTaken) } : given;
  validateService(wish);
  const spec = resolveReferences(view, withDefaults(wish));
  const known = view.byName('service', spec.Name);
  if (known !== undefined) {
    throw new SwarmError(
      'conflict',
      `name conflicts with an existing object: service ${spec.Name} already exists`,
    );
  }
  checkPortConflicts(view, undefined, spec);
  checkFixedAddresses(view, undefined, spec);
  const id = newId(random);
  const revisionId = newId(random);
  const service = create('service', {
    id,
    spec,
    specVersion: 1,
    revisionId,
    endpoint: { ports: [], virtualIps: [], allocatedFor: 0 },
  });
  return {
    actions: [
      service,
      createRevision(id, revisionId, spec),
      ...credential(revisionId, registryAuth),
    ],
    response: { id, warnings: [] },
  };
}

export function updateService(
  view: StoreView,
  request: Request<'service.update'>,
  random: Random,
  now: number,
): Change<ControlMethods['service.update']['response']> {
  const service = find(view, 'service', request.id);
  if (specIndexOf(service) !== request.version) {
    throw new SwarmError('outOfSequence', 'update out of sequence');
  }
  if (request.rollback === true) return rollback(view, service, now);
  validateService(request.spec);
  const spec = resolveReferences(view, withDefaults(request.spec));
  if (spec.Name !== service.spec.Name) {
    throw new SwarmError('unimplemented', 'renaming services is not supported');
  }
  if (Boolean(spec.Mode.Global) !== Boolean(service.spec.Mode.Global)) {
    throw new SwarmError('unimplemented', 'service mode change is not allowed');
  }
  checkPortConflicts(view, service, spec);
  checkFixedAddresses(view, service, spec);
  const changed = tasksDiffer(service.spec, spec);
  const base = {
    ...service,
    spec,
    previousSpec: service.spec,
    specVersion: service.specVersion + 1,
  };
  const auth = request.registryAuth ?? keptCredential(view, service, request.registryAuthFrom);
  if (!changed) {
    const actions = [update('service', base), ...renewedCredential(view, service.revisionId, auth)];
    return { actions, response: { warnings: [] } };
  }
  const revisionId = newId(random);
  return {
    actions: [
      update('service', {
        ...base,
        revisionId,
        previousRevisionId: service.revisionId,
        updateStatus: { state: 'updating', startedAt: now, message: 'update in progress' },
      }),
      createRevision(service.id, revisionId, spec),
      ...credential(revisionId, auth),
    ],
    response: { warnings: [] },
  };
}

/** Swaps spec and previous spec; a second rollback swaps back (as Docker does). */
function rollback(
  view: StoreView,
  service: Service,
  now: number,
): Change<ControlMethods['service.update']['response']> {
  const { previousSpec, previousRevisionId } = service;
  if (previousSpec === undefined) {
    throw new SwarmError(
      'precondition',
      `service ${service.spec.Name} does not have a previous spec`,
    );
  }
  checkPortConflicts(view, service, previousSpec);
  resolveReferences(view, previousSpec);
  const sameTasks = !tasksDiffer(service.spec, previousSpec);
  const revisionId = sameTasks ? service.revisionId : previousRevisionId;
  if (revisionId === undefined || view.get('revision', revisionId) === undefined) {
    throw new SwarmError(
      'precondition',
      `service ${service.spec.Name} does not have a previous spec`,
    );
  }
  const next: Service = {
    ...service,
    spec: previousSpec,
    previousSpec: service.spec,
    specVersion: service.specVersion + 1,
    revisionId,
  };
  const status = {
    state: 'rollback_started',
    startedAt: now,
    message: 'manually requested rollback',
  } as const;
  const rolled = sameTasks
    ? next
    : { ...next, previousRevisionId: service.revisionId, updateStatus: status };
  return { actions: [update('service', rolled)], response: { warnings: [] } };
}

export function removeService(
  view: StoreView,
  { id }: Request<'service.remove'>,
): Change<ControlMethods['service.remove']['response']> {
  const service = find(view, 'service', id);
  return { actions: [remove('service', service.id)], response: { id: service.id } };
}

function createRevision(serviceId: string, id: string, spec: ServiceSpec): Action {
  return create('revision', { id, serviceId, spec, ports: spec.EndpointSpec?.Ports ?? [] });
}

function credential(revisionId: string, registryAuth: string | undefined): Action[] {
  return registryAuth ? [create('credential', { id: revisionId, registryAuth })] : [];
}

/** For tasks that are to come of a revision that stays: credentials end before services do. */
function renewedCredential(view: StoreView, id: string, registryAuth = ''): Action[] {
  const stored = view.get('credential', id);
  if (registryAuth === '' || stored?.registryAuth === registryAuth) return [];
  return stored === undefined
    ? credential(id, registryAuth)
    : [update('credential', { ...stored, registryAuth })];
}

function keptCredential(
  view: StoreView,
  service: Service,
  from: 'spec' | 'previous-spec' | undefined,
): string | undefined {
  const id = from === 'previous-spec' ? service.previousRevisionId : service.revisionId;
  return id === undefined ? undefined : view.get('credential', id)?.registryAuth;
}

/** Whether running tasks have to be replaced: their template, or their published ports, changed. */
function tasksDiffer(before: ServiceSpec, after: ServiceSpec): boolean {
  const relevant = (spec: ServiceSpec): string => {
    // Every task's runtime is "container": whether a client writes it makes no difference.
    const { Runtime: _runtime, ...template } = spec.TaskTemplate;
    return canonical([template, spec.EndpointSpec?.Ports ?? [], spec.EndpointSpec?.Mode ?? 'vip']);
  };
  return relevant(before) !== relevant(after);
}

/** JSON with sorted keys and without empty parts, so that only meaning counts. */
export function canonical(value: unknown): string {
  return JSON.stringify(prune(value)) ?? '';
}

function prune(value: unknown): unknown {
  if (Array.isArray(value)) return value.length > 0 ? value.map(prune) : undefined;
  if (typeof value !== 'object' || value === null) {
    return value === '' || value === false || value === 0 || value === null ? undefined : value;
  }
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, prune(inner)] as const)
    .filter(([, inner]) => inner !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

/** Replicas, endpoint mode and port modes are always filled: clients dereference them. */
function withDefaults(spec: ServiceSpec): ServiceSpec {
  const Mode = spec.Mode.Global
    ? { Global: {} }
    : { Replicated: { Replicas: spec.Mode.Replicated?.Replicas ?? 1 } };
  const EndpointSpec = { ...spec.EndpointSpec, Mode: spec.EndpointSpec?.Mode ?? ('vip' as const) };
  return { ...spec, Labels: spec.Labels ?? {}, Mode, EndpointSpec };
}

/** Network names become ids; secrets and configs must exist. */
function resolveReferences(view: StoreView, spec: ServiceSpec): ServiceSpec {
  const Networks = (spec.TaskTemplate.Networks ?? []).map((config) => resolveNetwork(view, config));
  const twice = Networks.find(
    ({ Target }, at) => Networks.findIndex((n) => n.Target === Target) < at,
  );
  if (twice !== undefined) {
    throw new SwarmError('invalid', `network ${twice.Target} is given twice: once is enough`);
  }
  const container = spec.TaskTemplate.ContainerSpec;
  for (const { SecretID, SecretName } of container.Secrets ?? []) {
    if (!view.get('secret', SecretID))
      throw new SwarmError('invalid', `secret not found: ${SecretName || SecretID}`);
  }
  for (const { ConfigID, ConfigName } of container.Configs ?? []) {
    if (!view.get('config', ConfigID))
      throw new SwarmError('invalid', `config not found: ${ConfigName || ConfigID}`);
  }
  return { ...spec, TaskTemplate: { ...spec.TaskTemplate, Networks } };
}

function resolveNetwork(view: StoreView, config: NetworkAttachmentConfig): NetworkAttachmentConfig {
  if (isPredefinedNetwork(config.Target)) return config;
  const network = find(view, 'network', config.Target);
  if (network.spec.Ingress) {
    throw new SwarmError(
      'invalid',
      `service can't be attached to the ingress network ${network.spec.Name}: publish a port instead`,
    );
  }
  return { ...config, Target: network.id };
}

/** Also those that a failing update would go back to. */
function portsHeld(service: Service): PortConfig[] {
  const named = specsInForce(service).flatMap(({ EndpointSpec }) => EndpointSpec?.Ports ?? []);
  return [...service.endpoint.ports, ...named];
}

function checkPortConflicts(view: StoreView, self: Service | undefined, spec: ServiceSpec): void {
  const reserved = view.cluster ? reservedPorts(view.cluster.dataPathPort) : [];
  for (const port of spec.EndpointSpec?.Ports ?? []) {
    if (!port.PublishedPort) continue;
    if (reserved.includes(port.PublishedPort)) {
      throw new SwarmError(
        'invalid',
        `port ${port.PublishedPort} can't be published: nodes are reached by it; choose another`,
      );
    }
    for (const other of view.all('service')) {
      if (other.id === self?.id) continue;
      const clash = portsHeld(other).find(
        (theirs) =>
          theirs.PublishedPort === port.PublishedPort &&
          theirs.Protocol === port.Protocol &&
          (theirs.PublishMode === 'ingress' || port.PublishMode === 'ingress'),
      );
      if (clash !== undefined) {
        throw new SwarmError(
          'invalid',
          `port '${port.PublishedPort}' is already in use by service '${other.spec.Name}' (${other.id}) as ${clash.PublishMode === 'host' ? 'a host-published' : 'an ingress'} port`,
        );
      }
    }
  }
}
