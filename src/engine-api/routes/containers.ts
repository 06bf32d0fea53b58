// /containers: what users run on this machine alone, beside the tasks of services. Its output and its
// end are in container-streams.ts.
import { SwarmError } from '../../base/index.ts';
import type { ContainerDescription } from '../../model/index.ts';
import type { ContainerBackend, EngineBackend, StopRequest } from '../backend/index.ts';
import {
  CONTAINER_FILTERS,
  checkFilterValues,
  checkedName,
  containerSummary,
  containerToApi,
  isUp,
  matchesFilters,
  parseContainer,
  type ImageDefaults,
} from '../convert/index.ts';
import {
  created,
  empty,
  nameMatcher,
  ok,
  parseFilters,
  type Filters,
  type Reply,
  type Request,
  type Route,
} from '../http/index.ts';
import { checkPlatform, flag, refuseParameters } from '../requests/index.ts';

export const containerRoutes: readonly Route[] = [
  { method: 'POST', pattern: '/containers/create', permission: 'container.write', handler: create },
  { method: 'POST', pattern: '/containers/prune', permission: 'container.write', handler: prune },
  { method: 'GET', pattern: '/containers/json', permission: 'container.read', handler: list },
  {
    method: 'GET',
    pattern: '/containers/{id:container}/json',
    permission: 'container.read',
    handler: inspect,
  },
  {
    method: 'POST',
    pattern: '/containers/{id:container}/start',
    permission: 'container.write',
    handler: start,
  },
  {
    method: 'POST',
    pattern: '/containers/{id:container}/stop',
    permission: 'container.write',
    handler: stop,
  },
  {
    method: 'POST',
    pattern: '/containers/{id:container}/restart',
    permission: 'container.write',
    handler: restart,
  },
  {
    method: 'POST',
    pattern: '/containers/{id:container}/kill',
    permission: 'container.write',
    handler: kill,
  },
  {
    method: 'POST',
    pattern: '/containers/{id:container}/rename',
    permission: 'container.write',
    handler: rename,
  },
  {
    method: 'DELETE',
    pattern: '/containers/{id:container}',
    permission: 'container.write',
    handler: remove,
  },
];

const IMAGE_ID = /^(?:sha256:)?[0-9a-f]{4,64}$/;

async function create(request: Request): Promise<Reply> {
  const { backend, query } = request;
  checkPlatform(query.get('platform') ?? '', backend);
  const body = await request.json();
  if (Object.keys(body).length === 0) {
    throw new SwarmError('invalid', 'config cannot be empty in order to create a container');
  }
  const { config, warnings } = parseContainer(body, query.get('name') ?? '');
  const id = await backend.containers.create(config);
  return created({ Id: id, Warnings: warnings });
}

async function list(request: Request): Promise<Reply> {
  const { backend, query } = request;
  refuseParameters(request, { size: 'leave out --size' });
  const filters = parseFilters(query.get('filters'), CONTAINER_FILTERS, ['expose', 'isolation']);
  checkFilterValues(filters);
  const limit = integerOf(query.get('limit') ?? '') ?? 0;
  const all = await backend.containers.list();
  const defaults = await imageDefaults(backend, all);
  const ancestors = await ancestorIds(backend, filters);
  // As in Docker: who asks for states or for the newest gets stopped ones as well.
  const hasName = nameMatcher(filters, 'name');
  const stopped = flag(request, 'all') || limit > 0 || filters.has('status');
  const found = all.filter((container) => {
    const image = defaults.get(container.imageId) ?? {};
    if (!stopped && !isUp(container)) return false;
    return matchesFilters(container, filters, { image, ancestors, all, hasName });
  });
  found.sort((a, b) => b.createdAt - a.createdAt);
  const now = Date.now();
  return ok(
    found
      .slice(0, limit > 0 ? limit : undefined)
      .map((one) => containerSummary(one, defaults.get(one.imageId) ?? {}, now)),
  );
}

function integerOf(text: string): number | undefined {
  if (text === '') return undefined;
  if (/^-?\d+$/.test(text)) return Number(text);
  throw new SwarmError('invalid', `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** What the images of these containers say; nothing for images that are gone. */
async function imageDefaults(
  { images }: EngineBackend,
  containers: readonly ContainerDescription[],
): Promise<ReadonlyMap<string, ImageDefaults>> {
  const ids = [...new Set(containers.map(({ imageId }) => imageId))];
  const entries = ids.map(async (id) => {
    const image = await images.inspect(id).catch((error: unknown) => {
      if (error instanceof SwarmError && error.code === 'notFound') return {};
      throw error;
    });
    return [id, (image as { readonly Config?: ImageDefaults | null }).Config ?? {}] as const;
  });
  return new Map(await Promise.all(entries));
}

/** The images that the filter `ancestor` means: by name, with or without tag, or by id. */
async function ancestorIds({ images }: EngineBackend, filters: Filters): Promise<string[]> {
  const wanted = filters.get('ancestor') ?? [];
  if (wanted.length === 0) return [];
  const fits = (id: string, tags: readonly string[], text: string): boolean =>
    tags.includes(text) ||
    tags.includes(`${text}:latest`) ||
    (IMAGE_ID.test(text) && id.startsWith(`sha256:${text.replace('sha256:', '')}`));
  const all = await images.list();
  return all
    .filter(({ id, tags }) => wanted.some((one) => fits(id, tags, one)))
    .map(({ id }) => id);
}

async function inspect(request: Request): Promise<Reply> {
  const { backend } = request;
  refuseParameters(request, { size: 'leave out --size' });
  const container = await backend.containers.inspect(referenceOf(request));
  const defaults = await imageDefaults(backend, [container]);
  const volumes = container.volumes.length > 0 ? await backend.volumes.list() : [];
  const places = new Map(volumes.map(({ name, mountpoint }) => [name, mountpoint]));
  return ok(containerToApi(container, defaults.get(container.imageId) ?? {}, places));
}

async function start(request: Request): Promise<Reply> {
  refuseParameters(request, {
    checkpoint: 'start it without',
    'checkpoint-dir': 'start it without',
  });
  return empty((await request.backend.containers.start(referenceOf(request))) ? 204 : 304);
}

async function stop(request: Request): Promise<Reply> {
  const stopped = await request.backend.containers.stop(referenceOf(request), stopRequest(request));
  return empty(stopped ? 204 : 304);
}

async function restart(request: Request): Promise<Reply> {
  await request.backend.containers.restart(referenceOf(request), stopRequest(request));
  return empty(204);
}

function stopRequest({ query }: Request): StopRequest {
  return {
    signal: query.get('signal') || undefined,
    timeoutSeconds: integerOf(query.get('t') ?? ''),
  };
}

async function kill(request: Request): Promise<Reply> {
  await request.backend.containers.kill(
    referenceOf(request),
    request.query.get('signal') || 'SIGKILL',
  );
  return empty(204);
}

async function rename(request: Request): Promise<Reply> {
  const name = request.query.get('name') ?? '';
  if (name === '') throw new SwarmError('invalid', 'Neither old nor new names may be empty');
  await request.backend.containers.rename(referenceOf(request), checkedName(name));
  return empty(204);
}

async function remove(request: Request): Promise<Reply> {
  refuseParameters(request, { link: 'containers find each other on attachable networks' });
  await request.backend.containers.remove(referenceOf(request), {
    force: flag(request, 'force'),
    volumes: flag(request, 'v'),
  });
  return empty(204);
}

async function prune(request: Request): Promise<Reply> {
  const { backend, query } = request;
  const filters = parseFilters(query.get('filters'), ['label'], ['until', 'label!']);
  const all = await backend.containers.list();
  const defaults = await imageDefaults(backend, all);
  const deleted: string[] = [];
  for (const container of all) {
    const image = defaults.get(container.imageId) ?? {};
    if (
      isUp(container) ||
      !matchesFilters(container, filters, { image, ancestors: [], all, hasName: () => true })
    ) {
      continue;
    }
    if (await removeStopped(backend.containers, container.id)) deleted.push(container.id);
  }
  return ok({ ContainersDeleted: deleted, SpaceReclaimed: 0 });
}

/** False for one that was started or removed in the meantime. */
async function removeStopped(containers: ContainerBackend, id: string): Promise<boolean> {
  try {
    await containers.remove(id, { force: false, volumes: false });
    return true;
  } catch (error) {
    const code = error instanceof SwarmError ? error.code : undefined;
    if (code === 'conflict' || code === 'notFound') return false;
    throw error;
  }
}

function referenceOf(request: Request): string {
  return request.params['id'] ?? '';
}
