// /secrets and /configs. Payloads of secrets are never given back; those of configs are.
import type { Config, Secret } from '../../model/index.ts';
import type { ManagerBackend } from '../backend/index.ts';
import { configToApi, parseSecretSpec, secretToApi } from '../convert/index.ts';
import {
  created,
  empty,
  ok,
  parseFilters,
  passes,
  passesLabels,
  type Filters,
  type Handler,
  type Route,
} from '../http/index.ts';
import { manager, versionOf } from '../requests/index.ts';

type Kind = 'secret' | 'config';

const FILTERS = ['id', 'name', 'names', 'label'];

export const payloadRoutes: readonly Route[] = (['secret', 'config'] as const).flatMap((kind) => [
  { method: 'GET', pattern: `/${kind}s`, permission: `${kind}.read`, handler: list(kind) },
  {
    method: 'POST',
    pattern: `/${kind}s/create`,
    permission: `${kind}.write`,
    handler: create(kind),
  },
  {
    method: 'GET',
    pattern: `/${kind}s/{id:${kind}}`,
    permission: `${kind}.read`,
    handler: inspect(kind),
  },
  {
    method: 'DELETE',
    pattern: `/${kind}s/{id:${kind}}`,
    permission: `${kind}.write`,
    handler: remove(kind),
  },
  {
    method: 'POST',
    pattern: `/${kind}s/{id:${kind}}/update`,
    permission: `${kind}.write`,
    handler: update(kind),
  },
]);

function toApi(backend: ManagerBackend, kind: Kind, object: Secret | Config): object {
  if (kind === 'secret') return secretToApi(object);
  return configToApi(object, backend.queries.payload(object.id));
}

function list(kind: Kind): Handler {
  return (request) => {
    const { manager: backend } = manager(request);
    const filters = parseFilters(request.query.get('filters'), FILTERS);
    const objects = backend.queries.list(kind).filter((object) => matches(object, filters));
    objects.sort((a, b) => (a.spec.Name < b.spec.Name ? -1 : 1));
    return ok(objects.map((object) => toApi(backend, kind, object)));
  };
}

function matches(object: Secret | Config, filters: Filters): boolean {
  return (
    passes(filters, 'id', (id) => object.id.startsWith(id)) &&
    passes(filters, 'name', (name) => object.spec.Name.startsWith(name)) &&
    passes(filters, 'names', (name) => object.spec.Name === name) &&
    passesLabels(filters, 'label', object.spec.Labels)
  );
}

function create(kind: Kind): Handler {
  return async (request) => {
    const { manager: backend } = manager(request);
    const spec = parseSecretSpec(await request.json());
    const { id } = await backend.submit(request.principal, `${kind}.create`, { spec });
    return created({ ID: id });
  };
}

function inspect(kind: Kind): Handler {
  return (request) => {
    const { manager: backend } = manager(request);
    return ok(toApi(backend, kind, backend.queries.find(kind, request.params['id'] ?? '')));
  };
}

function update(kind: Kind): Handler {
  return async (request) => {
    const { manager: backend } = manager(request);
    const spec = parseSecretSpec(await request.json());
    const id = request.params['id'] ?? '';
    await backend.submit(request.principal, `${kind}.update`, {
      id,
      version: versionOf(request),
      spec,
    });
    return empty();
  };
}

function remove(kind: Kind): Handler {
  return async (request) => {
    const { manager: backend } = manager(request);
    await backend.submit(request.principal, `${kind}.remove`, { id: request.params['id'] ?? '' });
    return empty(204);
  };
}
