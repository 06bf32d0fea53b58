// Creating, updating, rolling back and removing services: checks against the store, then one
// transaction. The service's spec is stored with names resolved to ids and Docker's defaults filled in.
import { SwarmError, newId, type Random } from '../../base/index.ts';
import {
  reservedPorts,
  create,
  createRevision,
  currentAsPrevious,
  isPredefinedNetwork,
  previousBesideTasks,
  rolledBack,
  tasksDiffer,
  validateService,
  remove,
  specIndexOf,
  update,
  type Action,
  type NetworkAttachmentConfig,
  type PortConfig,
  type Service,
  type ServiceSpec,
  type UpdateStatus,
  modeOf,
  modeSpec,
} from '../../model/index.ts';
import type { StoreView } from '../store/index.ts';
import type { ControlMethods } from './control.ts';
import { checkFixedAddresses } from './fixed-addresses.ts';
import { specsInForce } from './specs-in-force.ts';
import { find } from '../queries/index.ts';
import { randomName } from './random-name.ts';

type Request<M extends keyof ControlMethods> = ControlMethods[M]['request'];

/** What a control method comes to: one transaction, and the answer once it is committed. */
export interface Change<R> {
  readonly actions: readonly Action[];
  readonly response: R;
}

/** Makes a service with its first revision. Raises `invalid`, `conflict`, `notFound`, `unimplemented`. */
export function createService(
  view: StoreView,
  { spec: given, registryAuth }: Request<'service.create'>,
  random: Random,
): Change<ControlMethods['service.create']['response']> {
  const isTaken = (name: string): boolean => view.byName('service', name) !== undefined;
  const requested = given.Name === '' ? { ...given, Name: randomName(random, isTaken) } : given;
  validateService(requested);
  const spec = resolveReferences(view, withDefaults(requested));
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

/** Gives a service a new spec, or its previous one. Raises as `createService`, and `outOfSequence`. */
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
  if (request.rollback === true) return rollback(view, service, random, now);
  validateChange(service.spec, request.spec);
  const spec = resolveReferences(view, withDefaults(request.spec));
  if (spec.Name !== service.spec.Name) {
    throw new SwarmError('unimplemented', 'renaming services is not supported');
  }
  if (modeOf(spec).kind !== modeOf(service.spec).kind) {
    throw new SwarmError('unimplemented', 'service mode change is not allowed');
  }
  checkPortConflicts(view, service, spec);
  checkFixedAddresses(view, service, spec);
  const base = { ...service, spec, specVersion: service.specVersion + 1 };
  const auth = request.registryAuth ?? keptCredential(view, service, request.registryAuthFrom);
  if (!tasksDiffer(service.spec, spec)) {
    const next = { ...base, ...previousBesideTasks(service, spec), ...resumed(service, now) };
    const actions = [update('service', next), ...renewedCredential(view, service.revisionId, auth)];
    return { actions, response: { warnings: [] } };
  }
  const known = knownRevision(view, service, spec);
  const revisionId = known ?? newId(random);
  const made =
    known === undefined
      ? [createRevision(service.id, revisionId, spec), ...credential(revisionId, auth)]
      : renewedCredential(view, known, auth);
  const updated = update('service', {
    ...base,
    ...currentAsPrevious(service),
    revisionId,
    updateStatus: updating(now),
  });
  return { actions: [updated, ...made], response: { warnings: [] } };
}

function updating(now: number): UpdateStatus {
  return { state: 'updating', startedAt: now, message: 'update in progress' };
}

/** As in Docker, any update lets a paused one go on, be it without a change. */
function resumed({ updateStatus }: Service, now: number): Pick<Service, 'updateStatus'> {
  if (updateStatus?.state === 'paused') return { updateStatus: updating(now) };
  if (updateStatus?.state !== 'rollback_paused') return {};
  const message = 'rollback in progress';
  return { updateStatus: { state: 'rollback_started', startedAt: now, message } };
}

/** Back to what it just was, by hand: tasks of then that still run need no replacement. */
function knownRevision(
  view: StoreView,
  { previousRevisionId }: Service,
  spec: ServiceSpec,
): string | undefined {
  const revision =
    previousRevisionId === undefined ? undefined : view.get('revision', previousRevisionId);
  return revision === undefined || tasksDiffer(revision.spec, spec) ? undefined : revision.id;
}

/**
 * Clients send the whole spec back: what was taken once, by an earlier release, is no reason to refuse
 * another change.
 */
function validateChange(before: ServiceSpec, after: ServiceSpec): void {
  const problem = problemOf(after);
  if (problem !== undefined && problemOf(before)?.message !== problem.message) throw problem;
}

function problemOf(spec: ServiceSpec): SwarmError | undefined {
  try {
    validateService(spec);
    return undefined;
  } catch (error) {
    if (error instanceof SwarmError) return error;
    throw error;
  }
}

/** Swaps spec and previous spec; a second rollback swaps back (as Docker does). */
function rollback(
  view: StoreView,
  service: Service,
  random: Random,
  now: number,
): Change<ControlMethods['service.update']['response']> {
  const rolled = rolledBack(service, (id) => view.get('revision', id), random);
  if (rolled === undefined) {
    throw new SwarmError(
      'precondition',
      `service ${service.spec.Name} does not have a previous spec`,
    );
  }
  const { service: next, made } = rolled;
  checkPortConflicts(view, service, next.spec);
  checkFixedAddresses(view, service, next.spec);
  resolveReferences(view, next.spec);
  const updateStatus: UpdateStatus = {
    state: 'rollback_started',
    startedAt: now,
    message: 'manually requested rollback',
  };
  const action = update(
    'service',
    next.revisionId === service.revisionId ? next : { ...next, updateStatus },
  );
  return { actions: [action, ...made], response: { warnings: [] } };
}

/** Removes a service; its tasks stop. Raises `notFound`. */
export function removeService(
  view: StoreView,
  { id }: Request<'service.remove'>,
): Change<ControlMethods['service.remove']['response']> {
  const service = find(view, 'service', id);
  return { actions: [remove('service', service.id)], response: { id: service.id } };
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

/** Replicas, endpoint mode and port modes are always filled: clients dereference them. */
function withDefaults(spec: ServiceSpec): ServiceSpec {
  const Mode = modeSpec(modeOf(spec));
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

/** Ports that it has been given or asks for, also those that a failing update would go back to. */
export function portsHeld(service: Service): PortConfig[] {
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
