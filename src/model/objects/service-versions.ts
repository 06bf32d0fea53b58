// The versions of a service: whether two specs mean the same tasks, and the pair of spec and revision
// that an update leaves behind and a rollback goes back to. The two of a pair change together.
import { newId, type Random } from '../../base/index.ts';
import { create, type Action } from './action.ts';
import type { Revision, Service } from './objects.ts';
import type { ServiceSpec } from '../spec/index.ts';

type Previous = Pick<Service, 'previousSpec' | 'previousRevisionId'>;

/** Whether tasks have to be replaced: their template, or their published ports, changed. */
export function tasksDiffer(before: ServiceSpec, after: ServiceSpec): boolean {
  return taskPart(before) !== taskPart(after);
}

/** The same, but that tasks which may stay on their nodes under the new placement stay. */
export function tasksDifferBesidePlacement(before: ServiceSpec, after: ServiceSpec): boolean {
  return taskPart(withoutPlacement(before)) !== taskPart(withoutPlacement(after));
}

function withoutPlacement(spec: ServiceSpec): ServiceSpec {
  const { Placement: _placement, ...TaskTemplate } = spec.TaskTemplate;
  return { ...spec, TaskTemplate };
}

function taskPart(spec: ServiceSpec): string {
  // Every task's runtime is "container": whether a client writes it makes no difference.
  const { Runtime: _runtime, ...template } = spec.TaskTemplate;
  return canonical([template, spec.EndpointSpec?.Ports ?? [], spec.EndpointSpec?.Mode ?? 'vip']);
}

/** JSON with sorted keys and without empty parts, so that only meaning counts. */
function canonical(value: unknown): string {
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

/** What the service goes back to once it has moved on from what it is now. */
export function currentAsPrevious({ spec, revisionId }: Service): Previous {
  return { previousSpec: spec, previousRevisionId: revisionId };
}

/**
 * The pair to go back to when `spec` changes nothing of the tasks. While an update is not finished
 * that is still where it began, with the new replicas, labels and policies: to go back may not undo
 * them, and may not end at what the update failed with.
 */
export function previousBesideTasks(service: Service, spec: ServiceSpec): Previous {
  const { previousSpec, previousRevisionId } = service;
  if (!isUnfinished(service) || previousSpec === undefined || previousRevisionId === undefined) {
    return currentAsPrevious(service);
  }
  const { EndpointSpec: _endpoint, ...rest } = spec;
  const { TaskTemplate, EndpointSpec } = previousSpec;
  const kept = { ...rest, TaskTemplate, ...(EndpointSpec === undefined ? {} : { EndpointSpec }) };
  return { previousSpec: kept, previousRevisionId };
}

/** An update or a rollback is on its way, or has stopped on its way. */
function isUnfinished({ updateStatus }: Service): boolean {
  const state = updateStatus?.state;
  return state !== undefined && state !== 'completed' && state !== 'rollback_completed';
}

/**
 * The service with spec and previous spec swapped, each with its revision, and the revision if it has
 * to be made: of a pair that an older version of the program stored, the two may not belong together.
 * Undefined when there is nothing to go back to.
 */
export function rolledBack(
  service: Service,
  revision: (id: string) => Revision | undefined,
  random: Random,
): { readonly service: Service; readonly made: readonly Action[] } | undefined {
  const { previousSpec: spec, previousRevisionId } = service;
  if (spec === undefined) return undefined;
  const known = [previousRevisionId, service.revisionId].find((id) => {
    const candidate = id === undefined ? undefined : revision(id);
    return candidate !== undefined && !tasksDiffer(candidate.spec, spec);
  });
  const revisionId = known ?? newId(random);
  const made = known === undefined ? [createRevision(service.id, revisionId, spec)] : [];
  const specVersion = service.specVersion + 1;
  return {
    service: { ...service, ...currentAsPrevious(service), spec, revisionId, specVersion },
    made,
  };
}

/** The action that stores a spec for tasks to refer to. */
export function createRevision(serviceId: string, id: string, spec: ServiceSpec): Action {
  return create('revision', { id, serviceId, spec, ports: spec.EndpointSpec?.Ports ?? [] });
}
